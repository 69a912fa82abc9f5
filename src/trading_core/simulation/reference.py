"""The backtest engine: decisions, sizing, limits, matching and fees in market time.

A signal of a bar becomes an order at the instant the bar ends. It meets the price
points of the bars that follow, by `bars.path` and `matching.match` as at the exchange,
so a market order fills at the next bar's open. One that takes time to the market meets
the price that stands when it arrives. All symbols share one account. Nothing random
enters but the draws of the fill model, keyed by the seed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

import polars as pl

from trading_core import bars as bar_frame
from trading_core.benchmark import buy_and_hold
from trading_core.calendar import NEW_YORK, Calendar, Session
from trading_core.costs import accrued_fees, daily_fees, night_costs
from trading_core.ledger import Book, Execution, Split, round_trips
from trading_core.limits import Proposal, evaluate, loss_share, refused_groups
from trading_core.matching import OrderType, Quote, RestingOrder, match
from trading_core.money import QUANTITY_STEP, ZERO, Side, exact, price_of
from trading_core.simulation.actions import CorporateAction, split_adjusted
from trading_core.simulation.result import (
    ENGINE_VERSION,
    Backtest,
    OrderStatus,
    Outcome,
    Provenance,
    SimulatedOrder,
)
from trading_core.simulation.setup import Setup
from trading_core.sizing import order_quantity, target_quantity
from trading_core.strategy import LEG, Strategy


def simulate(
    strategy: Strategy[Any],
    bars: pl.DataFrame,
    calendar: Calendar,
    setup: Setup | None = None,
) -> Backtest:
    """Run a strategy over session bars and return what it traded.

    `bars` are unadjusted bars of one timeframe that stand on the calendar's boundaries;
    those before `setup.trade_from` only warm the strategy up. Orders trade at the
    unadjusted prices; the strategy sees bars adjusted for the splits of the setup.
    """
    setup = setup or Setup()
    good, problems = bar_frame.validate(bars)
    if problems or good.is_empty():
        what = problems[0].message if problems else "There are no bars."
        remedy = "Correct the row, or leave it out." if problems else ""
        raise ValueError(f"A backtest needs clean bars. {what} {remedy}".rstrip())
    adjusted = split_adjusted(good, setup.actions)
    decisions = strategy.decide(adjusted).with_columns(good["close"])
    run = _Run(strategy, setup)
    for session, slots in _sessions(good, decisions, calendar, setup):
        run.open_session(session)
        for end, rows in slots:
            if setup.trade_from is None or rows[0].start >= setup.trade_from:
                run.play(rows, end)
                run.decide(rows, end)
        run.close_session()
    if not run.curve:
        raise ValueError(f"No bar starts at {setup.trade_from} or later.")
    return run.result(good, adjusted, decisions)


@dataclass(frozen=True, slots=True)
class _Row:
    symbol: str
    start: datetime
    end: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    signal: int
    weight: float
    reduce_only: bool
    group: str | None
    price: Decimal


@dataclass(slots=True)
class _Working:
    """An open order and its record."""

    record: SimulatedOrder
    resting: RestingOrder
    arrives: datetime

    def split(self, ratio: Decimal) -> None:
        """Ask for as many new shares as the old ones became: an exit stays one."""
        self.record = replace(
            self.record,
            quantity=(self.record.quantity * ratio).quantize(QUANTITY_STEP),
            filled=(self.record.filled * ratio).quantize(QUANTITY_STEP),
            decision_price=self.record.decision_price / ratio,
        )
        rest = (self.resting.quantity * ratio).quantize(QUANTITY_STEP)
        self.resting = replace(self.resting, quantity=rest)


@dataclass(slots=True)
class _Today:
    """Counts and the equity a loss is measured from."""

    session: Session
    equity: Decimal
    orders: int = 0
    trades: list[tuple[Side, Decimal, Decimal]] = field(default_factory=list)


class _Run:
    """The account while a backtest runs."""

    def __init__(self, strategy: Strategy[Any], setup: Setup) -> None:
        self.strategy = strategy
        self.setup = setup
        self.book = Book(setup.cash)
        self.marks: dict[str, Decimal] = {}
        self.working: dict[str, list[_Working]] = defaultdict(list)
        self.closed: list[SimulatedOrder] = []
        self.outcomes: list[Outcome] = []
        self.executions: list[Execution] = []
        self.splits: list[Split] = []
        self.curve: list[tuple[datetime, datetime, float, float, float]] = []
        self.high_water = setup.cash
        self.equity = setup.cash
        self.today: _Today | None = None
        self.actions: dict[date, list[CorporateAction]] = defaultdict(list)
        for action in setup.actions:
            self.actions[action.day].append(action)

    def open_session(self, session: Session) -> None:
        """Begin a day: the night's costs, corporate actions, then count anew."""
        if self.today is not None:
            self._charge_nights((session.day - self.today.session.day).days)
        for day in sorted(self.actions):
            if day <= session.day:
                for action in self.actions.pop(day):
                    self._apply(action, session)
        self.today = _Today(session, self.equity)

    def _charge_nights(self, nights: int) -> None:
        """Charge what was borrowed since the last close: shares and dollars."""
        model, book = self.setup.model, self.book
        values = [
            (symbol, book.position(symbol).market_value(self.marks[symbol]))
            for symbol in book.held()
        ]
        costs = night_costs(
            book.cash, values, model.borrow_rate, model.margin_rate, nights
        )
        book.charge(costs.total)

    def _apply(self, action: CorporateAction, session: Session) -> None:
        if action.dividend:
            self.book.dividend(action.symbol, action.dividend)
        if action.split != 1:
            split = Split(action.symbol, session.open, action.split)
            self.splits.append(split)
            self.book.split(action.symbol, action.split)
            if action.symbol in self.marks:
                self.marks[action.symbol] /= action.split
            for order in self.working[action.symbol]:
                order.split(action.split)

    def play(self, rows: Sequence[_Row], end: datetime) -> None:
        """Walk the prices of one slot of bars, then mark the account at its closes."""
        self._fill([row for row in rows if self.working.get(row.symbol)])
        for row in rows:
            self.marks[row.symbol] = row.price
        self.equity = self.book.equity(self.marks)
        self.high_water = max(self.high_water, self.equity)
        self._record(rows[0].start, end)

    def _record(self, start: datetime, end: datetime) -> None:
        gross = self.book.gross_value(self.marks)
        amounts = (float(self.equity), float(self.book.cash), float(gross))
        self.curve.append((start, end, *amounts))

    def _fill(self, rows: Sequence[_Row]) -> None:
        meetings: list[tuple[datetime, str, Quote, bool]] = []
        for row in rows:
            points = bar_frame.path(
                row.open, row.high, row.low, row.close, row.start, row.end, row.volume
            )
            quotes = self.setup.model.quotes(points)
            meetings += [(quote.time, row.symbol, quote, True) for quote in quotes]
            times = {quote.time for quote in quotes}
            arrivals = {order.arrives for order in self.working[row.symbol]} - times
            for arrives in arrivals:
                # An order that comes between two prices meets the one that stands.
                before = [quote for quote in quotes if quote.time < arrives < row.end]
                meetings += [
                    (arrives, row.symbol, replace(one, time=arrives), False)
                    for one in before[-1:]
                ]
        for time, symbol, quote, is_new in sorted(meetings, key=itemgetter(0, 1)):
            for order in list(self.working[symbol]):
                if order.arrives == time or (is_new and order.arrives < time):
                    self._meet(order, quote, time)

    def _meet(self, order: _Working, quote: Quote, time: datetime) -> None:
        met = match(order.resting, quote, self.setup.model, self.setup.seed)
        for fill in met.fills:
            self._book(order.record, fill.quantity, fill.price, time)
        filled = order.record.filled + met.filled
        if met.order is not None:
            order.resting = met.order
            status = OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW
            order.record = replace(order.record, filled=filled, status=status)
            return
        done = OrderStatus.CANCELED if met.canceled else OrderStatus.FILLED
        self.closed.append(replace(order.record, filled=filled, status=done))
        self.working[order.record.symbol].remove(order)

    def _book(
        self, order: SimulatedOrder, quantity: Decimal, price: Decimal, time: datetime
    ) -> None:
        fees = ZERO
        if self.setup.model.fees:
            day = time.astimezone(NEW_YORK).date()
            fees = accrued_fees(day, order.side, quantity, price).total
        execution = Execution(
            order.symbol, order.side, quantity, price, time, fees, order.reference
        )
        self.executions.append(execution)
        # Fees leave the cash at the end of the day, as at the broker.
        self.book.apply(replace(execution, fees=ZERO))
        assert self.today is not None
        self.today.trades.append((order.side, quantity, price))

    def decide(self, rows: Sequence[_Row], end: datetime) -> None:
        """Turn the signals of one slot into orders, in order of symbols."""
        placed = 0
        refused = self._refused_legs(rows, end)
        for row in rows:
            if row.signal:
                leg = "" if row.reduce_only else refused.get(row.group, "")
                placed += self._answer(row, end, placed, leg)

    def _refused_legs(
        self, rows: Sequence[_Row], end: datetime
    ) -> dict[str | None, str]:
        """Return the groups of which a leg may not trade, and why."""
        legs = [row for row in rows if row.group and row.signal and not row.reduce_only]
        judged = (
            (row.group, row.symbol, evaluate(proposal, self.setup.limits))
            for row in legs
            for proposal in (self._proposal(row, _side(row), end, 0),)
        )
        return refused_groups(judged)

    def _answer(
        self, row: _Row, end: datetime, placed: int, refused_leg: str = ""
    ) -> int:
        side = _side(row)
        reference = f"{self.strategy.name}|{row.symbol}|{end.isoformat()}"
        proposal = self._proposal(row, side, end, placed, refused_leg)
        evaluation = evaluate(proposal, self.setup.limits)
        self.outcomes.append(Outcome(reference, row.symbol, side, end, evaluation))
        if not evaluation.approved:
            return 0
        self._place(row, side, evaluation.quantity, end, reference)
        return 1

    def _proposal(
        self,
        row: _Row,
        side: Side,
        end: datetime,
        placed: int,
        refused_leg: str = "",
    ) -> Proposal:
        assert self.today is not None
        parameters = self.strategy.parameters
        price, equity = row.price, self.equity
        held = self.book.position(row.symbol).quantity + self._ordered(row.symbol)
        quantity = ZERO
        share = exact(row.weight * parameters.max_position_size)
        if equity > 0:
            target = target_quantity(equity, price, share, self.setup.fractional)
            if target or held:
                quantity = order_quantity(
                    side, target, held, parameters.allow_short, row.reduce_only
                )
        reserved, spent = self._reserved()
        day_loss = loss_share(self.today.equity, equity)
        drawdown = loss_share(self.high_water, equity)
        return Proposal(
            strategy=self.strategy.name,
            symbol=row.symbol,
            side=side,
            quantity=quantity,
            price=price,
            equity=equity,
            buying_power=self.book.cash - spent,
            gross_exposure=self.book.gross_value(self.marks) + reserved,
            held=held,
            max_position_size=share,
            is_session_open=self.today.session.contains(end),
            allow_short=parameters.allow_short,
            refused_leg=refused_leg,
            opposite=self._opposite(row.symbol, side),
            orders_this_bar=placed,
            orders_today=self.today.orders,
            account_daily_loss=day_loss,
            account_drawdown=drawdown,
            # One strategy trades the account, so its result is the account's.
            strategy_daily_loss=day_loss,
            strategy_drawdown=drawdown,
        )

    def _ordered(self, symbol: str) -> Decimal:
        """Return the shares that open orders will add to a symbol's position."""
        return sum(
            (
                each.resting.quantity if each.resting.is_buy else -each.resting.quantity
                for each in self.working.get(symbol, ())
            ),
            ZERO,
        )

    def _opposite(self, symbol: str, side: Side) -> Decimal:
        """Return the shares of a symbol's open orders on the other side."""
        others = [o for o in self.working.get(symbol, ()) if o.record.side != side]
        return sum((order.resting.quantity for order in others), ZERO)

    def _reserved(self) -> tuple[Decimal, Decimal]:
        """Return the notional of open entries, and what open purchases will cost."""
        entries = spent = ZERO
        for symbol, orders in self.working.items():
            held = self.book.position(symbol).quantity
            for order in orders:
                notional = order.resting.quantity * order.record.decision_price
                grows = held >= 0 if order.resting.is_buy else held <= 0
                entries += notional if grows else ZERO
                spent += notional if order.resting.is_buy else ZERO
        return entries, spent

    def _place(
        self, row: _Row, side: Side, quantity: Decimal, end: datetime, reference: str
    ) -> None:
        assert self.today is not None
        self.today.orders += 1
        record = SimulatedOrder(
            reference=reference,
            symbol=row.symbol,
            side=side,
            quantity=quantity,
            decision_price=row.price,
            placed_at=end,
        )
        resting = RestingOrder(row.symbol, side, OrderType.MARKET, quantity)
        arrives = end + self.setup.model.latency
        self.working[row.symbol].append(_Working(record, resting, arrives))

    def close_session(self) -> None:
        """End a day: expire what it did not fill, and charge its fees."""
        assert self.today is not None
        close = self.today.session.close
        for orders in self.working.values():
            for order in list(orders):
                # An order placed at the close waits for the next session.
                if order.record.placed_at < close:
                    self.closed.append(
                        replace(order.record, status=OrderStatus.EXPIRED)
                    )
                    orders.remove(order)
        if self.setup.model.fees and self.today.trades:
            self.book.charge(
                daily_fees(self.today.session.day, self.today.trades).total
            )
            self.equity = self.book.equity(self.marks)
            # The day's last equity is net of its fees.
            start, end, *_ = self.curve.pop()
            self._record(start, end)

    def result(
        self, bars: pl.DataFrame, adjusted: pl.DataFrame, decisions: pl.DataFrame
    ) -> Backtest:
        """Return everything that happened."""
        strategy, setup = self.strategy, self.setup
        working = [each.record for orders in self.working.values() for each in orders]
        orders = sorted(
            [*self.closed, *working], key=lambda each: (each.placed_at, each.symbol)
        )
        return Backtest(
            provenance=Provenance(
                engine=ENGINE_VERSION,
                strategy=strategy.name,
                version=strategy.version,
                parameters=strategy.parameters.model_dump(mode="json"),
                parameters_hash=strategy.parameters_hash,
                data_hash=bar_frame.content_hash(bars),
                model=setup.model.name,
                seed=setup.seed,
                timeframe=setup.timeframe.value,
                first=self.curve[0][0],
                last=self.curve[-1][1],
            ),
            decisions=decisions,
            outcomes=tuple(self.outcomes),
            orders=tuple(orders),
            executions=tuple(self.executions),
            trips=tuple(round_trips(self.executions, self.splits)),
            equity=self._equity(adjusted),
            book=self.book,
        )

    def _equity(self, adjusted: pl.DataFrame) -> pl.DataFrame:
        curve = pl.DataFrame(
            self.curve,
            schema={
                "start": bar_frame.TIME,
                "timestamp": bar_frame.TIME,
                "equity": pl.Float64,
                "cash": pl.Float64,
                "gross": pl.Float64,
            },
            orient="row",
        )
        traded = adjusted.filter(pl.col("timestamp") >= curve["start"][0])
        held = buy_and_hold(traded, float(self.setup.cash))
        return (
            curve.join(
                held.rename({"timestamp": "start", "equity": "benchmark"}),
                on="start",
                how="left",
                maintain_order="left",
            )
            .with_columns(drawdown=pl.col("equity") / pl.col("equity").cum_max() - 1.0)
            .drop("start")
        )


