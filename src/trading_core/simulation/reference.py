"""The backtest engine: decisions, sizing, limits, matching and fees in market time.

A signal of a bar becomes an order at the instant the bar ends. It reaches the market
after the fill model's latency, meets the last price traded there, which is the open of
the bar that begins, and then every price point that follows, by `bars.path` and
`matching.match` as at the exchange. Orders of earlier bars meet the open before the
bar's signals are answered: both happen at one instant, and the market is faster. All
symbols, and all strategies, share one account. Nothing random enters but the draws of
the fill model, keyed by the seed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from operator import attrgetter
from typing import Any

import polars as pl

from trading_core import bars as bar_frame
from trading_core.benchmark import buy_and_hold
from trading_core.calendar import NEW_YORK, Calendar, Session
from trading_core.costs import accrued_fees, daily_fees, night_costs
from trading_core.ledger import Book, Execution, RoundTrip, Split, round_trips
from trading_core.limits import (
    Evaluation,
    Proposal,
    evaluate,
    loss_share,
    refusal_of_leg,
    together,
)
from trading_core.matching import OrderType, Quote, RestingOrder, match
from trading_core.money import QUANTITY_STEP, ZERO, Side, exact, price_of
from trading_core.simulation.actions import CorporateAction, split_adjusted
from trading_core.simulation.result import (
    ENGINE_VERSION,
    Backtest,
    OrderStatus,
    Outcome,
    Provenance,
    Shown,
    SimulatedOrder,
)
from trading_core.simulation.setup import Opening, Setup
from trading_core.sizing import order_quantity, target_quantity
from trading_core.strategy import LEG, Strategy, StrategyError


def simulate(
    strategies: Strategy[Any] | Sequence[Strategy[Any]],
    bars: pl.DataFrame,
    calendar: Calendar,
    setup: Setup | None = None,
) -> Backtest:
    """Run one strategy, or several in one account, and return what was traded.

    `bars` are unadjusted bars of one timeframe that stand on the calendar's boundaries;
    those before `setup.trade_from` only warm the strategies up. Orders trade at the
    unadjusted prices; strategies see bars adjusted for the splits of the setup. The
    signals of a bar are answered in order of strategies by name, then of symbols.
    """
    setup = setup or Setup()
    together = _by_name(strategies)
    good, problems = bar_frame.validate(bars)
    if problems or good.is_empty():
        raise ValueError(
            f"A backtest needs clean bars. {bar_frame.complaint(problems)}"
        )
    adjusted = split_adjusted(good, setup.actions)
    decisions = pl.concat(
        strategy.decide(adjusted).with_columns(good["close"], strategy=pl.lit(name))
        for name, strategy in together.items()
    )
    run = _Run(together, setup)
    if setup.opening is not None:
        run.open_with(setup.opening, good)
    sessions = list(_sessions(good, decisions, calendar, setup, list(together)))
    # What happens after the last bar is not known: its orders stay open.
    known_until = max(end for _, slots in sessions for end, _ in slots)
    for session, slots in sessions:
        run.open_session(session, [row for _, rows in slots for row in rows])
        for end, rows in slots:
            if setup.trade_from is None or rows[0].start >= setup.trade_from:
                run.play(rows, end)
                run.decide(rows, end)
                if end < known_until:
                    run.advance(end)
                run.show(end)
        run.close_session(min(session.close, known_until))
    if not run.curve:
        raise ValueError(f"No bar starts at {setup.trade_from} or later.")
    return run.result(good, adjusted, decisions)


def _by_name(
    strategies: Strategy[Any] | Sequence[Strategy[Any]],
) -> dict[str, Strategy[Any]]:
    given = [strategies] if isinstance(strategies, Strategy) else list(strategies)
    named = {each.name: each for each in sorted(given, key=attrgetter("name"))}
    if not given or len(named) != len(given):
        raise StrategyError("A backtest needs strategies, each under its own name.")
    return named


@dataclass(frozen=True, slots=True)
class _Signal:
    """What a strategy asks for at a bar's end."""

    side: Side
    weight: float
    reduce_only: bool
    group: str | None


