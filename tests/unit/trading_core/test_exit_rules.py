"""Exit rules by hand: what ends a position, and what begins the next one."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from price_bars import closes

from trading_core import folding
from trading_core.calendar import NEW_YORK, xnys_sessions
from trading_core.exit_rules import ExitRules, applied, is_half_day
from trading_core.simulation.columns import backtest_columns
from trading_core.strategy import Condition, Parameters, Rules, Strategy, StrategyError

pytestmark = pytest.mark.unit


def after(
    signals: Sequence[int], prices: Sequence[float], short: bool = False, **rules: Any
) -> list[int]:
    """Return what is asked for at each bar; bars before the first signal are there."""
    lead = 40
    frame = closes(*[prices[0]] * lead, *prices).with_columns(
        pl.Series("signal", [0] * lead + list(signals), dtype=pl.Int8),
        reduce_only=pl.lit(False),
    )
    chosen = ExitRules(**{"bars": 15, **rules})
    asked = applied(frame.lazy(), chosen, short).collect()
    return asked["signal"].to_list()[lead:]


def test_a_stop_is_measured_from_the_open_after_the_signal() -> None:
    # The entry is at 100, the open of the second bar; 95.1 is above the stop of 95.
    assert after([1, 0, 0, 0], [99, 100, 95.1, 94.9], stop=0.05) == [1, 0, 0, -1]


def test_a_target_and_a_trail_are_met_by_closes() -> None:
    assert after([1, 0, 0], [100, 100, 110], target=0.1) == [1, 0, -1]
    prices = [100, 100, 120, 115, 113]
    assert after([1, 0, 0, 0, 0], prices, trail=0.05) == [1, 0, 0, 0, -1]


def test_what_ended_asks_to_close_until_a_signal_begins_anew() -> None:
    signals = [1, 1, 1, 0, 1]
    assert after(signals, [100, 100, 90, 90, 90], stop=0.05) == [1, 1, -1, -1, 1]


def test_a_position_is_left_after_its_bars() -> None:
    assert after([1, 0, 0, 0], [100] * 4, bars=3) == [1, 0, 0, -1]


def test_the_signal_of_the_other_side_still_closes() -> None:
    assert after([1, 0, -1], [100] * 3, stop=0.05) == [1, 0, -1]


def test_a_short_is_stopped_by_a_rise_and_bought_back() -> None:
    assert after([-1, 0, 0], [100, 100, 106], short=True, stop=0.05) == [-1, 0, 1]


def test_without_shorts_a_sale_opens_nothing_to_stop() -> None:
    assert after([-1, 0, 0], [100, 100, 106], stop=0.05) == [-1, 0, 0]


def test_a_session_s_last_hours_end_positions_and_begin_none() -> None:
    # Bars start at 10:00 New York, one an hour: the fifth at 14:00.
    frame = closes(*[100.0] * 8).with_columns(
        signal=pl.Series([0, 1, 1, 1, 1, 1, 1, 1], dtype=pl.Int8),
        reduce_only=pl.lit(False),
    )
    strategy_bars = pl.concat(
        [
            frame.with_columns(pl.col("timestamp").dt.offset_by(f"{day}d"))
            for day in range(-6, 1)
        ]
    )
    rules = ExitRules(session_end=True, bars=5)
    asked = applied(strategy_bars.lazy(), rules).collect().tail(8)
    assert asked["signal"].to_list() == [-1, 1, 1, 1, -1, -1, -1, -1]
    assert "The session ends" in asked["exit"].to_list()[4]


def test_half_days_are_those_of_the_exchange() -> None:
    sessions = xnys_sessions(date(2010, 1, 1), date(2026, 6, 30))
    known = pl.DataFrame({"time": [s.open for s in sessions]}).with_columns(
        half=is_half_day(pl.col("time").dt.convert_time_zone(str(NEW_YORK)))
    )
    lengths = [(s.close - s.open).total_seconds() / 3600 for s in sessions]
    short = [length < 6 for length in lengths]
    days = [s.day for s in sessions]
    wrong = [d for d, a, b in zip(days, short, known["half"], strict=True) if a != b]
    # Rule and history differ on the day after a holiday that moved.
    assert wrong in ([], [date(2013, 7, 3)])


class ByVolumeParameters(Parameters):
    """Nothing of its own."""


class ByVolume(Strategy[ByVolumeParameters], name="by_volume"):
    """Buy at a volume of 2, sell at one of 1."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {"shares": pl.col("volume")}

    def rules(self) -> Rules:
        return Rules(
            buy=(Condition("shares", ">", 1.5),),
            sell=(Condition("shares", "<", 1.5), Condition("shares", ">", 0.5)),
        )


def test_every_strategy_takes_exits_from_its_parameters() -> None:
    bars = closes(*[100.0] * 40, 100, 100, 94, 94).with_columns(
        volume=pl.Series([0.0] * 40 + [2, 0, 0, 0])
    )
    plain = ByVolume.configured({}).decide(bars)
    stopped = ByVolume.configured({"exit_stop": 0.05, "exit_bars": 15}).decide(bars)
    assert plain["signal"].to_list()[40:] == [1, 0, 0, 0]
    assert stopped["signal"].to_list()[40:] == [1, 0, -1, -1]
    assert stopped["reason"].to_list()[42].startswith("Exit: Stop of 0.05 from the")
    assert stopped["reduce_only"].to_list()[40:] == [False, False, True, True]


def test_a_column_takes_exits_of_longs_and_refuses_those_of_shorts() -> None:
    bars = closes(*[100.0] * 40, 100, 100, 94, 94, 94, span=1).with_columns(
        volume=pl.Series([0.0] * 40 + [2, 0, 0, 0, 0])
    )
    rules = {"exit_stop": 0.05, "exit_bars": 15}
    made = backtest_columns(ByVolume.configured(rules), bars)
    assert made.trades["entry_price"].to_list() == [100.0]
    assert made.trades["exit_price"].to_list() == [94.0]
    with pytest.raises(StrategyError, match="trading backtest run"):
        backtest_columns(ByVolume.configured({**rules, "allow_short": True}), bars)


@given(
    st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.integers(90, 110)), min_size=30),
    st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_compiled_and_plain_steps_give_the_same(
    rows: list[tuple[int, int]], short: bool
) -> None:
    signals, prices = zip(*rows, strict=True)
    rules: dict[str, Any] = {"stop": 0.04, "trail": 0.05, "target": 0.06, "bars": 9}
    plain = after(signals, prices, short, **rules)
    worth = folding.WORTH_COMPILING
    folding.WORTH_COMPILING = 0
    try:
        assert after(signals, prices, short, **rules) == plain
    finally:
        folding.WORTH_COMPILING = worth
