"""Loss days and breakers: marking, tripping, and what ends them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from trading_core.limits import Limits, LimitType, NoLimitConfigured
from trading_risk.domain.books import Books
from trading_risk.domain.limits import market_limits
from trading_risk.domain.losses import LossDay
from trading_risk.domain.trading_state import BREAKER
from trading_risk.models import Breaker
from trading_risk.operations.alerts import raise_alert
from trading_risk.operations.trading_state import halt, record_state
from trading_risk.ports import Surroundings
from trading_risk.repository import RiskTransaction
from trading_system.errors import Conflict, Invalid
from trading_system.vocabulary import Severity, TradingState

ACCOUNT = "account"
STRATEGY = "strategy"


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """What trips a breaker, and whether the next session ends it."""

    type: str
    limit: LimitType
    measure: Callable[[LossDay], Decimal]
    automatic_reset: bool


RULES = (
    BreakerRule("daily_loss", LimitType.MAX_DAILY_LOSS, lambda d: d.loss, True),
    BreakerRule("drawdown", LimitType.MAX_DRAWDOWN, lambda d: d.drawdown, False),
)


def mark_books(
    tx: RiskTransaction,
    surroundings: Surroundings,
    market_time: datetime,
    strategies: Iterable[str] = (),
) -> None:
    """Mark the account and every strategy at the closes of a market time."""
    tx.lock_account()
    books = tx.books.read()
    prices = tx.books.prices(books.positions, market_time, surroundings.feed)
    _mark(tx, ACCOUNT, "", books.equity(prices), market_time)
    mark_strategies(tx, books, prices, market_time, strategies)


def mark_account(
    tx: RiskTransaction,
    surroundings: Surroundings,
    equity: Decimal,
    market_time: datetime,
) -> None:
    """Mark the account at the equity that execution tells, and strategies with it."""
    tx.lock_account()
    _mark(tx, ACCOUNT, "", equity, market_time)
    books = tx.books.read()
    prices = tx.books.prices(books.positions, market_time, surroundings.feed)
    mark_strategies(tx, books, prices, market_time, ())


def mark_strategies(
    tx: RiskTransaction,
    books: Books,
    prices: Mapping[str, Decimal],
    market_time: datetime,
    strategies: Iterable[str],
) -> None:
    """Mark each strategy at what it has made."""
    equity = books.equity(prices)
    known = {*strategies, *books.strategies, *tx.loss_days.known()}
    for strategy in sorted(known):
        profit = books.profit(strategy, prices)
        last = tx.loss_days.last(STRATEGY, strategy)
        base = last[0].base if last else equity - profit
        _mark(tx, STRATEGY, strategy, base + profit, market_time, base)


def loss_day(
    tx: RiskTransaction, scope: str, scope_id: str, day: date, equity: Decimal
) -> LossDay:
    """Return the loss day as it stands at an equity; nothing is stored."""
    last = tx.loss_days.last(scope, scope_id)
    if last is None:
        return LossDay.first(day, equity, equity)
    return last[0].on(day).marked(equity)


def begin_session(tx: RiskTransaction, day: date, market_time: datetime) -> None:
    """End the breakers of sessions before this one that end by themselves."""
    ended = [
        breaker
        for breaker in tx.breakers.open()
        if breaker.automatic_reset and breaker.session_day < day
    ]
    for breaker in ended:
        tx.act_as("risk", "new session")
        tx.breakers.close(breaker, market_time, "risk", f"the session of {day} began")
    if not any(breaker.scope == ACCOUNT for breaker in ended):
        return
    if any(breaker.scope == ACCOUNT for breaker in tx.breakers.open()):
        return
    row = tx.states.lock()
    # Whatever a person decided meanwhile holds; only the breaker's own halt ends.
    if row is not None and row.set_by == BREAKER and row.level == 1:
        record_state(tx, TradingState.ACTIVE, 0, f"the session of {day} began", "risk")


def reset_breaker(
    tx: RiskTransaction, breaker_id: UUID, reason: str, by: str
) -> Breaker:
    """Take a strategy's breaker back; the account's ends with a resume."""
    if not reason.strip():
        raise Invalid("A reason is needed.", remedy="Say why in a few words.")
    tx.lock_account()
    breaker = tx.breakers.get(breaker_id)
    if breaker.reset_at is not None:
        return breaker
    if breaker.scope == ACCOUNT:
        raise Conflict(
            "A breaker of the account has reduced trading.",
            remedy="Resume trading instead.",
        )
    tx.act_as(by, reason)
    tx.breakers.close(breaker, tx.market_time(), by, reason)
    last = tx.loss_days.last(breaker.scope, breaker.scope_id)
    if last is not None and breaker.type == "drawdown":
        tx.loss_days.save(breaker.scope, breaker.scope_id, last[0].forgiven(), last[1])
    return breaker


def limit_of(
    limits: Limits, rule: BreakerRule, scope: str, name: str
) -> Decimal | None:
    """Return what a breaker holds a loss against, None when nobody set it."""
    try:
        if scope == ACCOUNT:
            return limits.tightest(rule.limit, scopes=("account",))
        return limits.tightest(rule.limit, name)
    except NoLimitConfigured:
        return None


def _mark(
    tx: RiskTransaction,
    scope: str,
    scope_id: str,
    equity: Decimal,
    market_time: datetime,
    base: Decimal | None = None,
) -> None:
    last = tx.loss_days.last(scope, scope_id)
    if last is not None and last[1] > market_time:
        return  # older than what is known
    day = tx.session_day(market_time)
    begin_session(tx, day, market_time)
    if last is None:
        marked = LossDay.first(day, equity if base is None else base, equity)
    else:
        marked = last[0].on(day).marked(equity)
    tx.loss_days.save(scope, scope_id, marked, market_time)
    if marked.start > 0 and marked.peak > 0:
        _trip(tx, scope, scope_id, marked, market_time)


def _trip(
    tx: RiskTransaction,
    scope: str,
    scope_id: str,
    day: LossDay,
    market_time: datetime,
) -> None:
    limits = market_limits(tx.limits.all())
    for rule in RULES:
        limit = limit_of(limits, rule, scope, scope_id)
        value = rule.measure(day)
        if limit is None or value < limit:
            continue
        # Once a session: a person who resumed in it has seen this loss.
        if tx.breakers.has_tripped(scope, scope_id, rule.type, day.day):
            continue
        what = f"{rule.type} of {scope_id or 'the account'}"
        message = f"{what} is {value:.2%}, at or over the limit of {limit:.2%}."
        tx.act_as(BREAKER, message)
        breaker = tx.breakers.trip(
            scope=scope,
            scope_id=scope_id,
            type=rule.type,
            session_day=day.day,
            automatic_reset=rule.automatic_reset,
            value=value,
            limit_value=limit,
            evidence={
                "equity": str(day.equity),
                "day_start": str(day.start),
                "peak": str(day.peak),
            },
            tripped_at=market_time,
        )
        raise_alert(
            tx,
            dedup_key=f"breaker:{breaker.breaker_id}",
            type=f"{rule.type}_breaker",
            severity=Severity.CRITICAL,
            message=f"{message} Entries are stopped.",
            market_time=market_time,
            scope=scope,
            scope_id=scope_id,
            value=value,
            limit=limit,
        )
        if scope == ACCOUNT:
            halt(tx, 1, message, BREAKER)
