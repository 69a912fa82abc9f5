"""Exits of a column against resting orders of the exchange's matching, and by hand."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_core import bars
from trading_core.calendar import Calendar, xnys_sessions
from trading_core.matching import FillModel, OrderType, RestingOrder, match
from trading_core.money import BadNumber, exact, price_of
from trading_core.simulation.columns import backtest_columns, sweep
from trading_core.simulation.exits import Exits
from trading_core.simulation.terms import Terms
from trading_core.strategy import Condition, Parameters, Rules, Strategy

pytestmark = pytest.mark.unit
D = Decimal
CALENDAR = Calendar(xnys_sessions(date(2013, 10, 1), date(2013, 12, 31)))
WHOLE = FillModel("whole")


class VolumeParameters(Parameters):
    """Volumes that stand for signals."""

    buy: float = 2.0
    sell: float = 1.0


class Volume(Strategy[VolumeParameters], name="volume"):
    """Signals as the test wrote them into the volumes: a volume of 2 buys, 1 sells."""

    def rules(self) -> Rules:
        return Rules(
            buy=(Condition("volume", ">=", self.parameters.buy),),
            sell=(
                Condition("volume", "<=", self.parameters.sell),
                Condition("volume", ">=", self.parameters.sell),
            ),
        )


def market(seed: int, sessions: int) -> pl.DataFrame:
    """Return a market in whole dollars: five percent of any price is whole cents."""
    random = np.random.default_rng(seed)
    rows = []
    price = 100.0
    for session in CALENDAR.sessions[:sessions]:
        for start, _ in CALENDAR.bars(session, "1Hour"):
            low, one, two, high = np.sort(
                np.round(price * np.exp(random.normal(0, 0.03, 4)))
            )
            open_, close = (one, two) if random.random() < 0.5 else (two, one)
            signal = random.choice([0.0, 1.0, 2.0], p=[0.6, 0.15, 0.25])
            rows.append(("S", start, open_, high, low, close, signal))
            price = min(max(close, 40.0), 400.0)
    return pl.DataFrame(rows, schema=bars.SCHEMA, orient="row")


class Holder:
    """A column in `Decimal` whose exits are orders that rest at the exchange."""

    def __init__(self, exits: Exits) -> None:
        self.exits = exits
        self.cash = D(100_000)
        self.shares = D(0)
        self.order = ""
        self.legs: list[tuple[str, RestingOrder]] = []
        self.entered = -1
        self.why = "signal"
        self.trades: list[tuple[Any, ...]] = []

    def run(self, frame: pl.DataFrame) -> Iterator[float]:
        rows = frame.rows(named=True)
        days = [row["timestamp"].date() for row in rows]
        for place, row in enumerate(rows):
            last = place + 1 < len(rows) and days[place + 1] != days[place]
            yield self.bar(place, row, last)

    def bar(self, place: int, row: dict[str, Any], last: bool) -> float:
        start = row["timestamp"]
        points = bars.path(
            row["open"],
            row["high"],
            row["low"],
            row["close"],
            start,
            start.replace(minute=59),
        )
        quotes = WHOLE.quotes(points)
        if self.order == "buy":
            self.entered, self.entry = place, quotes[0].last
            self.shares = self.cash * D("0.5") // self.entry
            self.cash -= self.shares * self.entry
            self.legs = list(self._legs())
        elif self.order == "sell":
            self._leave(place, quotes[0].last, self.why)
        for quote in quotes:
            met = [(name, match(leg, quote, WHOLE)) for name, leg in self.legs]
            hit = [(each.fills[0].price, name) for name, each in met if each.fills]
            if hit and self.shares:
                # Of a stop and a trail the higher one is met first.
                price, name = max(hit, key=lambda each: each[0])
                self._leave(place, price, name.replace("trail", "stop"))
            self.legs = [(n, m.order) for n, m in met if m.order] if self.shares else []
        if self.shares and self.exits.session_end and last:
            self._leave(place, quotes[-1].last, "session end")
        close = price_of(row["close"])
        equity = self.cash + self.shares * close
        self._decide(place, row["volume"])
        return float(equity)

    def _legs(self) -> Iterator[tuple[str, RestingOrder]]:
        order = RestingOrder("S", "sell", OrderType.MARKET, D(1))
        exits = self.exits
        if exits.stop:
            stop = self.entry * (1 - exact(exits.stop))
            yield "stop", replace(order, type=OrderType.STOP, stop_price=stop)
        if exits.trail:
            trail = exact(exits.trail) * 100
            kind = OrderType.TRAILING_STOP
            yield "trail", replace(order, type=kind, trail_percent=trail)
        if exits.target:
            limit = self.entry * (1 + exact(exits.target))
            yield "target", replace(order, type=OrderType.LIMIT, limit_price=limit)
        # Something to hold a place where only time counts.
        yield "never", replace(order, type=OrderType.LIMIT, limit_price=D(10**6))

    def _leave(self, place: int, price: Decimal, why: str) -> None:
        self.cash += self.shares * price
        self.trades.append((self.entered, place, self.entry, price, why))
        self.shares, self.legs = D(0), []

    def _decide(self, place: int, volume: float) -> None:
        self.order, self.why = "", "signal"
        if volume == 2 and not self.shares:
            self.order = "buy"
        elif volume == 1 and self.shares:
            self.order = "sell"
        held = place - self.entered + 1
        if self.shares and self.exits.bars and held >= self.exits.bars:
            self.order, self.why = "sell", "bars"


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10**6),
    stop=st.sampled_from([0.0, 0.05, 0.1]),
    trail=st.sampled_from([0.0, 0.05, 0.1]),
    target=st.sampled_from([0.0, 0.05, 0.15]),
    bar_count=st.sampled_from([0, 1, 2, 9]),
    session_end=st.booleans(),
)
def test_exits_fill_as_resting_orders_do(
    seed: int,
    stop: float,
    trail: float,
    target: float,
    bar_count: int,
    session_end: bool,
) -> None:
    exits = Exits(stop, target, trail, bar_count, session_end)
    frame = market(seed, sessions=15)
    holder = Holder(exits)
    equity = list(holder.run(frame))
    strategy = Volume.configured({"max_position_size": 0.5})
    # Sized at the fill, a position is never added to: its entry is a whole dollar.
    result = backtest_columns(strategy, frame, Terms(at="fill"), exits)
    times = frame["timestamp"].to_list()
    closed = result.trades.filter(pl.col("reason") != "open")
    made = closed.select(
        "entered_at", "left_at", "entry_price", "exit_price", "reason"
    ).rows()
    # At a jump below stop and trail both fill alike: either name is right.
    made = [(*row[:4], row[4].replace("trail", "stop")) for row in made]
    assert [row[:2] + row[4:] for row in made] == [
        (times[entered], times[left], why) for entered, left, _, _, why in holder.trades
    ]
    for row, trade in zip(made, holder.trades, strict=True):
        assert row[2] == pytest.approx(float(trade[2]), rel=1e-12)
        assert row[3] == pytest.approx(float(trade[3]), rel=1e-12)
    assert result.equity["equity"].to_list() == pytest.approx(equity, rel=1e-12)


def hours(*rows: tuple[float, float, float, float, float]) -> pl.DataFrame:
    starts = [
        start
        for session in CALENDAR.sessions[:5]
        for start, _ in CALENDAR.bars(session, "1Hour")
    ]
    return pl.DataFrame(
        [("SPY", at, *row) for at, row in zip(starts, rows, strict=False)],
        schema=bars.SCHEMA,
        orient="row",
    )


def left(frame: pl.DataFrame, exits: Exits, **terms: Any) -> tuple[str, float, Any]:
    short = {"max_position_size": 0.5, "allow_short": True}
    result = backtest_columns(Volume.configured(short), frame, Terms(**terms), exits)
    trade = result.trades.row(0, named=True)
    assert trade["exit_price"] * trade["quantity"] != 0
    return trade["reason"], trade["exit_price"], trade["left_at"]


SELL, BUY, NOTHING = 1.0, 2.0, 0.0


def test_a_short_is_left_at_its_stop_target_and_trail() -> None:
    flat = (100.0, 100.0, 100.0, 100.0)
    up, down = (100.0, 112.0, 99.0, 108.0), (100.0, 101.0, 88.0, 92.0)
    gap = (120.0, 121.0, 119.0, 120.0)
    for after, exits, said in (
        (up, Exits(stop=0.1), ("stop", 110.0)),
        (down, Exits(target=0.1), ("target", 90.0)),
        # 99 is the lowest before the high of 112: 5 % above it is 103.95.
        (up, Exits(trail=0.05), ("trail", 103.95)),
        (gap, Exits(stop=0.1), ("stop", 120.0)),
        (gap, Exits(stop=0.1, trail=0.05), ("trail", 120.0)),
    ):
        frame = hours((*flat, SELL), (*flat, NOTHING), (*after, NOTHING))
        reason, price, when = left(frame, exits)
        assert reason == said[0] and price == pytest.approx(said[1])
        assert when == frame["timestamp"][2]


def test_stops_pay_slippage_and_targets_do_not() -> None:
    flat = (100.0, 100.0, 100.0, 100.0)
    frame = hours((*flat, BUY), (*flat, NOTHING), (100.0, 125.0, 80.0, 100.0, NOTHING))
    # Bought at 101. The bar rose: it went low first.
    reason, price, _ = left(frame, Exits(stop=0.1), slippage=0.01)
    assert reason == "stop" and price == pytest.approx(101 * 0.9 * 0.99)
    reason, price, _ = left(frame, Exits(target=0.1), slippage=0.01)
    assert reason == "target" and price == pytest.approx(101 * 1.1)


def test_a_jump_through_both_sides_of_a_level_fills_at_the_open() -> None:
    flat = (100.0, 100.0, 100.0, 100.0)
    for open_, exits in ((80.0, Exits(stop=0.1)), (125.0, Exits(target=0.1))):
        after = (open_, open_, open_, open_)
        frame = hours((*flat, BUY), (*flat, NOTHING), (*after, NOTHING))
        assert left(frame, exits)[1] == open_


def test_a_sweep_knows_exits() -> None:
    frame = market(7, sessions=20)
    strategies = [Volume.configured({"max_position_size": 0.5})]
    exits = Exits(stop=0.05, session_end=True)
    (row,) = sweep(strategies, frame, exits=exits).rows(named=True)
    alone = backtest_columns(strategies[0], frame, exits=exits)
    assert row["trades"] == alone.trades.height > 5
    assert row["final_equity"] == alone.equity["equity"][-1]
    assert set(alone.trades["reason"]) >= {"stop", "session end"}


@pytest.mark.parametrize(
    "change",
    [{"stop": -0.1}, {"stop": 1.0}, {"trail": 2.0}, {"target": float("nan")}]
    + [{"bars": -1}],
)
def test_exits_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadNumber, match="Exit"):
        Exits(**change)
