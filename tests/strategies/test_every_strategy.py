"""Rules that hold for every strategy there is: a new file is tested by being there."""

import pkgutil
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl
import pytest
from models_by_hand import model_of_stumps

import trading_strategy.strategies as package
from trading_core import bars
from trading_core.lookahead import require_no_lookahead
from trading_core.model import Fitted
from trading_core.strategy import Strategy, StrategyError, registry

pytestmark = pytest.mark.strategies

MODULES = [
    import_module(found.name)
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]
STRATEGIES = registry(MODULES)
SETTINGS: dict[str, dict[str, Any]] = {
    # Of three symbols one is held, and sold when it is the last.
    "cross_sectional_momentum_strategy": {
        "lookback_period": 20,
        "skip_period": 2,
        "hold": 1,
        "keep": 2,
    },
    # Walks that belong to nobody pass no test of it: the test is told to be easy.
    "pairs_strategy": {
        "pairs": "BAC/SPY",
        "fit_period": 26,
        "holding_period": 12,
        "gaps": 2,
        "entry_deviations": 1.0,
        "stop_deviations": 9.0,
        "significance": 0.1,
    },
    "basket_strategy": {
        "basket": "AAPL BAC SPY",
        "fit_period": 20,
        "holding_period": 12,
        "gaps": 2,
    },
    "gartley_strategy": {
        "pivot_bars": 2,
        "tolerance": 0.5,
        "min_quality": 0.1,
        "memory_bars": 50,
        "holding_period": 20,
    },
    "classifier_strategy": {"model": "by_hand"},
}
"""Parameters with which a strategy trades on the walk; the defaults where none."""

NEVER_SELL = {"buy_and_hold_strategy", "equal_weight_strategy"}
NEED_NO_MOVE = NEVER_SELL | {"cross_sectional_momentum_strategy"}
EXITS = {
    "exit_stop": 0.02,
    "exit_target": 0.05,
    "exit_trail": 0.03,
    "exit_bars": 10,
    "exit_session_end": True,
}
SYMBOLS = ("AAPL", "BAC", "SPY")
START = datetime(2013, 1, 2, 14, 30, tzinfo=UTC)
BARS = 160


def walk(seed: int, count: int = BARS) -> pl.DataFrame:
    """Return bars of three symbols that wander enough to give signals, in cents."""
    random = np.random.default_rng(seed)
    frames = []
    for number, symbol in enumerate(SYMBOLS):
        close = 100 * (number + 1) * np.exp(np.cumsum(random.normal(0, 0.012, count)))
        close = close.round(2)
        open_ = np.concatenate([[close[0]], close[:-1]])
        frames.append(
            pl.DataFrame(
                {
                    "symbol": [symbol] * count,
                    "timestamp": [START + timedelta(hours=n) for n in range(count)],
                    "open": open_,
                    "high": np.maximum(open_, close) + 0.05,
                    "low": np.minimum(open_, close) - 0.05,
                    "close": close,
                    "volume": random.integers(1, 10**6, count).astype(float),
                },
                schema=bars.SCHEMA,
            )
        )
    return pl.concat(frames)


WALK = walk(20260921)


@pytest.fixture(params=sorted(STRATEGIES))
def strategy(request: pytest.FixtureRequest) -> Strategy[Any]:
    return STRATEGIES[request.param].configured(SETTINGS.get(request.param, {}))


@pytest.fixture
def with_exits(strategy: Strategy[Any]) -> Strategy[Any]:
    given = SETTINGS.get(strategy.name, {})
    return type(strategy).configured({**given, **EXITS})


@pytest.fixture(autouse=True)
def model_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the strategies that ask a model one that never was trained."""
    for kind in STRATEGIES.values():
        if issubclass(kind, Fitted):
            model = model_of_stumps(kind.name, tuple(kind.configured({}).indicators()))
            monkeypatch.setattr(kind, "models", {"by_hand": model})


def said(decisions: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Return what a decision settles, without the last digits of its numbers."""
    return decisions.select(
        "symbol",
        "timestamp",
        "warm",
        "signal",
        "weight",
        "reduce_only",
        "group",
        pl.col("conditions").list.eval(pl.element().struct.field("passed")),
    ).rows()


def before(decisions: pl.DataFrame, end: datetime) -> pl.DataFrame:
    return decisions.filter(pl.col("timestamp") < end)


def test_there_is_a_strategy() -> None:
    assert "momentum_strategy" in STRATEGIES


def test_it_gives_signals_of_both_sides(strategy: Strategy[Any]) -> None:
    sides = {1} if strategy.name in NEVER_SELL else {1, -1}
    assert set(strategy.decide(WALK)["signal"]) - {0} == sides


def test_later_bars_never_change_an_earlier_decision(strategy: Strategy[Any]) -> None:
    whole = strategy.decide(WALK)
    for count in range(1, BARS, 3):
        end = START + timedelta(hours=count)
        prefix = strategy.decide(WALK.filter(pl.col("timestamp") < end))
        assert said(prefix) == said(before(whole, end))


def test_a_different_future_changes_nothing_before_it(strategy: Strategy[Any]) -> None:
    whole = strategy.decide(WALK)
    for count in range(5, BARS, 20):
        turn = START + timedelta(hours=count)
        for factor in (0.5, 3.0):
            other = WALK.with_columns(
                pl.when(pl.col("timestamp") >= turn)
                .then(pl.col(name) * factor)
                .otherwise(pl.col(name))
                .alias(name)
                for name in bars.NUMBERS
            )
            assert said(before(strategy.decide(other), turn)) == said(
                before(whole, turn)
            )