Slot = tuple[datetime, list[_Row]]


def _sessions(
    bars: pl.DataFrame, decisions: pl.DataFrame, calendar: Calendar, setup: Setup
) -> Iterable[tuple[Session, list[Slot]]]:
    """Yield each session with its bars grouped by their ends, in order of time."""
    signals = decisions.select("symbol", "timestamp", "signal", *LEG)
    rows = bars.join(signals, on=["symbol", "timestamp"], how="left").sort(
        "timestamp", "symbol"
    )
    grouped: dict[datetime, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows.iter_rows():
        grouped[row[1]].append(row)
    starts = list(grouped)
    first, last = (when.astimezone(NEW_YORK).date() for when in (starts[0], starts[-1]))
    for session in calendar.sessions_between(first, last):
        slots: list[Slot] = []
        for start, end in calendar.bars(session, setup.timeframe):
            found = grouped.pop(start, None)
            if found:
                slots.append((end, [_row(values, end) for values in found]))
        if slots:
            yield session, slots
    if grouped:
        stray = min(grouped)
        raise ValueError(
            f"{len(grouped)} bar times are no {setup.timeframe} bars of a session, "
            f"the first at {stray}. Import clock hours with restamp_clock_hours."
        )


def _side(row: _Row) -> Side:
    return "buy" if row.signal > 0 else "sell"


def _row(values: tuple[Any, ...], end: datetime) -> _Row:
    symbol, start, open_, high, low, close, volume, signal, weight, only, group = values
    return _Row(
        symbol,
        start,
        end,
        open_,
        high,
        low,
        close,
        volume,
        int(signal),
        float(weight),
        bool(only),
        group,
        price_of(close),
    )
