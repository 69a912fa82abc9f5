"""When orders of the engine meet the market, what nights cost, and who owns a trade."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_core import bars
from trading_core.calendar import Calendar, xnys_sessions
from trading_core.limits import ACCOUNT_SEED, Limits, LimitType
from trading_core.matching import FillModel
from trading_core.simulation import Backtest, OrderStatus, Setup, simulate
from trading_core.strategy import (
    Condition,
    Parameters,
    Rules,
    Strategy,
    StrategyError,
)

pytestmark = pytest.mark.unit
D = Decimal
NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = Calendar(xnys_sessions(date(2013, 10, 1), date(2013, 10, 31)))
WHOLE = FillModel("whole")
FREE = Limits.of(
    {
        **ACCOUNT_SEED,
        LimitType.MAX_DAILY_LOSS: D(1),
        LimitType.MAX_DRAWDOWN: D(1),
        LimitType.OVERNIGHT_ENTRIES: D(1),
        LimitType.ALLOW_SHORT: D(1),
    }
)
SLOTS = [
    start
    for session in CALENDAR.sessions[:10]
    for start, _ in CALENDAR.bars(session, "1Hour")
]
Bar = tuple[float, float, float, float] | None


class LevelParameters(Parameters):
    """Prices at which to act."""

    above: float = 100.0
    below: float = 90.0


class Level(Strategy[LevelParameters], name="level"):
    """Buy above one price, sell below another."""

    def rules(self) -> Rules:
        return Rules(
            buy=(Condition("close", ">", self.parameters.above),),
            sell=(Condition("close", "<", self.parameters.below),),
        )


class Other(Level, name="other"):
    """The same rule under another name."""


def flat(price: float) -> Bar:
    return (price, price, price, price)


def hours(*rows: Bar, symbol: str = "SPY", volume: float = 1e6) -> pl.DataFrame:
    """Return bars in hours from 2013-10-01 09:30 on; None is a missing bar."""
    made = zip(SLOTS, rows, strict=False)
    return pl.DataFrame(
        [(symbol, start, *row, volume) for start, row in made if row],
        schema=bars.SCHEMA,
        orient="row",
    )


def run(
    frame: pl.DataFrame,
    strategy: Strategy[Any] | list[Strategy[Any]] | None = None,
    **changes: Any,
) -> Backtest:
    setup = Setup(model=WHOLE, limits=FREE)
    strategy = strategy or Level.configured({})
    return simulate(strategy, frame, CALENDAR, replace(setup, **changes))


def new_york(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2013, 10, day, hour, minute, tzinfo=NEW_YORK)


def test_an_order_reaches_the_market_after_the_latency_at_the_price_there_is() -> None:
    slow = replace(WHOLE, latency=timedelta(milliseconds=250))
    (fill,) = run(hours(flat(101), (102, 104, 100, 103)), model=slow).executions
    assert fill.price == 102
    assert fill.time == new_york(1, 10) + timedelta(milliseconds=250)


def test_an_order_that_arrives_after_the_next_price_meets_that_one() -> None:
    # The bar 10:00-11:00 rose, so its low is traded at 10:20.
    slow = replace(WHOLE, latency=timedelta(minutes=25))
    (fill,) = run(hours(flat(101), (102, 104, 100, 103)), model=slow).executions
    assert (fill.price, fill.time) == (D(100), new_york(1, 10, 25))


def test_an_order_of_an_earlier_bar_meets_the_open_before_the_bar_is_answered() -> None:
    # 60 shares an hour, 15 a point: the buy of 99 needs seven points.
    thin = replace(WHOLE, participation=D("0.00006"))
    result = run(hours(flat(101), flat(101), flat(101), flat(101)), model=thin)
    assert [e.time.minute for e in result.executions] == [0, 20, 40, 59, 0, 20, 40]
    second = result.outcomes[1].evaluation
    assert result.outcomes[1].decided_at == new_york(1, 11)
    # At eleven five points were filled, the open of that very instant among them.
    held = [r.detail for r in second.results if r.code == "AT_TARGET"]
    assert held == ["99 held, 0 to buy"]


def test_without_a_next_bar_an_order_meets_the_last_price() -> None:
    others = hours(*[flat(50)] * 4, symbol="BAC")
    frame = pl.concat([others, hours(flat(95), (99, 103, 98, 101), None, flat(110))])
    bought = run(frame).executions[0]
    assert (bought.symbol, bought.price) == ("SPY", D(101))
    assert bought.time == new_york(1, 11)


def test_what_happens_after_the_last_bar_is_not_known() -> None:
    result = run(hours(flat(95), flat(101)))
    assert result.executions == ()
    assert [order.status for order in result.orders] == [OrderStatus.EXPIRED]


def test_a_day_without_a_bar_ends_the_orders_that_waited_for_it() -> None:
    day = [flat(95)] * 6
    frame = hours(*day, flat(101), *[None] * 7, flat(95))
    result = run(frame)
    assert result.executions == ()
    assert [order.status for order in result.orders] == [OrderStatus.EXPIRED]


def test_fees_of_the_day_are_paid_before_its_last_bar_is_answered() -> None:
    week = hours(flat(101), *[flat(101)] * 5, flat(85), flat(85))
    result = run(week, model=replace(WHOLE, fees=True))
    close = next(o for o in result.outcomes if o.decided_at == new_york(1, 16))
    # CAT of 99 shares is 0.0003 dollars: a cent.
    assert close.equity == 100_000 + 99 * (85 - 101) - D("0.01")
    (at_close,) = result.equity.filter(pl.col("timestamp") == close.decided_at).rows()
    assert at_close[1] == float(close.equity)


def test_a_short_pays_for_its_shares_and_a_debt_for_its_dollars_each_night() -> None:
    model = replace(WHOLE, borrow_rate=D("0.36"), margin_rate=D("0.36"))
    short = Level.configured({"allow_short": True})
    days = hours(*[flat(80)] * 28)
    result = run(days, short, model=model)
    # 125 shares of 80 dollars at 0.1 % a night: Tuesday, Wednesday and Thursday night.
    assert result.book.fees == 3 * 10
    assert result.book.cash == 100_000 + 125 * 80 - 30
    long = Level.configured({"max_position_size": 1.0})
    rich = Limits.of({**dict.fromkeys(LimitType, D(4)), LimitType.ALLOW_SHORT: D(0)})
    # 990 shares decided at 101 are bought at 111: 9,890 dollars are borrowed.
    owing = run(
        hours(flat(101), flat(111), *[flat(111)] * 5, flat(111)),
        long,
        model=model,
        limits=rich,
    )
    assert owing.book.fees == D("9.89")


def test_a_weekend_is_three_nights() -> None:
    model = replace(WHOLE, borrow_rate=D("0.36"))
    short = Level.configured({"allow_short": True})
    # 2013-10-04 is a Friday.
    friday = hours(*[flat(95)] * 21, *[flat(80)] * 8)
    assert run(friday, short, model=model).book.fees == 3 * 10


def test_strategies_share_an_account_and_keep_their_own_shares() -> None:
    frame = pl.concat(
        [
            hours(flat(101), flat(101), flat(85), flat(85), symbol="AAA"),
            hours(flat(95), flat(95), flat(101), flat(101), symbol="BBB"),
        ]
    )
    one = Level.configured({"max_position_size": 0.05})
    two = Other.configured({"below": 1.0})
    result = run(frame, [two, one])
    assert [(o.strategy, o.symbol, o.side) for o in result.orders] == [
        ("level", "AAA", "buy"),
        ("other", "AAA", "buy"),
        ("level", "AAA", "sell"),
        ("level", "BBB", "buy"),
        ("other", "BBB", "buy"),
    ]
    # Together they keep the account's limit of a tenth in one symbol.
    assert [o.quantity for o in result.orders[:2]] == [49, 50]
    # The sale of one leaves the other's shares.
    assert result.book.position("AAA").quantity == result.orders[1].quantity
    assert result.decisions.height == 2 * frame.height
    assert {trip.symbol for trip in result.trips if not trip.is_open} == {"AAA"}
    alone = run(frame, one)
    assert alone.orders[0].quantity == result.orders[0].quantity


def test_strategies_of_one_name_are_refused() -> None:
    level = Level.configured({})
    for several in ([], [level, Level.configured({"above": 105.0})]):
        with pytest.raises(StrategyError, match="own name"):
            simulate(several, hours(flat(95)), CALENDAR)


RETURNS = st.lists(st.integers(-900, 900), min_size=30, max_size=30)


def walk(moves: list[int], scale: float = 1.0) -> pl.DataFrame:
    """Return bars of whole cents that move by basis points."""
    rows: list[Bar] = []
    price = 95.0
    for move in moves:
        close = round(price * (1 + move / 10_000), 2)
        high, low = round(max(price, close) + 0.5, 2), round(min(price, close) - 0.5, 2)
        rows.append((price * scale, high * scale, low * scale, close * scale))
        price = close
    return hours(*rows)


@settings(max_examples=30)
@given(moves=RETURNS)
def test_cash_and_positions_are_the_equity_at_every_bar(moves: list[int]) -> None:
    frame = walk(moves)
    result = run(frame, Level.configured({"below": 95.0, "allow_short": True}))
    closes = dict(frame.select("timestamp", "close").iter_rows())
    ends = {CALENDAR.bar_starting(start, "1Hour")[1]: start for start in closes}
    for end, equity, cash, *_ in result.equity.iter_rows():
        placed = {o.reference: o.placed_at for o in result.orders}
        # What an order of this very bar does comes after it.
        done = [
            e for e in result.executions if e.time <= end and placed[e.reference] < end
        ]
        held = sum(e.signed for e in done)
        assert cash == float(100_000 + sum(e.cash for e in done))
        assert equity == pytest.approx(cash + float(held) * closes[ends[end]])


@settings(max_examples=30)
@given(moves=RETURNS)
def test_prices_twice_as_high_make_the_same_profit_with_half_the_shares(
    moves: list[int],
) -> None:
    fractional = {"fractional": True}
    one = run(walk(moves), Level.configured({"below": 95.0}), **fractional)
    double = Level.configured({"above": 200.0, "below": 190.0})
    two = run(walk(moves, scale=2.0), double, **fractional)
    assert [o.side for o in one.orders] == [o.side for o in two.orders]
    for first, second in zip(one.orders, two.orders, strict=True):
        assert second.quantity == pytest.approx(first.quantity / 2, abs=D("1e-8"))
    last = one.equity["equity"][-1], two.equity["equity"][-1]
    assert last[0] == pytest.approx(last[1], abs=1e-4)