@dataclass(frozen=True, slots=True)
class _Row:
    """A bar and what each strategy, by its place, says of it."""

    symbol: str
    start: datetime
    end: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    signals: tuple[_Signal | None, ...]
    price: Decimal


@dataclass(slots=True, eq=False)
class _Working:
    """An open order and its record; `arrives` is when it reaches the market."""

    record: SimulatedOrder
    resting: RestingOrder
    arrives: datetime
    reduces: bool

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
class _Part:
    """A strategy's part of the account: its shares, its cash, and its losses.

    Its equity is the money it began with and what it has made since; fees, interest
    and dividends belong to the account.
    """

    base: Decimal
    start: Decimal
    equity: Decimal
    peak: Decimal
    cash: Decimal = ZERO
    shares: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def mark(self, marks: Mapping[str, Decimal]) -> None:
        """Value it at the prices of a bar."""
        held = sum((n * marks[symbol] for symbol, n in self.shares.items() if n), ZERO)
        self.equity = self.base + self.cash + held
        self.peak = max(self.peak, self.equity)


@dataclass(slots=True)
class _Today:
    """Counts, and the equity a loss is measured from."""

    session: Session
    equity: Decimal
    orders: int = 0
    trades: list[tuple[Side, Decimal, Decimal]] = field(default_factory=list)
    is_over: bool = False


class _Prices:
    """The quotes of one session, by symbol, in order of time."""

    def __init__(self, rows: Iterable[_Row], setup: Setup) -> None:
        self._model = setup.model
        self._rows: dict[str, list[_Row]] = defaultdict(list)
        for row in rows:
            self._rows[row.symbol].append(row)
        self._quotes: dict[str, list[Quote]] = {}

    def of(self, symbol: str) -> list[Quote]:
        """Return the quotes of a symbol."""
        if symbol not in self._quotes:
            self._quotes[symbol] = [
                quote
                for row in self._rows.get(symbol, ())
                for quote in self._model.quotes(_path(row))
            ]
        return self._quotes[symbol]

    def opening(self, symbol: str, time: datetime) -> Decimal | None:
        """Return the open of a symbol's bar that begins at a time, if there is one."""
        rows = self._rows.get(symbol, ())
        opens = (price_of(row.open) for row in rows if row.start == time)
        return next(opens, None)

    def between(self, symbol: str, after: datetime, until: datetime) -> list[Quote]:
        """Return the quotes after an instant and up to another."""
        return [quote for quote in self.of(symbol) if after < quote.time <= until]

    def last(self, symbol: str, at: datetime) -> Quote | None:
        """Return the quote in force at an instant, or None before the first."""
        known = self.between(symbol, datetime.min.replace(tzinfo=at.tzinfo), at)
        return replace(known[-1], time=at) if known else None


def _path(row: _Row) -> Sequence[bar_frame.PricePoint]:
    return bar_frame.path(
        row.open, row.high, row.low, row.close, row.start, row.end, row.volume
    )


