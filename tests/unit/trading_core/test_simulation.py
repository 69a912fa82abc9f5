"""The backtest engine: fills worked by hand, and identities on random markets."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_core import bars
from trading_core.calendar import Calendar, xnys_sessions
from trading_core.costs import daily_fees
from trading_core.limits import ACCOUNT_SEED, Limits, LimitType
from trading_core.matching import ALPACA_PAPER, REALISTIC, FillModel
from trading_core.money import BadNumber
from trading_core.simulation import (
    Backtest,
    CorporateAction,
    OrderStatus,
    Setup,
    simulate,
)
from trading_core.strategy import Condition, Parameters, Rules, Strategy

pytestmark = pytest.mark.unit
D = Decimal
NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = Calendar(xnys_sessions(date(2013, 10, 1), date(2013, 12, 31)))
DATA = Path(__file__).parents[4] / "shared" / "data"
WHOLE = FillModel("whole")
FREE = Limits.of(
    {
        **ACCOUNT_SEED,
        LimitType.MAX_DAILY_LOSS: D(1),
        LimitType.MAX_DRAWDOWN: D(1),
        LimitType.OVERNIGHT_ENTRIES: D(1),
    }
)
WIDE = Limits.of({kind: max(D(1), most) for kind, most in ACCOUNT_SEED.items()})


class LevelParameters(Parameters):
    """Prices at which to act."""

    above: float = 100.0
    below: float = 90.0


class Level(Strategy[LevelParameters], name="level"):
    """Buy above one price, sell below another: signals that are easy to place."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {"price": pl.col("close")}

    def rules(self) -> Rules:
        return Rules(
            buy=(Condition("price", ">", self.parameters.above),),
            sell=(Condition("price", "<", self.parameters.below),),
        )


LEVEL = Level.configured({})


def hours(*rows: tuple[Any, ...], symbol: str = "SPY") -> pl.DataFrame:
    """Return bars from (open, high, low, close) in hours from 2013-10-01 09:30 on."""
    starts = [
        start
        for session in CALENDAR.sessions[:5]
        for start, _ in CALENDAR.bars(session, "1Hour")
    ]
    return pl.DataFrame(
        [
            (symbol, start, *map(float, row), 1e6)
            for start, row in zip(starts, rows, strict=False)
        ],
        schema=bars.SCHEMA,
        orient="row",
    )


def flat(price: float) -> tuple[float, ...]:
    return (price, price, price, price)


def run(
    frame: pl.DataFrame, strategy: Strategy[Any] = LEVEL, **changes: Any
) -> Backtest:
    setup = Setup(model=WHOLE, limits=FREE)
    return simulate(strategy, frame, CALENDAR, replace(setup, **changes))


def new_york(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2013, 10, day, hour, minute, tzinfo=NEW_YORK)


def test_a_signal_fills_at_the_open_of_the_next_bar() -> None:
    result = run(hours(flat(95), (95, 102, 94, 101), (102, 104, 100, 103)))
    (order,) = result.orders
    (fill,) = result.executions
    # 10 % of 100,000 at the decision bar's close of 101: 99 shares.
    assert (order.side, order.quantity, order.decision_price) == ("buy", D(99), D(101))
    assert order.placed_at == new_york(1, 11) and order.status is OrderStatus.FILLED
    assert (fill.quantity, fill.price) == (D(99), D(102))
    assert fill.time == new_york(1, 11) and fill.reference == order.reference
    assert result.book.cash == 100_000 - 99 * 102
    last = result.equity.row(-1, named=True)
    assert last["timestamp"] == new_york(1, 12)
    assert last["equity"] == 100_000 + 99 * (103 - 102)


def test_a_sell_signal_goes_flat_and_ends_the_round_trip() -> None:
    result = run(hours(flat(101), flat(101), flat(85), flat(84), flat(84)))
    assert [e.side for e in result.executions] == ["buy", "sell"]
    (trip,) = result.trips
    assert trip.net == 99 * (84 - 101)
    assert result.book.held() == []
    codes = [o.evaluation.code for o in result.outcomes]
    assert codes == ["", "AT_TARGET", "", "AT_TARGET", "AT_TARGET"]


