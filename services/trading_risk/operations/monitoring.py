"""Exposure, losses and limits in use: what is near a limit, what is over it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trading_core.limits import LimitType, NoLimitConfigured, loss_share
from trading_core.money import ZERO, exact
from trading_risk.domain.books import Books
from trading_risk.domain.limits import market_limits
from trading_risk.domain.losses import LossDay
from trading_risk.domain.value_at_risk import WINDOW, daily_results, value_at_risk
from trading_risk.operations.losses import (
    ACCOUNT,
    RULES,
    STRATEGY,
    limit_of,
)
from trading_risk.ports import Surroundings
from trading_risk.repository import RiskTransaction
from trading_system.contracts.risk import ExposureView, LimitView
from trading_system.vocabulary import Severity

WARN_AT = Decimal("0.8")
"""Share of a limit from which it is warned of."""

DRIFT = Decimal("1.1")
"""Prices alone carry a full position over its limit; a tenth over is a breach."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How much of a limit is used."""

    type: str
    limit_type: LimitType
    scope: str
    scope_id: str
    value: Decimal
    limit: Decimal
    warns: bool = True
    drifts: bool = False

    @property
    def severity(self) -> Severity | None:
        """How much it matters, None when it is far from its limit."""
        breach = self.limit * DRIFT if self.drifts else self.limit
        if self.value > breach or (self.value == breach and not self.drifts):
            return Severity.WARNING if self.drifts else Severity.CRITICAL
        if self.warns and self.limit > 0 and self.value >= self.limit * WARN_AT:
            # To be fully invested is what strategies aim at; to lose is not.
            return Severity.INFO if self.drifts else Severity.WARNING
        return None

    @property
    def message(self) -> str:
        """The measure in a sentence."""
        who = self.scope_id or "the account"
        what = self.type.replace("_", " ")
        return f"{what} of {who} is {self.value:.2%}; the limit is {self.limit:.2%}."


def monitor(
    tx: RiskTransaction,
    surroundings: Surroundings,
    market_time: datetime,
    at_closes: bool = False,
) -> tuple[int, list[str]]:
    """Write down what is near or over a limit; return how much was measured, and that.

    A limit is warned of once a session, and its breach told once a session. Positions
    count at their marks, or at the closes of their bars.
    """
    # Two that write the same warnings in another order would wait for each other.
    tx.lock_account()
    books = tx.books.read()
    priced = tx.books.prices if at_closes else tx.books.marks
    prices = priced(books.positions, market_time, surroundings.feed)
    day = tx.session_day(market_time)
    raised, count = [], 0
    for measure in _measures(tx, books, prices):
        count += 1
        severity = measure.severity
        if severity is None:
            continue
        word = "warning" if measure.value < measure.limit else "breach"
        where = (measure.scope, measure.scope_id)
        if word == "breach" and tx.breakers.has_tripped(*where, measure.type, day):
            continue  # the breaker has told it
        type = f"{measure.type}_{word}"
        event = tx.events.record(
            dedup_key=f"{type}:{measure.scope}:{measure.scope_id}:{day}",
            type=type,
            severity=severity,
            message=measure.message[0].upper() + measure.message[1:],
            timestamp=market_time,
            scope=measure.scope,
            scope_id=measure.scope_id,
            value=measure.value,
            limit=measure.limit,
        )
        if event is not None:
            raised.append(event.message)
    return count, raised


def exposure(tx: RiskTransaction, surroundings: Surroundings) -> ExposureView:
    """Return the account's exposure and losses, as risk sees them."""
    market_time = tx.market_time()
    books = tx.books.read()
    prices = tx.books.marks(books.positions, market_time, surroundings.feed)
    equity = books.equity(prices)
    long_value, short_value = books.long_value(prices), books.short_value(prices)
    gross, net = long_value - short_value, long_value + short_value
    last = tx.loss_days.last(ACCOUNT, "")
    day = None if last is None else _today(tx, last[0], equity, market_time)
    at_risk = _value_at_risk(tx, books, prices, surroundings, market_time)
    return ExposureView(
        account_id=tx.account,
        equity=equity,
        cash=books.cash,
        long_value=long_value,
        short_value=short_value,
        gross=gross,
        net=net,
        gross_fraction=float(gross / equity) if equity > 0 else None,
        net_fraction=float(net / equity) if equity > 0 else None,
        open_positions=len(books.positions),
        day_start_equity=None if day is None else day.start,
        day_pnl=None if day is None else day.equity - day.start,
        peak_equity=None if day is None else day.peak,
        drawdown=(
            float(loss_share(day.peak, day.equity)) if day and day.peak > 0 else None
        ),
        value_at_risk=None if at_risk is None else exact(round(at_risk, 2)),
        market_time=market_time,
    )


