"""What strategies may and may not be; comparisons at their edges."""

from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from trading_core import bars
from trading_core.strategy import (
    Condition,
    Operator,
    Parameters,
    Rules,
    Strategy,
    StrategyError,
    find,
    registry,
    signal,
    source_hash,
)

pytestmark = pytest.mark.unit
START = datetime(2013, 1, 2, 15, tzinfo=UTC)


class Quiet(Strategy[Parameters], name="quiet"):
    """Never says anything."""


class Loud(Strategy[Parameters], name="loud", version="7"):
    """Overrides `signals` with a rule that conditions cannot say."""

    def signals(self, bars: pl.LazyFrame) -> pl.LazyFrame:
        return bars.with_columns(
            signal=signal(buy=pl.col("close") > 1, sell=pl.col("close") < 1)
        )


class Wrong(Strategy[Parameters], name="wrong"):
    """Gives a signal that is none."""

    def signals(self, bars: pl.LazyFrame) -> pl.LazyFrame:
        return bars.with_columns(signal=pl.lit(2))


class Short(Strategy[Parameters], name="short"):
    """Loses bars."""

    def signals(self, bars: pl.LazyFrame) -> pl.LazyFrame:
        return bars.with_columns(signal=pl.lit(0)).head(1)


class Hiding(Strategy[Parameters], name="hiding"):
    """Calls an indicator like a column of bars."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {"close": pl.col("open")}


class Chained(Strategy[Parameters], name="chained"):
    """Compares two indicators, one made from the other."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {
            "fast": pl.col("close").rolling_mean(2),
            "slow": pl.col("fast").rolling_mean(2),
        }

    def rules(self) -> Rules:
        return Rules(buy=(Condition("fast", ">=", "slow"),))


def closes(*prices: float) -> pl.DataFrame:
    count = len(prices)
    return pl.DataFrame(
        {
            "symbol": ["SPY"] * count,
            "timestamp": [START + timedelta(hours=n) for n in range(count)],
            **{name: list(prices) for name in bars.PRICES},
            "volume": [1.0] * count,
        },
        schema=bars.SCHEMA,
    )


def decide(strategy: type[Strategy[Any]], *prices: float) -> pl.DataFrame:
    return strategy.configured({}).decide(closes(*prices))


def holds(operator: Operator, left: float | None, right: float) -> bool:
    frame = pl.DataFrame({"left": [left]}, schema={"left": pl.Float64})
    passed = frame.select(Condition("left", operator, right).passed()).item()
    assert isinstance(passed, bool)
    return passed


@pytest.mark.parametrize(
    ("operator", "below", "equal", "above"),
    [
        (">", False, False, True),
        (">=", False, True, True),
        ("<", True, False, False),
        ("<=", True, True, False),
    ],
)
def test_numbers_inside_the_dead_band_are_equal(
    operator: Operator, below: bool, equal: bool, above: bool
) -> None:
    rounding = 1e-13
    assert holds(operator, 1.0 + rounding, 1.0) is equal
    assert holds(operator, 1.0 - rounding, 1.0) is equal
    assert holds(operator, 0.1 + 0.2, 0.3) is equal
    assert holds(operator, 1.0 - 1e-8, 1.0) is below
    assert holds(operator, 1.0 + 1e-8, 1.0) is above


@pytest.mark.parametrize("operator", [">", ">=", "<", "<="])
@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_passes_nothing(
    operator: Operator, value: float | None
) -> None:
    assert holds(operator, value, 0.0) is False


def test_a_strategy_may_override_its_signals() -> None:
    decisions = decide(Loud, 0.5, 1.0, 2.0)
    assert decisions["signal"].to_list() == [-1, 0, 1]
    assert decisions["conditions"].to_list() == [[], [], []]
    assert decisions["reason"][2] == "Buy: the strategy's own rule."


def test_indicators_may_build_on_earlier_ones() -> None:
    decisions = decide(Chained, 1.0, 2.0, 3.0, 1.0)
    assert decisions["signal"].to_list() == [0, 0, 1, 0]
    assert decisions["indicators"].to_list()[2] == {"fast": 2.5, "slow": 2.0}


def test_a_strategy_without_rules_decides_no() -> None:
    assert decide(Quiet, 1.0, 2.0)["signal"].to_list() == [0, 0]


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (Wrong, "signal must be -1, 0 or 1, found 2 for SPY"),
        (Short, "1 signals for 3 bars"),
        (Hiding, "indicator close hides a bar column"),
    ],
)
def test_an_ill_defined_strategy_is_refused(
    strategy: type[Strategy[Any]], said: str
) -> None:
    with pytest.raises(StrategyError, match=said):
        decide(strategy, 1.0, 2.0, 3.0)


def test_parameters_out_of_range_are_named() -> None:
    for value in (0, 1.5, float("nan")):
        with pytest.raises(StrategyError, match="max_position_size"):
            Quiet.configured({"max_position_size": value})


def test_name_version_and_parameters_are_known_to_the_class() -> None:
    assert (Loud.name, Loud.version, Loud.parameters_type) == ("loud", "7", Parameters)


def module(name: str, *strategies: type[Strategy[Any]]) -> ModuleType:
    made = ModuleType(name)
    for strategy in strategies:
        copy = type(strategy.__name__, (strategy,), {}, name=strategy.name)
        copy.__module__ = name
        setattr(made, strategy.__name__, copy)
    return made


def test_a_registry_finds_by_name_and_suggests() -> None:
    found = registry([module("one", Quiet), module("two", Loud)])
    assert sorted(found) == ["loud", "quiet"]
    with pytest.raises(StrategyError, match="Did you mean 'quiet'"):
        find(found, "quite")


def test_one_name_for_two_strategies_is_refused() -> None:
    with pytest.raises(StrategyError, match="quiet is defined by one and two"):
        registry([module("one", Quiet), module("two", Quiet)])


def test_imported_strategies_belong_to_their_own_module() -> None:
    importing = ModuleType("importing")
    importing.Quiet = Quiet  # type: ignore[attr-defined]
    assert registry([importing]) == {}


def test_a_source_has_one_hash_on_every_system() -> None:
    assert source_hash("a\nb\n") == source_hash("a\r\nb\r\n") != source_hash("a\nc\n")