def test_an_entry_decided_at_the_close_is_denied_when_overnight_entries_are_off() -> (
    None
):
    week = hours(*[flat(95)] * 6, flat(101), flat(95))
    seeded = run(week, limits=Limits.of(ACCOUNT_SEED))
    assert [o.evaluation.code for o in seeded.outcomes] == ["OVERNIGHT_ENTRY"]
    assert seeded.orders == ()
    allowed = run(week)
    assert [e.time for e in allowed.executions] == [new_york(2, 9, 30)]


def test_an_exit_decided_at_the_close_fills_at_the_next_open() -> None:
    week = hours(flat(101), *[flat(95)] * 5, flat(85), (80, 82, 79, 81))
    result = run(week, limits=Limits.of(ACCOUNT_SEED))
    sale = result.executions[-1]
    assert (sale.side, sale.price, sale.time) == ("sell", D(80), new_york(2, 9, 30))


def test_what_the_volume_does_not_fill_expires_at_the_close() -> None:
    thin = replace(WHOLE, participation=D("0.00001"))  # 10 shares an hour, 2 a point
    result = run(hours(*[flat(95)] * 4, flat(101), *[flat(95)] * 3), model=thin)
    (order,) = result.orders
    assert (order.status, order.filled) == (OrderStatus.EXPIRED, D(16))
    assert result.book.position("SPY").quantity == 16


def test_symbols_share_one_account() -> None:
    names = [f"S{number:02}" for number in range(15)]
    frame = pl.concat([hours(flat(101), flat(101), symbol=name) for name in names])
    first = [o for o in run(frame).outcomes if o.decided_at == new_york(1, 10)]
    codes = {o.symbol: o.evaluation.code for o in first}
    # Each takes 9.999 % of the equity: the eleventh would pass 100 %.
    assert [codes[name] for name in names] == [""] * 10 + ["MAX_GROSS"] * 5


def test_orders_on_a_bar_are_limited() -> None:
    two = Limits.of({**ACCOUNT_SEED, LimitType.MAX_ORDERS_PER_BAR: D(2)})
    frame = pl.concat([hours(flat(101), flat(95), symbol=s) for s in "ABC"])
    result = run(frame, limits=two)
    codes = [o.evaluation.code for o in result.outcomes]
    assert codes == ["", "", "MAX_ORDERS_PER_BAR"]


def test_a_daily_loss_stops_entries_until_the_next_day() -> None:
    tight = Limits.of({**ACCOUNT_SEED, LimitType.MAX_DAILY_LOSS: D("0.001")})
    first_day = [*map(flat, (101, 101, 85, 84)), *[flat(102)] * 3]
    result = run(hours(*first_day, flat(102), flat(102)), limits=tight)
    codes = {
        o.decided_at.astimezone(NEW_YORK).strftime("%d %H:%M"): o.evaluation.code
        for o in result.outcomes
        if o.side == "buy"
    }
    assert codes == {
        "01 10:00": "",
        "01 11:00": "AT_TARGET",
        "01 14:00": "DAILY_LOSS",
        "01 15:00": "DAILY_LOSS",
        "01 16:00": "OVERNIGHT_ENTRY",
        "02 10:00": "",
        "02 11:00": "AT_TARGET",
    }


def test_entries_of_one_bar_share_the_cash() -> None:
    wide = Limits.of(
        {
            **ACCOUNT_SEED,
            LimitType.MAX_POSITION_SIZE: D("0.4"),
            LimitType.MAX_ORDER_NOTIONAL: D(1),
            LimitType.MAX_GROSS_EXPOSURE: D(10),
        }
    )
    strategy = Level.configured({"max_position_size": 0.4})
    frame = pl.concat([hours(flat(101), flat(95), symbol=s) for s in "ABC"])
    codes = [o.evaluation.code for o in run(frame, strategy, limits=wide).outcomes]
    assert codes == ["", "", "BUYING_POWER"]


def test_orders_of_a_day_are_limited_and_counted_anew_the_next_day() -> None:
    one = Limits.of({**ACCOUNT_SEED, LimitType.MAX_ORDERS_PER_DAY: D(2)})
    first_day = map(flat, (101, 85, 101, 85, 95, 95, 95))
    result = run(hours(*first_day, flat(101), flat(95)), limits=one)
    codes = [o.evaluation.code for o in result.outcomes]
    assert codes == ["", "", "MAX_ORDERS_PER_DAY", "AT_TARGET", ""]


