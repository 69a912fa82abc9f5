"""Columns against the account of `simulate`, and against fills worked by hand."""

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
from trading_core.comparison import crossed_above, crossed_below
from trading_core.indicators import sma
from trading_core.ledger import RoundTrip, excursion
from trading_core.limits import Limits, LimitType
from trading_core.matching import FillModel
from trading_core.money import BadNumber
from trading_core.simulation import CorporateAction, Setup, simulate
from trading_core.simulation.actions import split_adjusted
from trading_core.simulation.columns import ColumnBacktest, backtest_columns, sweep
from trading_core.simulation.signals import Signals
from trading_core.simulation.table import Table
from trading_core.simulation.terms import Terms
from trading_core.strategy import Condition, Parameters, Rules, Strategy, signal

pytestmark = pytest.mark.unit
D = Decimal
CALENDAR = Calendar(xnys_sessions(date(2013, 10, 1), date(2013, 12, 31)))
FREE = Limits.of({kind: D(10**9) for kind in LimitType})
SPLIT_DAY = CALENDAR.sessions[4].day
DIVIDEND_DAY = CALENDAR.sessions[6].day


class AverageParameters(Parameters):
    """The lengths of two averages."""

    fast: int = 2
    slow: int = 5


class Averages(Strategy[AverageParameters], name="averages"):
    """Long while the fast average is above the slow one."""

    def warmup(self) -> int:
        return self.parameters.slow

    def indicators(self) -> dict[str, pl.Expr]:
        return {
            "fast": sma(period=self.parameters.fast),
            "slow": sma(period=self.parameters.slow),
        }

    def rules(self) -> Rules:
        return Rules(
            buy=(Condition("fast", ">", "slow"),),
            sell=(Condition("fast", "<", "slow"),),
        )


class Pullback(Strategy[AverageParameters], name="pullback"):
    """Rules with numbers, bar columns, two conditions, and an indicator of another."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {
            "mean": sma(period=self.parameters.slow),
            "away": pl.col("close") / pl.col("mean") - 1,
        }

    def rules(self) -> Rules:
        return Rules(
            buy=(Condition("away", "<=", -0.01), Condition("close", ">=", "low")),
            sell=(Condition("away", ">=", 0.01),),
        )


class Crossing(Strategy[AverageParameters], name="crossing"):
    """Signals of its own: only at the bar at which the averages cross."""

    def warmup(self) -> int:
        return self.parameters.slow

    def signals(self, bars: pl.LazyFrame) -> pl.LazyFrame:
        fast, slow = pl.col("fast"), pl.col("slow")
        return bars.with_columns(
            fast=sma(period=self.parameters.fast).over("symbol"),
            slow=sma(period=self.parameters.slow).over("symbol"),
        ).with_columns(
            signal=signal(
                buy=crossed_above(fast, slow).over("symbol"),
                sell=crossed_below(fast, slow).over("symbol"),
            )
        )


class ByTime(Crossing, name="by_time"):
    """Hands its bars back in order of time."""

    def signals(self, bars: pl.LazyFrame) -> pl.LazyFrame:
        return super().signals(bars).sort("timestamp", maintain_order=True)


class Strongest(Strategy[AverageParameters], name="strongest"):
    """Compares symbols: buys the best of them and sells the worst."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {"change": pl.col("close") / pl.col("open") - 1}

    def across(self) -> dict[str, pl.Expr]:
        return {"rank": pl.col("change").rank("ordinal")}

    def rules(self) -> Rules:
        return Rules(
            buy=(Condition("rank", ">=", 2.0),), sell=(Condition("rank", "<=", 1.0),)
        )


KINDS: list[type[Strategy[Any]]] = [Averages, Pullback, Crossing, ByTime, Strongest]


