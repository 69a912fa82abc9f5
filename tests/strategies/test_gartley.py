"""Harmonic patterns drawn by hand, and the moment at which they are known."""

import numpy as np
import polars as pl
import pytest
from price_bars import closes

from trading_strategy.strategies.gartley import PATTERNS, Gartley

pytestmark = pytest.mark.strategies
SETTINGS = {
    "pivot_bars": 2,
    "tolerance": 0.05,
    "min_quality": 0.5,
    "memory_bars": 60,
    "holding_period": 10,
}
LEGS = {
    # AB/XA and AD/XA decide; BC/AB is 0.6 in all.
    "Gartley": (0.618, 0.786),
    "bat": (0.45, 0.886),
    "butterfly": (0.786, 1.27),
    "crab": (0.618, 1.618),
}


def drawn(ab: float, ad: float, after: tuple[float, ...] = ()) -> list[float]:
    """Return closes through X 100, A 120, and B, C, D in ratios, six bars a leg."""
    x, a = 100.0, 120.0
    b = a - ab * (a - x)
    c = b + 0.6 * (a - b)
    d = a - ad * (a - x)
    points = [110.0] * 2 + [112.0, x, a, b, c, d]
    path = [points[0]] * 40
    for begin, end in zip(points, points[1:], strict=False):
        path += np.linspace(begin, end, 7)[1:].tolist()
    return [round(price, 4) for price in (*path, *(d + step for step in after))]


def decided(prices: list[float], **changes: float) -> pl.DataFrame:
    strategy = Gartley.configured({**SETTINGS, **changes})
    return strategy.decide(closes(*prices, span=0.01))


@pytest.mark.parametrize("name", PATTERNS)
def test_each_pattern_is_known_two_bars_after_its_end(name: str) -> None:
    ab, ad = LEGS[name]
    prices = drawn(ab, ad, (0.5, 1.0, 1.5))
    found = decided(prices)
    end = len(prices) - 4
    assert found["signal"].to_list()[end : end + 3] == [0, 0, 1]
    row = found.row(end + 2, named=True)
    assert row["reason"].startswith(f"Buy: {name} of quality")
    number = row["indicators"]["pattern"]
    assert PATTERNS[int(number) - 1] == name
    assert row["indicators"]["d"] == pytest.approx(prices[end] - 0.01)


def test_ratios_beyond_the_tolerance_are_no_pattern() -> None:
    prices = drawn(0.618, 0.70, (0.5, 1.0, 1.5))
    assert decided(prices)["signal"].unique().to_list() == [0]


def test_quality_falls_with_what_the_ratios_miss() -> None:
    exact, near = (
        decided(drawn(0.618, ad, (0.5, 1.0, 1.5)))["indicators"]
        .struct.field("quality")
        .to_list()[-1]
        for ad in (0.786, 0.80)
    )
    assert 0.5 < near < exact <= 1


def test_it_leaves_at_the_stop_the_target_and_after_its_time() -> None:
    for after, word in (
        ((0.5, 1.0, -6.0), "stop"),
        ((0.5, 1.0, 12.0), "target"),
        ((0.5, 1.0, *[1.2] * 11), "time"),
    ):
        found = decided(drawn(0.618, 0.786, after))
        last = found.row(-1, named=True)
        assert (last["signal"], last["reduce_only"]) == (-1, True), word
        assert last["reason"].startswith(f"Close: {word} of the Gartley")


def test_a_bearish_pattern_is_sold_only_where_shorts_are_allowed() -> None:
    bearish = [220 - price for price in drawn(0.618, 0.786, (0.5, 1.0, 1.5))]
    assert decided(bearish)["signal"].unique().to_list() == [0]
    sold = decided(bearish, allow_short=True)
    assert sold["signal"].to_list()[-2:] == [-1, -1]
    assert not sold["reduce_only"].any()