def test_a_drawdown_is_measured_from_the_highest_equity() -> None:
    tight = Limits.of({**ACCOUNT_SEED, LimitType.MAX_DRAWDOWN: D("0.005")})
    # 99 shares rise from 101 to 120 and are sold at 112: 0.78 % below the highest,
    # and above the start.
    path_ = [(101, 101), (101, 101), (101, 120), (120, 120), (120, 85), (112, 112)]
    rows = [(o, max(o, c), min(o, c), c) for o, c in path_]
    result = run(hours(*rows, flat(112)), limits=tight)
    codes = [(o.side, o.evaluation.code) for o in result.outcomes]
    assert result.equity["equity"][-1] > 100_000
    assert codes[-2:] == [("buy", "DRAWDOWN"), ("buy", "OVERNIGHT_ENTRY")]
    assert codes[-3] == ("sell", "")


def test_a_split_changes_shares_and_gives_no_signal() -> None:
    week = hours(flat(105), *[flat(105)] * 6, *[flat(15)] * 3)
    split = CorporateAction("SPY", date(2013, 10, 2), split=D(7))
    strategy = Level.configured({"above": 14.5, "below": 14.0})
    result = run(week, strategy, actions=(split,))
    assert result.book.position("SPY").quantity == 95 * 7
    assert result.decisions["close"].to_list()[0] == 105
    seen = result.decisions["indicators"].struct.field("price").to_list()
    assert seen == pytest.approx([15.0] * 10)
    values = result.equity["equity"].to_list()
    assert values == pytest.approx([100_000.0] * 10)
    assert result.equity["benchmark"].to_list() == pytest.approx(values)


def test_an_exit_that_waits_through_a_split_sells_all_new_shares() -> None:
    # Sold at the close of the first day, before the split of the second morning.
    week = hours(*[flat(105)] * 6, flat(91), *[flat(14)] * 3)
    split = CorporateAction("SPY", date(2013, 10, 2), split=D(7))
    strategy = Level.configured({"above": 14.5, "below": 13.5})
    result = run(week, strategy, actions=(split,))
    entry, exit_ = result.executions
    assert (entry.quantity, exit_.quantity) == (D(95), D(95 * 7))
    assert result.orders[-1].quantity == result.orders[-1].filled == D(95 * 7)
    assert result.book.position("SPY").is_flat
    (trip,) = result.trips
    assert (trip.quantity, trip.entry_price, trip.exit_price) == (D(665), D(15), D(14))
    assert trip.gross == D(-665)


def test_a_dividend_is_cash_for_whoever_holds_before_its_date() -> None:
    week = hours(flat(101), *[flat(95)] * 7)
    dividend = CorporateAction("SPY", date(2013, 10, 2), dividend=D("0.50"))
    with_it, without = run(week, actions=(dividend,)), run(week)
    assert with_it.book.cash - without.book.cash == 99 * D("0.50")


def test_fees_are_charged_once_a_day_rounded_up() -> None:
    result = run(
        hours(flat(101), flat(101), flat(85), flat(84)), model=replace(WHOLE, fees=True)
    )
    trades = [(e.side, e.quantity, e.price) for e in result.executions]
    expected = daily_fees(date(2013, 10, 1), trades).total
    assert result.book.fees == expected > 0
    assert 0 < sum(e.fees for e in result.executions) <= expected


def test_a_short_costs_its_borrow_fee_every_night() -> None:
    short = Level.configured({"allow_short": True})
    dear = replace(WHOLE, borrow_rate=D("0.36"))
    result = run(hours(*[flat(80)] * 35), short, model=dear, limits=WIDE)
    (fill,) = result.executions
    assert (fill.side, fill.quantity) == ("sell", D(125))
    # 125 x 80 x 0.36 / 360 = 10 a night; from Tuesday to Monday there are six.
    assert result.book.fees == 60
    assert result.book.cash == 100_000 + 125 * 80 - 60
    assert result.equity["equity"][6] == 100_000
    assert result.equity["equity"][7] == 100_000 - 10
    assert result.equity["equity"][-1] == 100_000 - 60


def test_borrowed_dollars_cost_interest_every_night() -> None:
    whole = Level.configured({"max_position_size": 1.0})
    dear = replace(WHOLE, margin_rate=D("0.36"))
    # Decided at 101, bought at 110: 990 x 110 is 8,900 more than there is.
    week = hours(flat(101), *[flat(110)] * 8)
    result = run(week, whole, model=dear, limits=WIDE)
    # 8,900 x 0.36 / 360
    assert result.book.fees == D("8.90")
    assert result.book.cash == D("-8908.90")