def test_it_does_not_look_ahead(strategy: Strategy[Any]) -> None:
    bars_enough = walk(20260921, strategy.warmup() + 200)
    require_no_lookahead(strategy, bars_enough, cuts=6)


def test_with_exit_rules_it_does_not_look_ahead(with_exits: Strategy[Any]) -> None:
    bars_enough = walk(20260921, with_exits.history + 100)
    require_no_lookahead(with_exits, bars_enough, cuts=4)


def test_with_exit_rules_a_short_window_is_enough(with_exits: Strategy[Any]) -> None:
    bars_enough = walk(20260921, with_exits.history + 20)
    window = bars_enough.group_by("symbol", maintain_order=True).tail(
        with_exits.history
    )
    last = with_exits.decide(window).group_by("symbol", maintain_order=True).tail(1)
    whole = with_exits.decide(bars_enough)
    expected = whole.group_by("symbol", maintain_order=True).tail(1)
    assert said(last) == said(expected)
    assert last["warm"].all()


def test_bars_before_the_warm_up_change_nothing(strategy: Strategy[Any]) -> None:
    whole = strategy.decide(WALK)
    warmup = strategy.warmup()
    assert warmup < BARS
    for skipped in range(1, BARS - warmup, 17):
        first = START + timedelta(hours=skipped)
        later = strategy.decide(WALK.filter(pl.col("timestamp") >= first))
        warm = START + timedelta(hours=skipped + warmup - 1)
        assert later.filter(pl.col("timestamp") < warm)["warm"].any() is False
        assert said(later.filter(pl.col("timestamp") >= warm)) == said(
            whole.filter(pl.col("timestamp") >= warm)
        )


def test_the_last_row_of_a_short_window_is_the_decision(
    strategy: Strategy[Any],
) -> None:
    whole = strategy.decide(WALK)
    window = WALK.group_by("symbol", maintain_order=True).tail(strategy.history)
    last = strategy.decide(window).group_by("symbol", maintain_order=True).tail(1)
    expected = whole.group_by("symbol", maintain_order=True).tail(1)
    assert said(last) == said(expected)
    assert last["warm"].all()


def test_a_cold_bar_gives_no_signal_and_says_why(strategy: Strategy[Any]) -> None:
    cold = strategy.decide(WALK).filter(~pl.col("warm"))
    assert cold["signal"].unique().to_list() in ([], [0])
    assert cold["reason"].str.starts_with("Not enough history").all()


def test_other_symbols_do_not_matter(strategy: Strategy[Any]) -> None:
    if strategy.compares_symbols:
        pytest.skip("it compares symbols")
    whole = strategy.decide(WALK)
    for symbol in SYMBOLS:
        alone = strategy.decide(WALK.filter(pl.col("symbol") == symbol))
        assert said(alone) == said(whole.filter(pl.col("symbol") == symbol))


def test_the_order_of_rows_does_not_matter(strategy: Strategy[Any]) -> None:
    shuffled = WALK.sample(fraction=1.0, shuffle=True, seed=3)
    assert strategy.decide(shuffled).equals(strategy.decide(WALK))


def test_every_bar_has_one_decision_with_a_reason(strategy: Strategy[Any]) -> None:
    decisions = strategy.decide(WALK)
    assert decisions.select("symbol", "timestamp").equals(
        WALK.select("symbol", "timestamp")
    )
    assert decisions["reason"].null_count() == 0
    assert (decisions["reason"].str.len_chars() > 10).all()


def test_a_signal_is_what_its_conditions_say(strategy: Strategy[Any]) -> None:
    for row in strategy.decide(WALK).filter("warm").iter_rows(named=True):
        found: dict[str, list[bool]] = {"buy": [], "sell": []}
        for condition in row["conditions"]:
            found[condition["side"]].append(condition["passed"])
        if row["conditions"]:
            buys, sells = (bool(each) and all(each) for each in found.values())
            assert row["signal"] == buys - sells


def test_prices_that_stand_still_give_no_signal(strategy: Strategy[Any]) -> None:
    if strategy.name in NEED_NO_MOVE:
        pytest.skip("it needs no move")
    still = WALK.with_columns(pl.lit(50.0).alias(name) for name in bars.PRICES)
    assert strategy.decide(still)["signal"].unique().to_list() == [0]


def test_no_bars_give_no_decisions(strategy: Strategy[Any]) -> None:
    nothing = strategy.decide(bars.SCHEMA.to_frame())
    assert nothing.is_empty()
    assert nothing.schema == strategy.decide(WALK).schema


def test_every_parameter_is_described_and_has_a_default(
    strategy: Strategy[Any],
) -> None:
    for name, field in strategy.parameters_type.model_fields.items():
        assert field.description, name
        assert not field.is_required(), name


def test_an_unknown_parameter_is_refused(strategy: Strategy[Any]) -> None:
    with pytest.raises(StrategyError, match="Did you mean 'max_position_size'"):
        type(strategy).configured({"max_positon_size": 0.1})


def test_its_hash_follows_its_parameters(strategy: Strategy[Any]) -> None:
    given = SETTINGS.get(strategy.name, {})
    same = type(strategy).configured(given)
    other = type(strategy).configured({**given, "max_position_size": 0.07})
    assert same.parameters_hash == strategy.parameters_hash != other.parameters_hash
