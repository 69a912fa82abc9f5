"""Comparisons against exact integers, where equal averages are plenty."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_core.comparison import (
    DEAD_BAND,
    crossed_above,
    crossed_below,
    holds,
    mean_gap,
)
from trading_core.indicators import sma

pytestmark = pytest.mark.unit
DATA = Path(__file__).parents[4] / "shared" / "data" / "bars_hour_2010_2018.parquet"
CLOSE = pl.col("close")


def exact_gaps(ticks: list[int], fast: int, slow: int) -> list[int | None]:
    """Return mean(fast) - mean(slow) in ticks times fast times slow, by integers."""
    return [
        (
            None
            if end < slow
            else sum(ticks[end - fast : end]) * slow
            - sum(ticks[end - slow : end]) * fast
        )
        for end in range(1, len(ticks) + 1)
    ]


def sides(prices: pl.DataFrame, fast: int, slow: int) -> list[int]:
    """Return 1 where the fast mean is above the slow one, -1 below, 0 neither."""
    left, right = sma(CLOSE, fast), sma(CLOSE, slow)
    side = holds(left, ">", right).cast(pl.Int8) - holds(left, "<", right).cast(pl.Int8)
    return prices.select(side)["close"].to_list()


def sign(number: int | None) -> int:
    return 0 if not number else (1 if number > 0 else -1)


@given(
    st.lists(st.integers(-3, 3), min_size=30, max_size=300),
    st.integers(1, 9),
    st.integers(1, 20),
    st.sampled_from([100, 1_500, 40_000, 60_000_000]),
)
def test_means_of_coarse_prices_compare_as_integers_do(
    moves: list[int], fast: int, further: int, start: int
) -> None:
    cents = [int(start + move) for move in np.cumsum(moves) if start + move > 0]
    prices = pl.DataFrame({"close": [cent / 100 for cent in cents]})
    gaps = exact_gaps(cents, fast, fast + further)
    assert sides(prices, fast, fast + further) == [sign(gap) for gap in gaps]
    exact = prices.select(mean_gap(CLOSE, fast, fast + further))["close"].to_list()
    assert exact == [None if gap is None else gap * 100 for gap in gaps]


def test_a_plain_comparison_would_trade_on_rounding() -> None:
    """Ties that rounding breaks are in such prices, so the test above can fail."""
    cents = 1_000 + np.cumsum(np.random.default_rng(1).integers(-1, 2, 5_000))
    prices = pl.DataFrame({"close": cents / 100})
    plain = prices.select((sma(CLOSE, 4) - sma(CLOSE, 8)).alias("gap"))["gap"]
    exact = exact_gaps(cents.tolist(), 4, 8)
    ties = [gap for gap, truth in zip(plain, exact, strict=True) if truth == 0]
    assert len(ties) > 300 and any(gap != 0 for gap in ties)


@pytest.mark.skipif(not DATA.exists(), reason="needs the real bars of development")
@pytest.mark.parametrize(("fast", "slow"), [(20, 50), (5, 50), (44, 170), (7, 130)])
def test_real_hours_compare_as_integers_do(fast: int, slow: int) -> None:
    bars = pl.read_parquet(DATA).filter(pl.col("symbol") == "SPY").sort("timestamp")
    ticks = [round(price * 10_000) for price in bars["close"]]
    expected = [sign(gap) for gap in exact_gaps(ticks, fast, slow)]
    assert sides(bars, fast, slow) == expected
    assert bars.select(mean_gap(CLOSE, fast, slow).sign().fill_null(0))[
        "close"
    ].to_list() == (expected)


def test_a_crossing_is_told_once() -> None:
    frame = pl.DataFrame(
        {"a": [None, 1.0, 3.0, 3.0, 2.0, 3.0, 1.0], "b": [2.0] * 7},
        schema={"a": pl.Float64, "b": pl.Float64},
    )
    a, b = pl.col("a"), pl.col("b")
    crossings = frame.select(up=crossed_above(a, b), down=crossed_below(a, b))
    assert crossings["up"].to_list() == [0, 0, 1, 0, 0, 1, 0]
    assert crossings["down"].to_list() == [0, 0, 0, 0, 0, 0, 1]


def test_numbers_within_the_band_are_equal_and_missing_ones_compare_to_nothing() -> (
    None
):
    near = 400.0 * (1 + DEAD_BAND / 2)
    frame = pl.DataFrame({"a": [near, float("nan"), None], "b": [400.0, 1.0, 1.0]})
    found = {
        operator: frame.select(holds(pl.col("a"), operator, pl.col("b")))["a"].to_list()
        for operator in (">", ">=", "<", "<=")
    }
    assert found == {
        ">": [False, False, False],
        ">=": [True, False, False],
        "<": [False, False, False],
        "<=": [True, False, False],
    }