def test_an_order_meets_the_price_that_stands_when_it_arrives() -> None:
    frame = hours(flat(101), (102, 104, 100, 103))
    quick = run(frame, model=replace(WHOLE, latency=timedelta(milliseconds=250)))
    (fill,) = quick.executions
    assert fill.price == 102
    assert fill.time == new_york(1, 10) + timedelta(milliseconds=250)
    # From 10:20 on the price stood at the low of the bar.
    slow = run(frame, model=replace(WHOLE, latency=timedelta(minutes=30)))
    (fill,) = slow.executions
    assert (fill.price, fill.time) == (D(100), new_york(1, 10, 30))
    # Behind the bar's last price it stands at the close.
    slower = run(frame, model=replace(WHOLE, latency=timedelta(seconds=3590)))
    (fill,) = slower.executions
    assert (fill.price, fill.time) == (
        D(103),
        new_york(1, 10, 59) + timedelta(seconds=50),
    )


def test_an_order_of_the_close_has_arrived_by_the_next_open() -> None:
    frame = hours(*[flat(95)] * 6, flat(101), flat(102))
    result = run(frame, model=replace(WHOLE, latency=timedelta(minutes=5)))
    (fill,) = result.executions
    assert (fill.price, fill.time) == (D(102), new_york(2, 9, 30))


def test_bars_before_the_first_trading_day_only_warm_up() -> None:
    week = hours(*[flat(101)] * 10)
    result = run(week, trade_from=new_york(2, 9, 30))
    assert result.executions[0].time == new_york(2, 10)
    assert result.equity.height == 3
    assert result.decisions.height == 10