class _Run:
    """The account while a backtest runs."""

    def __init__(self, strategies: Mapping[str, Strategy[Any]], setup: Setup) -> None:
        self.strategies = strategies
        self.setup = setup
        self.book = Book(setup.cash)
        self.parts = {
            name: _Part(setup.cash, setup.cash, setup.cash, setup.cash)
            for name in strategies
        }
        self.marks: dict[str, Decimal] = {}
        self.working: dict[str, list[_Working]] = defaultdict(list)
        self.arriving: list[_Working] = []
        self.closed: list[SimulatedOrder] = []
        self.outcomes: list[Outcome] = []
        self.executions: list[Execution] = []
        self.held_before: dict[str, list[Execution]] = defaultdict(list)
        self.splits: list[Split] = []
        self.curve: list[tuple[datetime, datetime, float, float, float]] = []
        self.shown: list[Shown] = []
        self.high_water = setup.cash
        self.equity = setup.cash
        self.today: _Today | None = None
        self.prices = _Prices((), setup)
        self.met_until: datetime | None = None
        self.actions: dict[date, list[CorporateAction]] = defaultdict(list)
        for action in setup.actions:
            self.actions[action.day].append(action)

    def open_with(self, opening: Opening, bars: pl.DataFrame) -> None:
        """Begin with shares, at the last closes before the first bar that trades."""
        assert self.setup.trade_from is not None, "an opening has a past"
        past = bars.filter(pl.col("timestamp") < self.setup.trade_from)
        closes = past.group_by("symbol").agg(pl.col("close").last())
        self.marks = {symbol: price_of(close) for symbol, close in closes.iter_rows()}
        for (strategy, symbol), quantity in sorted(opening.shares.items()):
            if symbol not in self.marks:
                raise ValueError(f"{symbol} is held and has no bar before the first.")
            if not quantity:
                continue
            side: Side = "buy" if quantity > 0 else "sell"
            price, time = self.marks[symbol], self.setup.trade_from
            held = Execution(symbol, side, abs(quantity), price, time)
            cash = self.book.cash
            self.book.apply(held)
            # The shares were there: they are not paid again.
            self.book.cash = cash
            self.held_before[strategy].append(held)
            if strategy in self.parts:
                self.parts[strategy].shares[symbol] += quantity
        self.equity = self.book.equity(self.marks)
        self.high_water = max(self.equity, opening.peak or self.equity)
        for part in self.parts.values():
            value = sum((n * self.marks[s] for s, n in part.shares.items()), ZERO)
            part.base = self.equity - value
            part.start = part.equity = part.peak = self.equity

    def open_session(self, session: Session, rows: Iterable[_Row]) -> None:
        """Begin a day: the night's interest and corporate actions, then new counts.

        A loss counts from the equity of the last close.
        """
        if self.today is not None:
            self._charge_night((session.day - self.today.session.day).days)
        for day in sorted(self.actions):
            if day <= session.day:
                for action in self.actions.pop(day):
                    self._apply(action, session)
        self.today = _Today(session, self.equity)
        for part in self.parts.values():
            part.start = part.equity
        self.prices = _Prices(rows, self.setup)
        self.met_until = None

    def _charge_night(self, nights: int) -> None:
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
            for part in self.parts.values():
                shares = part.shares[action.symbol] * action.split
                part.shares[action.symbol] = shares.quantize(QUANTITY_STEP)
            if action.symbol in self.marks:
                self.marks[action.symbol] /= action.split
            for order in self.working[action.symbol]:
                order.split(action.split)

    def advance(self, until: datetime) -> None:
        """Let open orders arrive at the market, and meet every price up to an instant.

        Who was there before meets the prices of an instant first.
        """
        while self.arriving and self.arriving[0].arrives <= until:
            order = self.arriving[0]
            self._meet_prices(order.arrives)
            del self.arriving[0]
            quote = self.prices.last(order.record.symbol, order.arrives)
            if quote is not None and not self._today.is_over:
                self._meet(order, quote)
        self._meet_prices(until)

    def _meet_prices(self, until: datetime) -> None:
        assert self.today is not None
        after = self.met_until or datetime.min.replace(tzinfo=until.tzinfo)
        if until <= after:
            return
        self.met_until = until
        meetings = [
            (quote.time, symbol, quote)
            for symbol, orders in self.working.items()
            if any(order not in self.arriving for order in orders)
            for quote in self.prices.between(symbol, after, until)
        ]
        for _, symbol, quote in sorted(meetings, key=lambda each: each[:2]):
            for order in list(self.working[symbol]):
                if order not in self.arriving:
                    self._meet(order, quote)

    def play(self, rows: Sequence[_Row], end: datetime) -> None:
        """Walk the prices up to the end of a slot of bars, then mark at its closes."""
        self.advance(end)
        if end >= self._today.session.close:
            self._end_day()
        for row in rows:
            self.marks[row.symbol] = row.price
        self.equity = self.book.equity(self.marks)
        self.high_water = max(self.high_water, self.equity)
        for part in self.parts.values():
            part.mark(self.marks)
        self._record(rows[0].start, end)

    @property
    def _today(self) -> _Today:
        assert self.today is not None, "no session has begun"
        return self.today

    def _record(self, start: datetime, end: datetime) -> None:
        gross = self.book.gross_value(self.marks)
        amounts = (float(self.equity), float(self.book.cash), float(gross))
        self.curve.append((start, end, *amounts))

    def _meet(self, order: _Working, quote: Quote) -> None:
        met = match(order.resting, quote, self.setup.model, self.setup.seed)
        for fill in met.fills:
            self._book(order.record, fill.quantity, fill.price, quote.time)
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
        part = self.parts[order.strategy]
        part.shares[order.symbol] += execution.signed
        part.cash += execution.cash
        self._today.trades.append((order.side, quantity, price))

    def decide(self, rows: Sequence[_Row], end: datetime) -> None:
        """Turn the signals of one slot into orders, strategy by strategy."""
        placed = 0
        for place, strategy in enumerate(self.strategies.values()):
            asked = [
                (row, signal)
                for row in rows
                for signal in (row.signals[place],)
                if signal is not None
            ]
            for legs in together(asked, _group_of):
                refused = self._refused_leg(strategy, legs, end, placed)
                for row, signal in legs:
                    placed += self._answer(strategy, row, signal, end, placed, refused)

    def _refused_leg(
        self,
        strategy: Strategy[Any],
        legs: Sequence[tuple[_Row, _Signal]],
        end: datetime,
        placed: int,
    ) -> str:
        """Return which leg may not trade beside those before it, and why; "" if none.

        Nothing is placed: the legs stand among the open orders only meanwhile.
        """
        tried: list[_Working] = []
        refused = ""
        for row, signal in legs if len(legs) > 1 else ():
            proposal = self._proposal(strategy, row, signal, end, placed + len(tried))
            evaluation = evaluate(proposal, self.setup.limits)
            if refused := refusal_of_leg(row.symbol, evaluation):
                break
            if evaluation.approved:
                tried.append(self._order(strategy, row, proposal, evaluation, end))
                self._stand(tried[-1])
        for order in tried:
            self.working[order.record.symbol].remove(order)
            self._today.orders -= 1
        return refused

    def _answer(
        self,
        strategy: Strategy[Any],
        row: _Row,
        signal: _Signal,
        end: datetime,
        placed: int,
        refused_leg: str = "",
    ) -> int:
        proposal = self._proposal(strategy, row, signal, end, placed, refused_leg)
        evaluation = evaluate(proposal, self.setup.limits)
        self.outcomes.append(
            Outcome(
                _reference(strategy, row, end),
                row.symbol,
                signal.side,
                end,
                evaluation,
                strategy.name,
                self.equity,
            )
        )
        if not evaluation.approved:
            return 0
        order = self._order(strategy, row, proposal, evaluation, end)
        self._stand(order)
        self.arriving.append(order)
        return 1

    def _order(
        self,
        strategy: Strategy[Any],
        row: _Row,
        proposal: Proposal,
        evaluation: Evaluation,
        end: datetime,
    ) -> _Working:
        side, quantity = proposal.side, evaluation.quantity
        record = SimulatedOrder(
            reference=_reference(strategy, row, end),
            symbol=row.symbol,
            side=side,
            quantity=quantity,
            decision_price=row.price,
            placed_at=end,
            strategy=strategy.name,
        )
        return _Working(
            record,
            RestingOrder(row.symbol, side, OrderType.MARKET, quantity),
            end + self.setup.model.latency,
            proposal.is_reducing,
        )

    def _stand(self, order: _Working) -> None:
        """Count an order among the open ones."""
        self.working[order.record.symbol].append(order)
        self._today.orders += 1

    def _proposal(
        self,
        strategy: Strategy[Any],
        row: _Row,
        signal: _Signal,
        end: datetime,
        placed: int,
        refused_leg: str = "",
    ) -> Proposal:
        parameters = strategy.parameters
        part = self.parts[strategy.name]
        price, equity, symbol, side = row.price, self.equity, row.symbol, signal.side
        quantity = ZERO
        share = exact(signal.weight * parameters.max_position_size)
        if equity > 0:
            own = part.shares[symbol] + self._ordered(symbol, side, strategy.name)
            target = target_quantity(equity, price, share, self.setup.fractional)
            if target or own:
                quantity = order_quantity(
                    side, target, own, parameters.allow_short, signal.reduce_only
                )
        reserved, spent = self._reserved()
        return Proposal(
            strategy=strategy.name,
            symbol=symbol,
            side=side,
            quantity=quantity,
            price=price,
            equity=equity,
            buying_power=self.book.cash - spent,
            gross_exposure=self.book.gross_value(self.marks) + reserved,
            held=self.book.position(symbol).quantity + self._ordered(symbol, side),
            max_position_size=share,
            is_session_open=self._today.session.contains(end),
            allow_short=parameters.allow_short,
            refused_leg=refused_leg,
            opposite=abs(self._ordered(symbol, "sell" if side == "buy" else "buy")),
            orders_this_bar=placed,
            orders_today=self._today.orders,
            account_daily_loss=loss_share(self._today.equity, equity),
            account_drawdown=loss_share(self.high_water, equity),
            strategy_daily_loss=loss_share(part.start, part.equity),
            strategy_drawdown=loss_share(part.peak, part.equity),
        )

    def _ordered(self, symbol: str, side: Side, strategy: str | None = None) -> Decimal:
        """Return what the open orders of a side will add to a symbol's position."""
        shares = sum(
            (
                order.resting.quantity
                for order in self.working.get(symbol, ())
                if order.record.side == side
                and strategy in (None, order.record.strategy)
            ),
            ZERO,
        )
        return shares if side == "buy" else -shares

    def _reserved(self) -> tuple[Decimal, Decimal]:
        """Return the notional of open entries, and what open purchases will cost."""
        entries = spent = ZERO
        for orders in self.working.values():
            for order in orders:
                notional = order.resting.quantity * order.record.decision_price
                entries += ZERO if order.reduces else notional
                spent += notional if order.resting.is_buy else ZERO
        return entries, spent

    def show(self, time: datetime) -> None:
        """Note what the account is worth at the last prices of a bar's end."""
        prices = {
            symbol: self.prices.opening(symbol, time) or self.marks[symbol]
            for symbol in self.book.held()
        }
        equity = self.book.equity(prices)
        self.shown.append(Shown(time, equity, self.book.cash))

    def close_session(self, until: datetime) -> None:
        """End a day whose last bars are missing, with prices known until an instant."""
        if self._today.is_over:
            return
        # Who arrives at the last instant that is known meets nobody.
        self.advance(until - timedelta.resolution)
        if self._end_day() and self.curve:
            self.equity = self.book.equity(self.marks)
            # The day's last equity is net of its fees.
            start, end, *_ = self.curve.pop()
            self._record(start, end)

    def _end_day(self) -> bool:
        """Expire what the day did not fill, and charge its fees; say if there are."""
        today = self._today
        today.is_over = True
        for orders in self.working.values():
            for order in list(orders):
                # An order placed at the close waits for the next session.
                if order.record.placed_at < today.session.close:
                    self.closed.append(
                        replace(order.record, status=OrderStatus.EXPIRED)
                    )
                    orders.remove(order)
        if not (self.setup.model.fees and today.trades):
            return False
        self.book.charge(daily_fees(today.session.day, today.trades).total)
        return True

    def result(
        self, bars: pl.DataFrame, adjusted: pl.DataFrame, decisions: pl.DataFrame
    ) -> Backtest:
        """Return everything that happened."""
        working = [each.record for orders in self.working.values() for each in orders]
        orders = sorted(
            [*self.closed, *working], key=attrgetter("placed_at", "strategy", "symbol")
        )
        return Backtest(
            provenance=self._provenance(bars),
            decisions=decisions,
            outcomes=tuple(self.outcomes),
            orders=tuple(orders),
            executions=tuple(self.executions),
            trips=tuple(self._trips(orders)),
            equity=self._equity(adjusted),
            book=self.book,
            shown=tuple(self.shown),
        )

    def _provenance(self, bars: pl.DataFrame) -> Provenance:
        setup, strategies = self.setup, self.strategies.values()
        parameters = {s.name: s.parameters.model_dump(mode="json") for s in strategies}
        hashes = [strategy.parameters_hash for strategy in strategies]
        is_one = len(hashes) == 1
        return Provenance(
            engine=ENGINE_VERSION,
            strategy=", ".join(self.strategies),
            version=", ".join(strategy.version for strategy in strategies),
            parameters=parameters[next(iter(parameters))] if is_one else parameters,
            parameters_hash=(
                hashes[0] if is_one else sha256("".join(hashes).encode()).hexdigest()
            ),
            data_hash=bar_frame.content_hash(bars),
            model=setup.model.name,
            seed=setup.seed,
            timeframe=setup.timeframe.value,
            first=self.curve[0][0],
            last=self.curve[-1][1],
        )

    def _trips(self, orders: Iterable[SimulatedOrder]) -> Iterable[RoundTrip]:
        strategy_of = {order.reference: order.strategy for order in orders}
        for strategy in self.strategies:
            own = [e for e in self.executions if strategy_of[e.reference] == strategy]
            yield from round_trips([*self.held_before[strategy], *own], self.splits)

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
    bars: pl.DataFrame,
    decisions: pl.DataFrame,
    calendar: Calendar,
    setup: Setup,
    names: Sequence[str],
) -> Iterable[tuple[Session, list[Slot]]]:
    """Yield each session with its bars grouped by their ends, in order of time."""
    keys = ["symbol", "timestamp"]
    rows = bars
    for name in names:
        own = decisions.filter(pl.col("strategy") == name)
        signals = own.select(
            *keys, pl.struct("signal", *LEG).alias(f"signal of {name}")
        )
        rows = rows.join(signals, on=keys, how="left")
    grouped: dict[datetime, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows.sort("timestamp", "symbol").iter_rows():
        grouped[row[1]].append(row)
    starts = list(grouped)
    first, last = (when.astimezone(NEW_YORK).date() for when in (starts[0], starts[-1]))
    for session in calendar.sessions_between(first, last):
        slots: list[Slot] = []
        for start, end in calendar.bars(session, setup.timeframe):
            found = grouped.pop(start, None)
            if found:
                slots.append((end, [_row(values, end) for values in found]))
        yield session, slots
    if grouped:
        stray = min(grouped)
        raise ValueError(
            f"{len(grouped)} bar times are no {setup.timeframe} bars of a session, "
            f"the first at {stray}. Import clock hours with restamp_clock_hours."
        )


def _group_of(asked: tuple[_Row, _Signal]) -> str | None:
    """Return the group of a leg that opens something: what closes needs no other."""
    signal = asked[1]
    return None if signal.reduce_only else signal.group


def _reference(strategy: Strategy[Any], row: _Row, end: datetime) -> str:
    return f"{strategy.name}|{row.symbol}|{end.isoformat()}"


def _signal(asked: dict[str, Any]) -> _Signal | None:
    """Return what a decision asks for, None when it asks for nothing."""
    if not asked["signal"]:
        return None
    return _Signal(
        "buy" if asked["signal"] > 0 else "sell",
        float(asked["weight"]),
        bool(asked["reduce_only"]),
        asked["group"],
    )


def _row(values: tuple[Any, ...], end: datetime) -> _Row:
    symbol, start, open_, high, low, close, volume, *signals = values
    return _Row(
        symbol,
        start,
        end,
        open_,
        high,
        low,
        close,
        volume,
        tuple(map(_signal, signals)),
        price_of(close),
    )