def market(seed: int, sessions: int, symbols: int = 1, swing: float = 0.03) -> Any:
    """Return a random market in cents; its day of the split opens at half the price."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(symbols):
        price = 95.0
        for session in CALENDAR.sessions[:sessions]:
            for start, _ in CALENDAR.bars(session, "1Hour"):
                low, one, two, high = np.sort(
                    np.round(price * np.exp(random.normal(0, swing, 4)), 2)
                )
                open_, close = (one, two) if random.random() < 0.5 else (two, one)
                rows.append((f"S{number}", start, open_, high, low, close, 1e6))
                price = min(max(close, 20.0), 400.0)
    return pl.DataFrame(rows, schema=bars.SCHEMA, orient="row")


def accounts(
    strategy: Strategy[Any], frame: pl.DataFrame, actions: tuple[Any, ...] = ()
) -> list[tuple[list[RoundTrip], list[float]]]:
    """Return trips and equity of each symbol in an account of its own.

    A strategy that compares symbols decides on all of them: it is handed its signals.
    """
    decided = strategy.decide(split_adjusted(frame, actions))
    results = []
    for (symbol,), part in frame.group_by("symbol", maintain_order=True):
        given_ = decided.filter(pl.col("symbol") == symbol)

        class Given(type(strategy)):  # type: ignore[misc]
            def decide(self, bars: Any) -> pl.DataFrame:
                return given_

        setup = Setup(
            model=FillModel("whole"),
            limits=FREE,
            actions=tuple(each for each in actions if each.symbol == symbol),
        )
        result = simulate(Given(strategy.parameters), part, CALENDAR, setup)
        results.append((list(result.trips), result.equity["equity"].to_list()))
    return results


def compare(
    fast: ColumnBacktest, slow: list[tuple[list[RoundTrip], list[float]]]
) -> int:
    trips = [trip for each, _ in slow for trip in each]
    assert fast.trades.height == len(trips)
    for row, trip in zip(fast.trades.iter_rows(named=True), trips, strict=True):
        assert row["symbol"] == trip.symbol
        assert row["entered_at"] == trip.opened_at
        assert row["left_at"] == trip.closed_at
        sign = 1 if trip.side == "buy" else -1
        assert row["quantity"] == pytest.approx(float(trip.quantity * sign), rel=1e-12)
        assert row["entry_price"] == pytest.approx(float(trip.entry_price), rel=1e-12)
        if trip.exit_price is not None:
            assert row["exit_price"] == float(trip.exit_price)
            assert row["profit"] == pytest.approx(float(trip.net), abs=1e-6)
    curves = [value for _, equity in slow for value in equity]
    assert fast.equity["equity"].to_list() == pytest.approx(curves, rel=1e-12)
    return len(trips)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(KINDS),
    share=st.sampled_from([0.05, 0.1, 0.25, 0.333, 1.0]),
    allow_short=st.booleans(),
    swing=st.sampled_from([0.002, 0.03, 0.1]),
)
def test_a_column_trades_what_an_account_of_one_symbol_trades(
    seed: int, kind: Any, share: float, allow_short: bool, swing: float
) -> None:
    frame = market(seed, sessions=12, symbols=3, swing=swing)
    strategy = kind.configured({"max_position_size": share, "allow_short": allow_short})
    fast = backtest_columns(strategy, frame)
    compare(fast, accounts(strategy, frame))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    ratio=st.sampled_from(["2", "7", "1.5", "0.1"]),
    allow_short=st.booleans(),
    kind=st.sampled_from([Averages, Crossing]),
)
def test_a_column_holds_through_splits_and_dividends_as_an_account_does(
    seed: int, ratio: str, allow_short: bool, kind: Any
) -> None:
    frame = market(seed, sessions=12, symbols=2)
    split = pl.col("timestamp") >= CALENDAR.sessions[4].open
    one = pl.col("symbol") == "S0"
    after = (pl.col(*bars.PRICES) / float(ratio)).round(2).clip(lower_bound=0.01)
    frame = frame.with_columns(
        pl.when(split & one).then(after).otherwise(pl.col(*bars.PRICES))
    )
    actions = (
        CorporateAction("S0", SPLIT_DAY, split=D(ratio)),
        CorporateAction("S1", DIVIDEND_DAY, dividend=D("0.37")),
        CorporateAction("S0", DIVIDEND_DAY, dividend=D("0.11")),
    )
    strategy = kind.configured({"max_position_size": 0.5, "allow_short": allow_short})
    fast = backtest_columns(strategy, frame, actions=actions)
    compare(fast, accounts(strategy, frame, actions))


def test_bars_before_the_first_trading_day_only_warm_up() -> None:
    frame = market(11, sessions=12)
    day = CALENDAR.sessions[5].open
    for kind in (Averages, Crossing):
        strategy = kind.configured({"max_position_size": 0.5})
        fast = backtest_columns(strategy, frame, trade_from=day)
        free = Setup(model=FillModel("whole"), limits=FREE, trade_from=day)
        slow = simulate(strategy, frame, CALENDAR, free)
        traded = pl.col("timestamp") >= day
        part = replace(fast, equity=fast.equity.filter(traded))
        assert compare(part, [(list(slow.trips), slow.equity["equity"].to_list())])
        flat = fast.equity.filter(~traded)["equity"]
        assert flat.unique().to_list() == [100_000.0]


def test_the_excursion_of_a_trade_is_that_of_the_ledger() -> None:
    frame = market(3, sessions=20)
    strategy = Averages.configured({"max_position_size": 0.5, "allow_short": True})
    fast = backtest_columns(strategy, frame)
    ((trips, _),) = accounts(strategy, frame)
    assert len(trips) > 10
    for row, trip in zip(fast.trades.iter_rows(named=True), trips, strict=True):
        if trip.closed_at is None:
            continue
        inside = frame.filter(
            pl.col("timestamp").is_between(trip.opened_at, trip.closed_at, "left")
        )
        seen = [
            (time, D(str(low)), D(str(high)))
            for time, low, high in inside.select("timestamp", "low", "high").rows()
        ]
        assert trip.exit_price is not None
        seen.append((trip.closed_at, trip.exit_price, trip.exit_price))
        reach = excursion(trip, seen)
        shares = float(trip.quantity)
        assert row["adverse"] * shares == pytest.approx(float(reach.adverse))
        assert row["favorable"] * shares == pytest.approx(float(reach.favorable))


@given(seed=st.integers(0, 10**6), kind=st.sampled_from(KINDS))
@settings(max_examples=30)
def test_signals_read_by_column_are_those_the_strategy_decides(
    seed: int, kind: Any
) -> None:
    frame = market(seed, sessions=8, symbols=3, swing=0.01)
    strategies = [kind.configured({"slow": slow}) for slow in (3, 5, 8)]
    table = Table(frame)
    signals = Signals(strategies, table.seen)
    for column in table.columns:
        seen = signals.of(column.seen, column.place)
        for place, strategy in enumerate(strategies):
            decided = strategy.decide(frame).filter(pl.col("symbol") == column.symbol)
            assert seen[place].tolist() == decided["signal"].to_list()


def test_a_sweep_has_the_figures_of_each_run() -> None:
    frame = market(5, sessions=15, symbols=2)
    pairs = [(2, 5), (3, 5), (2, 8)]
    strategies = [Averages.configured({"fast": f, "slow": s}) for f, s in pairs]
    strategies += [Crossing.configured({}), Strongest.configured({})]
    terms = Terms(fee_rate=0.0005)
    rows = sweep(strategies, frame, terms)
    assert rows.select("place", "symbol").rows() == [
        (place, symbol) for place in range(5) for symbol in ("S0", "S1")
    ]
    for row in rows.iter_rows(named=True):
        alone = backtest_columns(strategies[row["place"]], frame, terms)
        one = pl.col("symbol") == row["symbol"]
        trades, equity = alone.trades.filter(one), alone.equity.filter(one)["equity"]
        closed = trades.filter(pl.col("left_at").is_not_null())
        assert row["trades"] == trades.height > 0
        assert row["final_equity"] == equity[-1]
        assert row["total_return"] == equity[-1] / 100_000 - 1
        assert row["max_drawdown"] == pytest.approx(
            (equity / equity.cum_max() - 1).min()
        )
        assert row["hit_rate"] == pytest.approx((closed["profit"] > 0).mean())
        assert row["fees"] == pytest.approx(trades["fees"].sum())


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


def hours(*rows: tuple[float, float, float, float]) -> pl.DataFrame:
    starts = [
        start
        for session in CALENDAR.sessions[:5]
        for start, _ in CALENDAR.bars(session, "1Hour")
    ]
    return pl.DataFrame(
        [("SPY", at, *row, 1e6) for at, row in zip(starts, rows, strict=False)],
        schema=bars.SCHEMA,
        orient="row",
    )


ROUND_TRIP = hours(
    (95.0, 101.0, 95.0, 101.0),
    (102.0, 110.0, 99.0, 105.0),
    (105.0, 106.0, 85.0, 85.0),
    (84.0, 84.0, 80.0, 82.0),
)


def test_costs_worked_by_hand() -> None:
    terms = Terms(fee_rate=0.001, fee_per_share=0.01, slippage=0.01)
    result = backtest_columns(Level.configured({}), ROUND_TRIP, terms)
    (trade,) = result.trades.iter_rows(named=True)
    # 10 % of 100,000 at the decision's close of 101 is 99 shares; the buy at 102 slips
    # to 103.02, the sale at 84 to 83.16, and each pays 0.1 % and a cent a share.
    assert trade["quantity"] == 99
    assert trade["entry_price"] == pytest.approx(103.02)
    assert trade["exit_price"] == pytest.approx(83.16)
    fees = 99 * (103.02 * 0.001 + 0.01) + 99 * (83.16 * 0.001 + 0.01)
    assert trade["fees"] == pytest.approx(fees)
    assert trade["profit"] == pytest.approx(99 * (83.16 - 103.02) - fees)
    assert trade["adverse"] == pytest.approx(83.16 - 103.02)
    assert trade["favorable"] == pytest.approx(110 - 103.02)
    assert result.equity["equity"][-1] == pytest.approx(100_000 + trade["profit"])


def test_an_order_sized_at_its_fill_can_pay_for_itself() -> None:
    strategy = Level.configured({"max_position_size": 1.0})
    terms = Terms(at="fill", fee_rate=0.001)
    (trade,) = backtest_columns(strategy, ROUND_TRIP, terms).trades.iter_rows(
        named=True
    )
    assert trade["quantity"] == int(100_000 / (102 * 1.001))
    whole = backtest_columns(strategy, ROUND_TRIP, replace(terms, fractional=True))
    assert whole.trades["quantity"][0] == pytest.approx(100_000 / (102 * 1.001))
    assert (whole.equity["equity"] > 0).all()


def test_what_happens_to_one_column_leaves_the_others_alone() -> None:
    frame = market(9, sessions=10, symbols=3)
    strategy = Averages.configured({})
    every = backtest_columns(strategy, frame)
    for symbol in ("S0", "S1", "S2"):
        one = pl.col("symbol") == symbol
        alone = backtest_columns(strategy, frame.filter(one))
        assert alone.trades.equals(every.trades.filter(one))
        assert alone.equity.equals(every.equity.filter(one))


def test_a_position_at_the_end_stays_open() -> None:
    result = backtest_columns(Level.configured({}), ROUND_TRIP.head(2))
    (trade,) = result.trades.iter_rows(named=True)
    assert trade["left_at"] is None and trade["exit_price"] == 105
    assert trade["profit"] == pytest.approx(99 * 3)
    nothing = backtest_columns(Level.configured({"above": 1e6}), ROUND_TRIP)
    assert nothing.trades.is_empty()
    assert nothing.equity["equity"].to_list() == [100_000.0] * 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"close": float("nan")}, "close nan is not a number"),
        ({"open": -1.0}, "open -1.0 is not above 0"),
        ({"high": 1.0}, "high 1.0 is below"),
        ({"low": 105.5}, "low 105.5 is above"),
        ({"volume": -1.0}, "volume -1.0 is below 0"),
        ({"close": None}, "close  has no value"),
        ({"high": float("inf")}, "high inf is infinite"),
    ],
)
def test_bars_that_are_none_are_refused_with_bar_and_column(
    change: dict[str, Any], said: str
) -> None:
    (column, value), *_ = change.items()
    third = pl.int_range(pl.len()) == 2
    frame = ROUND_TRIP.with_columns(
        pl.when(third).then(pl.lit(value)).otherwise(column).alias(column)
    )
    with pytest.raises(ValueError, match=said) as refusal:
        backtest_columns(Level.configured({}), frame)
    assert "SPY 2013-10-01 15:00:00" in str(refusal.value)


def test_bars_out_of_order_given_twice_or_not_at_all_are_refused() -> None:
    two = pl.concat([ROUND_TRIP, ROUND_TRIP.with_columns(symbol=pl.lit("AAPL"))])
    for frame, said in (
        (two, "not sorted"),
        (ROUND_TRIP.reverse(), "not sorted"),
        (ROUND_TRIP[[0, 1, 1]], "was given before"),
        (ROUND_TRIP.clear(), "no bars"),
        (
            ROUND_TRIP.with_columns(symbol=pl.Series(["SPY", "SPY", None, "SPY"])),
            "no symbol",
        ),
        (ROUND_TRIP.with_columns(symbol=pl.lit(None, pl.String)), "no symbol"),
    ):
        with pytest.raises(ValueError, match=said):
            backtest_columns(Level.configured({}), frame)


@pytest.mark.parametrize(
    "change",
    [
        {"cash": 0.0},
        {"cash": float("nan")},
        {"fee_rate": -0.1},
        {"slippage": 1.0},
        {"fee_per_share": float("inf")},
    ],
)
def test_terms_that_cannot_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(BadNumber):
        Terms(**change)  # type: ignore[arg-type]
