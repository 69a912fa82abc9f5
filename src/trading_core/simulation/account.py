"""Backtests of one account over many symbols, compiled: `simulate` in whole numbers.

The same orders, fills, fees and equity, to the cent, for what it takes: whole shares,
prices no finer than a hundredth of a cent, whole volumes, no corporate actions, and
fill models that draw nothing at random. What it does not take it refuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from trading_core.calendar import NEW_YORK, Calendar, Session
from trading_core.costs import schedule_on
from trading_core.ledger import Execution
from trading_core.limits import LimitType
from trading_core.matching import BASIS_POINT
from trading_core.money import BadNumber, exact
from trading_core.simulation.account_pass import (
    ARRIVAL,
    FILL,
    FINE,
    FULL,
    LARGEST,
    MILLION,
    OPEN,
    ORDER,
    REFUSALS,
    TICKS,
    TOO_LARGE,
    Desk,
    Limit,
    Schedule,
    is_in_ticks,
    trade_account,
)
from trading_core.simulation.result import OrderStatus
from trading_core.simulation.setup import Setup
from trading_core.simulation.signals import Marks, Signals
from trading_core.simulation.table import Column, Table, spread
from trading_core.sizing import TOP_UP
from trading_core.strategy import Strategy

Integers = npt.NDArray[np.int64]
Records = npt.NDArray[np.void]

STATUSES = (
    OrderStatus.NEW,
    OrderStatus.FILLED,
    OrderStatus.EXPIRED,
    OrderStatus.PARTIALLY_FILLED,
)
"""The states of the pass; an order that is open and partly filled stands behind."""
LARGEST_LIMIT = 10
NOTHING = np.iinfo(np.int64).min
"""Equity of a slot in which no bar is."""


@dataclass(frozen=True, slots=True)
class AccountBacktest:
    """What the account traded.

    `orders`: symbol, side, quantity, decision_price, placed_at, status, filled, in the
    order they were placed. `fills`: symbol, side, quantity, price, time, order (its
    row). `equity`: timestamp (the end of a bar), equity, cash, gross. Money is in
    dollars. `refusals` counts the signals that a check refused, by its code.
    """

    orders: pl.DataFrame
    fills: pl.DataFrame
    equity: pl.DataFrame
    refusals: dict[str, int]

    def executions(self) -> list[Execution]:
        """Return the fills for `ledger.round_trips`, without fees."""
        return [
            Execution(symbol, side, Decimal(quantity), exact(price), time)
            for symbol, side, quantity, price, time, _ in self.fills.iter_rows()
        ]


def backtest_account(
    strategy: Strategy[Any],
    bars: pl.DataFrame,
    calendar: Calendar,
    setup: Setup | None = None,
) -> AccountBacktest:
    """Run a strategy over session bars, as `simulate` does.

    `bars` are unadjusted, of one timeframe, on the calendar's boundaries, and sorted by
    symbol and time.
    """
    setup = setup or Setup()
    desk = _desk(strategy, setup)
    table = Table(bars)
    if not all(spread(_is_exact, table.columns)):
        raise ValueError(
            "A compiled account needs prices in hundredths of a cent up to $1 million "
            "and volumes of whole shares; simulate takes others."
        )
    signals = Signals([strategy], table.seen)
    marks = np.concatenate(
        spread(lambda each: signals.of(each.seen, each.place)[0], table.columns)
    )
    slots = _Slots(table, calendar, setup)
    run = _Run(table, slots, strategy, setup, desk)
    run.trade(marks)
    return run.result()


class _Slots:
    """The bars of the calendar between the first and the last one given."""

    def __init__(self, table: Table, calendar: Calendar, setup: Setup) -> None:
        times = table.bars["timestamp"]
        first, last = _day(times.min()), _day(times.max())
        self.sessions: Sequence[Session] = calendar.sessions_between(first, last)
        rows = [
            (start, end, number, end >= session.close)
            for number, session in enumerate(self.sessions)
            for start, end in calendar.bars(session, setup.timeframe)
        ]
        starts, ends, numbers, closes = zip(*rows, strict=True) if rows else ([],) * 4
        self.starts = pl.Series(starts, dtype=times.dtype)
        self.ends = pl.Series(ends, dtype=times.dtype)
        self.numbers = np.array(numbers, np.int64)
        self.closes = np.array(closes, np.bool_)
        shortest = (self.ends - self.starts).min() if rows else None
        if isinstance(shortest, timedelta) and setup.model.latency > shortest / 4:
            raise ValueError(
                f"A compiled account takes a latency of up to {shortest / 4}: "
                "use simulate."
            )
        # The last slot that has a bar: what happens after it is not known.
        self.last = int((self.starts <= times.max()).sum()) - 1
        days = [session.day for session in self.sessions]
        self.nights = np.array(
            [0, *((b - a).days for a, b in zip(days, days[1:], strict=False))], np.int64
        )
        self.first = 0
        if setup.trade_from is not None:
            self.first = int((self.starts < setup.trade_from).sum())


class _Run:
    """The arrays of a run, before and after it."""

    def __init__(
        self,
        table: Table,
        slots: _Slots,
        strategy: Strategy[Any],
        setup: Setup,
        desk: Desk,
    ) -> None:
        self.table, self.slots, self.setup, self.desk = table, slots, setup, desk
        self.bounds = np.array(
            [column.place.start for column in table.columns] + [table.bars.height]
        )
        self.limits = np.array(
            [_limit(strategy.name, column, setup) for column in table.columns]
        )
        self.schedules = np.array([_schedule(each) for each in slots.sessions])

    def trade(self, marks: Marks) -> None:
        """Trade, with more room for orders and fills until they fit."""
        slots, room = self.slots, 1 << 16
        while True:
            self.curve = np.full((len(slots.starts), 3), NOTHING)
            self.refusals = np.zeros(len(REFUSALS), np.int64)
            orders, fills = np.empty(room, ORDER), np.empty(room, FILL)
            read = np.empty(len(self.table.columns), np.int64)
            ended, ordered, filled = trade_account(
                self.table.numbers,
                self.table.times.view(np.int64),
                marks,
                self.bounds,
                (
                    slots.starts.to_physical().to_numpy(),
                    slots.numbers,
                    slots.closes,
                    slots.first,
                    slots.last,
                ),
                slots.nights,
                self.schedules,
                self.limits,
                self.desk,
                self.curve,
                orders,
                fills,
                self.refusals,
                read,
            )
            if ended != FULL:
                break
            room *= 4
        if ended == TOO_LARGE:
            raise BadNumber(
                f"The account grew beyond ${LARGEST // TICKS:,}: simulate takes it."
            )
        self._require_all_read(read)
        self.orders = orders[:ordered]
        self.fills = fills[:filled]
        self.times = self._times(self.fills)
        # In the order in which they happened; who was there before comes first.
        came = self.fills["point"] == ARRIVAL
        keys = (self.fills["order"], self.fills["symbol"], came, self.times)
        order = np.lexsort(keys)
        self.fills, self.times = self.fills[order], self.times[order]

    def _times(self, fills: Records) -> Integers:
        starts, ends = (
            each.to_physical().to_numpy()[fills["slot"]]
            for each in (self.slots.starts, self.slots.ends)
        )
        latency = self.setup.model.latency // timedelta(microseconds=1)
        offsets = np.array([0.0, 1 / 3, 2 / 3, 59 / 60, 0.0])[fills["point"]]
        walked = starts + np.rint((ends - starts) * offsets).astype(np.int64)
        arrived = fills["point"] == ARRIVAL
        times: Integers = np.where(arrived, ends + latency, walked)
        return times

    def _require_all_read(self, read: Integers) -> None:
        stray = [
            int(row)
            for row, end in zip(read, self.bounds[1:], strict=True)
            if row < end
        ]
        if stray:
            first = min(self.table.bars["timestamp"].gather(stray))
            raise ValueError(
                f"Bars at {first} and later are no {self.setup.timeframe} bars of a "
                "session. Import clock hours with restamp_clock_hours."
            )

    def result(self) -> AccountBacktest:
        """Return everything that happened."""
        slots, orders, fills = self.slots, self.orders, self.fills
        symbols = pl.Series([column.symbol for column in self.table.columns])
        traded = self.curve[:, 0] != NOTHING
        if not traded.any():
            raise ValueError(f"No bar starts at {self.setup.trade_from} or later.")
        quantity, left = np.abs(orders["quantity"]), np.abs(orders["rest"])
        is_part = (orders["state"] == OPEN) & (left < quantity)
        states = np.where(is_part, len(STATUSES) - 1, orders["state"])
        equity, cash, gross = (self.curve[traded] / TICKS).T
        return AccountBacktest(
            orders=pl.DataFrame(
                {
                    "symbol": symbols.gather(orders["symbol"]),
                    "side": _sides(orders["quantity"]),
                    "quantity": quantity,
                    "decision_price": orders["price"] / TICKS,
                    "placed_at": slots.ends.gather(orders["slot"]),
                    "status": pl.Series(STATUSES).gather(states),
                    "filled": quantity - left,
                }
            ),
            fills=pl.DataFrame(
                {
                    "symbol": symbols.gather(fills["symbol"]),
                    "side": _sides(fills["quantity"]),
                    "quantity": np.abs(fills["quantity"]),
                    "price": fills["price"] / TICKS,
                    "time": pl.Series(self.times).cast(slots.starts.dtype),
                    "order": fills["order"],
                }
            ),
            equity=pl.DataFrame(
                {
                    "timestamp": slots.ends.filter(pl.Series(traded)),
                    "equity": equity,
                    "cash": cash,
                    "gross": gross,
                }
            ),
            refusals={
                code: int(count)
                for code, count in zip(REFUSALS, self.refusals, strict=True)
                if count
            },
        )


def _day(instant: Any) -> date:
    day: date = instant.astimezone(NEW_YORK).date()
    return day


def _sides(quantities: Integers) -> pl.Series:
    return pl.Series(["sell", "buy"]).gather((quantities > 0).astype(np.int64))


def _desk(strategy: Strategy[Any], setup: Setup) -> Desk:
    """Return strategy and setup as the pass reads them; refuse what it cannot take."""
    model, parameters = setup.model, strategy.parameters
    unknown = {
        "corporate actions": bool(setup.actions),
        "parts of shares": setup.fractional,
        f"the random fills of {model.name}": bool(model.partial_odds),
    }
    for what, is_asked in unknown.items():
        if is_asked:
            raise ValueError(f"A compiled account has no {what}: use simulate.")
    account = {
        kind: _millionths(kind, setup.limits.tightest(kind, scopes=("account",)))
        for kind in (LimitType.MAX_DAILY_LOSS, LimitType.MAX_DRAWDOWN)
    }
    part = model.participation
    return Desk(
        cash=_whole("cash", setup.cash, TICKS),
        share=_millionths("max_position_size", exact(parameters.max_position_size)),
        allow_short=parameters.allow_short,
        top_up=_millionths("top up", TOP_UP),
        half_spread=_whole(
            "half_spread_bps", model.half_spread_bps * BASIS_POINT, FINE
        ),
        slippage=_whole("slippage_bps", model.slippage_bps * BASIS_POINT, FINE),
        no_part=part is None,
        part=0 if part is None else _millionths("participation", part),
        fees=model.fees,
        borrow_rate=_millionths("borrow_rate", model.borrow_rate),
        margin_rate=_millionths("margin_rate", model.margin_rate),
        account_daily_loss=account[LimitType.MAX_DAILY_LOSS],
        account_drawdown=account[LimitType.MAX_DRAWDOWN],
    )


def _limit(strategy: str, column: Column, setup: Setup) -> Limit:
    def tightest(kind: LimitType) -> Decimal:
        return setup.limits.tightest(kind, strategy, column.symbol)

    def share(kind: LimitType) -> int:
        return _millionths(f"limit {kind}", tightest(kind))

    return Limit(
        order_notional=share(LimitType.MAX_ORDER_NOTIONAL),
        position=share(LimitType.MAX_POSITION_SIZE),
        gross=share(LimitType.MAX_GROSS_EXPOSURE),
        orders_bar=int(tightest(LimitType.MAX_ORDERS_PER_BAR)),
        orders_day=int(tightest(LimitType.MAX_ORDERS_PER_DAY)),
        daily_loss=share(LimitType.MAX_DAILY_LOSS),
        drawdown=share(LimitType.MAX_DRAWDOWN),
        allow_short=share(LimitType.ALLOW_SHORT),
        overnight=share(LimitType.OVERNIGHT_ENTRIES),
    )


def _schedule(session: Session) -> Schedule:
    rates = schedule_on(session.day)
    return Schedule(
        sec=_whole("SEC fee", rates.sec_per_million, 100),
        taf=_whole("TAF", rates.taf_per_share, MILLION),
        taf_cap=_whole("TAF cap", rates.taf_cap, MILLION),
        cat=_whole("CAT fee", rates.cat_per_share, MILLION),
        commission=_whole("commission", rates.commission_per_share, MILLION),
    )


def _millionths(name: str, value: Decimal) -> int:
    if value > LARGEST_LIMIT:
        raise BadNumber(
            f"{name} is {value}: a compiled account takes at most {LARGEST_LIMIT}."
        )
    return _whole(name, value, MILLION)


def _whole(name: str, value: Decimal, parts: int) -> int:
    """Return a number in whole parts of one; a finer one is refused, not rounded."""
    whole = value * parts
    if whole != int(whole):
        raise BadNumber(
            f"{name} is {value}: a compiled account counts in parts of 1/{parts}."
        )
    return int(whole)


def _is_exact(column: Column) -> bool:
    return is_in_ticks(*column.prices, column.volume)
