"""Strategies that look ahead are refused, and why; honest ones pass."""

from typing import Any

import polars as pl
import pytest

from trading_core.indicators import ema, ema_settles, sma
from trading_core.lookahead import LookAhead, peeks, require_no_lookahead, sample, walk
from trading_core.strategy import Condition, Parameters, Rules, Strategy

pytestmark = pytest.mark.unit
WALK = walk(symbols=2, count=120)


class Honest(Strategy[Parameters]):
    """Above its mean: what the others would be if they were honest."""

    def warmup(self) -> int:
        return 10

    def indicators(self) -> dict[str, pl.Expr]:
        return {"mean": sma(period=10)}

    def rules(self) -> Rules:
        return Rules(
            buy=(Condition("close", ">", "mean"),),
            sell=(Condition("close", "<", "mean"),),
        )


class Tomorrow(Honest):
    """Reads the next bar."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {"mean": sma(period=10), "next": pl.col("close").shift(-1)}


class Centred(Honest):
    """Means over bars on both sides."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {"mean": pl.col("close").rolling_mean(10, center=True)}


class WholeSample(Honest):
    """Compares with the mean of everything."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {"mean": pl.col("close").mean()}


class Repaints(Honest):
    """Takes a signal back when the bar after it goes the other way."""

    def signals(self, bars: pl.LazyFrame) -> pl.LazyFrame:
        taken = pl.col("close").diff().shift(-1).over("symbol") < 0
        return (
            super()
            .signals(bars)
            .with_columns(
                signal=pl.when(taken.fill_null(False)).then(0).otherwise("signal")
            )
        )


class Forgetful(Honest):
    """Says it needs fewer bars than its mean does."""

    def warmup(self) -> int:
        return 12

    def indicators(self) -> dict[str, pl.Expr]:
        return {"mean": ema(period=10)}


class Patient(Forgetful):
    """The same, with the bars that it needs."""

    def warmup(self) -> int:
        return ema_settles(10)


class Sums(Honest):
    """A running sum remembers where the bars began; no signal reads it."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {"mean": sma(period=10), "sum": pl.col("volume").cum_sum()}


def made(kind: type[Strategy[Any]]) -> Strategy[Any]:
    kind.name = kind.__name__.lower()
    return kind.configured({})


@pytest.mark.parametrize("kind", [Honest, Sums])
def test_an_honest_strategy_passes(kind: type[Strategy[Any]]) -> None:
    assert list(peeks(made(kind), WALK)) == []


def test_a_long_enough_warm_up_passes() -> None:
    require_no_lookahead(made(Patient), walk(symbols=2, count=300))


@pytest.mark.parametrize(
    ("kind", "question", "column"),
    [
        (Tomorrow, "It knows later bars", "next"),
        (Centred, "It knows later bars", "signal"),
        (WholeSample, "It knows later bars", "signal"),
        (Repaints, "It knows the future", "signal"),
        (Forgetful, "It needs more bars than its warm-up", "signal"),
    ],
)
def test_one_that_looks_ahead_is_refused_with_bar_and_column(
    kind: type[Strategy[Any]], question: str, column: str
) -> None:
    strategy = made(kind)
    first = next(peeks(strategy, WALK, cuts=40))
    assert (first.question, first.column) == (question, column)
    assert first.symbol in ("WALK0", "WALK1")
    assert first.timestamp in WALK["timestamp"]
    with pytest.raises(LookAhead, match=f"{strategy.name} looks ahead.*{column} of"):
        require_no_lookahead(strategy, WALK, cuts=40)


def test_the_bar_it_names_is_the_first_that_changed() -> None:
    peek = next(peeks(made(Tomorrow), WALK))
    # The last bar before the cut is the first without a next one.
    cut = peek.changed.removeprefix("no bar from ").removesuffix(" on")
    last = WALK.filter(pl.col("timestamp").cast(pl.String) < cut)["timestamp"].max()
    assert peek.timestamp == last
    assert peek.value == "None" and float(peek.expected) > 0


def test_a_future_that_is_only_read_when_it_is_there_is_found() -> None:
    class Careful(Honest):
        def indicators(self) -> dict[str, pl.Expr]:
            following = pl.col("close").shift(-1)
            return {
                "mean": pl.coalesce(following, "close") * 0 + sma(period=10),
                "peek": pl.coalesce(following, "close"),
            }

    assert {peek.question for peek in peeks(made(Careful), WALK)} == {
        "It knows later bars",
        "It knows the future",
    }


def test_a_sample_is_the_end_of_a_few_symbols() -> None:
    bars = walk(symbols=5, count=400)
    few = sample(bars, warmup=50)
    assert few["symbol"].unique().sort().to_list() == ["WALK0", "WALK1", "WALK2"]
    assert few.height == 3 * 250
    assert few["timestamp"].max() == bars["timestamp"].max()
    assert sample(bars, warmup=5000).height == 3 * 400


def test_too_few_bars_prove_nothing() -> None:
    with pytest.raises(LookAhead, match="too few"):
        require_no_lookahead(made(Honest), WALK.head(11))