def test_the_benchmark_holds_all_symbols_in_equal_parts() -> None:
    one = hours((100, 110, 100, 110), flat(120), symbol="A")
    other = hours((100, 100, 90, 90), flat(80), symbol="B")
    curve = run(pl.concat([one, other])).equity["benchmark"]
    assert curve.to_list() == pytest.approx([100_000, 100_000])
    assert run(one).equity["benchmark"].to_list() == pytest.approx([110_000, 120_000])


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (hours(flat(1), flat(float("nan"))), "not a number"),
        (hours(), "There are no bars"),
        (
            hours(flat(1)).with_columns(pl.col("timestamp").dt.offset_by("-30m")),
            "restamp_clock_hours",
        ),
    ],
)
def test_bars_that_cannot_be_traded_are_refused(frame: pl.DataFrame, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run(frame)


def test_a_setup_that_cannot_be_is_refused() -> None:
    with pytest.raises(BadNumber):
        Setup(cash=D("NaN"))
    with pytest.raises(ValueError, match="no time zone"):
        Setup(trade_from=datetime(2013, 10, 1))


def market(seed: int, sessions: int, symbols: int = 3) -> pl.DataFrame:
    """Return a random market in cents that crosses the levels of `LEVEL` often."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(symbols):
        price = 95.0
        for session in CALENDAR.sessions[:sessions]:
            for start, _ in CALENDAR.bars(session, "1Hour"):
                low, one, two, high = np.sort(
                    np.round(price * np.exp(random.normal(0, 0.03, 4)), 2)
                )
                open_, close = (one, two) if random.random() < 0.5 else (two, one)
                volume = float(random.integers(0, 5000))
                rows.append((f"S{number}", start, open_, high, low, close, volume))
                price = min(max(close, 70.0), 130.0)
    return pl.DataFrame(rows, schema=bars.SCHEMA, orient="row")


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    model=st.sampled_from([ALPACA_PAPER, REALISTIC, WHOLE]),
)
def test_books_balance_on_any_market(seed: int, model: FillModel) -> None:
    frame = market(seed, sessions=6)
    result = run(frame, model=model, seed=seed)
    book, last = result.book, frame.group_by("symbol").agg(pl.col("close").last())
    marks = {symbol: D(str(close)) for symbol, close in last.rows()}
    # Cash and positions are what the executions and fees say, and nothing else.
    cash = 100_000 + sum(e.cash for e in result.executions) - book.fees
    assert book.cash == cash
    for symbol, mark in marks.items():
        signed = sum(e.signed for e in result.executions if e.symbol == symbol)
        assert book.position(symbol).quantity == signed
        assert signed >= 0 and mark > 0
    value = sum(marks[s] * book.position(s).quantity for s in marks)
    assert result.equity["equity"][-1] == pytest.approx(float(cash + value))
    for order in result.orders:
        filled = [e for e in result.executions if e.reference == order.reference]
        assert sum(e.quantity for e in filled) == order.filled <= order.quantity
        assert all(e.time >= order.placed_at for e in filled)
    # No execution outside its bar, but for half a spread and slippage.
    ranges = {(r["symbol"], r["timestamp"]): r for r in frame.iter_rows(named=True)}
    slack = D(1) + (model.half_spread_bps + model.slippage_bps + 2) / 10_000
    for execution in result.executions:
        starts = [t for s, t in ranges if s == execution.symbol and t <= execution.time]
        bar = ranges[execution.symbol, max(starts)]
        if model is not REALISTIC:
            slack = D(1)
        assert D(str(bar["low"])) / slack <= execution.price
        assert execution.price <= D(str(bar["high"])) * slack
    # First in first out and average cost differ while a trip is partly closed.
    if not any(trip.is_open and trip.closes for trip in result.trips):
        assert sum(trip.gross for trip in result.trips) == book.realized()
    assert len(result.outcomes) == result.decisions.filter(pl.col("signal") != 0).height


def test_an_exit_waits_while_the_entry_is_still_filling() -> None:
    slow = replace(WHOLE, participation=D("0.00001"))  # 10 shares an hour, 2 a point
    result = run(hours(flat(101), flat(101), flat(85), flat(85)), model=slow)
    codes = [(o.side, o.evaluation.code) for o in result.outcomes]
    assert codes[2:] == [("sell", "SELF_MATCH")] * 2
    assert result.book.position("SPY").quantity == 24


def test_a_run_repeats_itself_and_a_seed_changes_only_partial_fills() -> None:
    frame = market(5, sessions=20)
    first, again = (run(frame, model=ALPACA_PAPER, seed=1) for _ in range(2))
    assert first.executions == again.executions and first.orders == again.orders
    assert first.equity.equals(again.equity)
    assert first.provenance == again.provenance
    other = run(frame, model=ALPACA_PAPER, seed=2)
    assert other.executions != first.executions
    assert other.decisions.equals(first.decisions)


def test_later_bars_change_nothing_that_happened_before() -> None:
    frame = market(8, sessions=12)
    whole = run(frame, model=ALPACA_PAPER)
    cut = CALENDAR.sessions[7].open
    part = run(frame.filter(pl.col("timestamp") < cut), model=ALPACA_PAPER)
    before = tuple(e for e in whole.executions if e.time < cut)
    assert part.executions == before and before
    assert part.equity.equals(whole.equity.head(part.equity.height))


def test_provenance_tells_the_data_apart() -> None:
    frame = market(8, sessions=2)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    changed = frame.with_columns(pl.col("volume") + 1)
    hashes = [bars.content_hash(each) for each in (frame, shuffled, changed)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert run(frame).provenance.data_hash == hashes[0]


@pytest.mark.skipif(
    not DATA.is_dir(), reason="needs the market data beside the project"
)
def test_on_real_bars_every_market_order_begins_at_the_open_after_its_bar() -> None:
    frame = bars.restamp_clock_hours(
        bars.conform(pl.read_parquet(DATA / "bars_hour_2010_2018.parquet")), CALENDAR
    ).filter(
        pl.col("timestamp").is_between(
            CALENDAR.sessions[0].open, CALENDAR.sessions[-1].close
        )
        & (pl.col("symbol") != "AAPL")
    )
    strategy = Level.configured({"above": 168.0, "below": 167.0})
    result = simulate(strategy, frame, CALENDAR, Setup(limits=FREE))
    assert len(result.orders) >= 3
    opens = {
        (row["symbol"], row["timestamp"]): D(str(row["open"]))
        for row in frame.iter_rows(named=True)
    }
    for order in result.orders:
        filled = [e for e in result.executions if e.reference == order.reference]
        if not filled:
            assert order.placed_at == CALENDAR.sessions[-1].close
            continue
        starts = [t for s, t in opens if s == order.symbol and t >= order.placed_at]
        assert filled[0].time == min(starts)
        assert filled[0].price == opens[order.symbol, min(starts)].quantize(D("0.01"))