def limits_in_use(tx: RiskTransaction, surroundings: Surroundings) -> list[LimitView]:
    """Return every limit in force, with how much of it is used where that is known."""
    market_time = tx.market_time()
    books = tx.books.read()
    prices = tx.books.marks(books.positions, market_time, surroundings.feed)
    day = tx.session_day(market_time)
    used: dict[tuple[str, str, str], Decimal] = {}
    for measure in _measures(tx, books, prices):
        where = (measure.scope, measure.scope_id, measure.limit_type)
        used[where] = max(measure.value, used.get(where, measure.value))
        if measure.limit_type is LimitType.MAX_POSITION_SIZE:
            everywhere = (ACCOUNT, "", str(measure.limit_type))
            used[everywhere] = max(measure.value, used.get(everywhere, ZERO))
    orders_today, _ = tx.outcomes.approved(day, market_time)
    used[(ACCOUNT, "", LimitType.MAX_ORDERS_PER_DAY)] = Decimal(orders_today)
    views = []
    for limit in tx.limits.all():
        value = used.get((limit.scope, limit.scope_id, limit.limit_type))
        share = None
        if value is not None and limit.limit_value > 0:
            share = float(value / limit.limit_value)
        view = LimitView.model_validate(limit)
        views.append(view.model_copy(update={"value": value, "used": share}))
    return views


def _measures(
    tx: RiskTransaction, books: Books, prices: Mapping[str, Decimal]
) -> Iterator[Measure]:
    limits = market_limits(tx.limits.all())
    equity = books.equity(prices)
    if equity > 0:
        for symbol, quantity in books.positions.items():
            try:
                limit = limits.tightest(LimitType.MAX_POSITION_SIZE, symbol=symbol)
            except NoLimitConfigured:
                continue
            yield Measure(
                "position_size",
                LimitType.MAX_POSITION_SIZE,
                "symbol",
                symbol,
                abs(quantity * prices[symbol]) / equity,
                limit,
                warns=False,
                drifts=True,
            )
        yield from _gross(tx, books, prices, equity)
    for scope, name in [(ACCOUNT, ""), *((STRATEGY, s) for s in tx.loss_days.known())]:
        last = tx.loss_days.last(scope, name)
        if last is None or last[0].start <= 0 or last[0].peak <= 0:
            continue
        for rule in RULES:
            bound = limit_of(limits, rule, scope, name)
            if bound is not None:
                value = max(rule.measure(last[0]), ZERO)
                yield Measure(rule.type, rule.limit, scope, name, value, bound)


def _gross(
    tx: RiskTransaction, books: Books, prices: Mapping[str, Decimal], equity: Decimal
) -> Iterator[Measure]:
    limits = market_limits(tx.limits.all())
    try:
        limit = limits.tightest(LimitType.MAX_GROSS_EXPOSURE, scopes=("account",))
    except NoLimitConfigured:
        return
    held = books.long_value(prices) - books.short_value(prices)
    yield Measure(
        "gross_exposure",
        LimitType.MAX_GROSS_EXPOSURE,
        ACCOUNT,
        "",
        held / equity,
        limit,
        drifts=True,
    )


def _today(
    tx: RiskTransaction, last: LossDay, equity: Decimal, market_time: datetime
) -> LossDay:
    return last.on(tx.session_day(market_time)).marked(equity)


def _value_at_risk(
    tx: RiskTransaction,
    books: Books,
    prices: Mapping[str, Decimal],
    surroundings: Surroundings,
    market_time: datetime,
) -> float | None:
    positions = books.positions
    if not positions:
        return 0.0
    # Sessions are about five in seven days, holidays aside.
    after = market_time - timedelta(days=WINDOW * 3 // 2)
    days = tx.books.daily_closes(positions, after, market_time, surroundings.feed)
    whole = [closes for closes in days.values() if closes.keys() >= positions.keys()]
    window = whole[-(WINDOW + 1) :]
    series = {symbol: [closes[symbol] for closes in window] for symbol in positions}
    values = {symbol: q * prices[symbol] for symbol, q in positions.items()}
    return value_at_risk(daily_results(values, series))
