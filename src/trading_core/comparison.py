"""Comparisons that rounding cannot decide.

Two averages that are equal on paper differ in floats by the order of their sums, and a
plain `>` then trades on nothing. Comparisons here count numbers within `DEAD_BAND` of
each other as equal; where even that is too coarse, `mean_gap` compares means of prices
exactly, in whole ticks.
"""

from typing import Literal

import polars as pl

DEAD_BAND = 1e-11
"""Share of the larger side (at least of 1) within which two numbers are equal. At $400
this is 4e-9: above the rounding of rolling sums over decades of bars, below the
smallest true gap between averages of prices in cents."""

Operator = Literal[">", ">=", "<", "<="]

TICKS_A_DOLLAR = 10_000
"""Prices are whole ticks of a hundredth of a cent, the broker's finest step."""


def holds(left: pl.Expr, operator: Operator, right: pl.Expr) -> pl.Expr:
    """Whether a comparison holds by the dead band; False where a side has no number."""
    band = DEAD_BAND * pl.max_horizontal(left.abs(), right.abs(), pl.lit(1.0))
    gap = left - right
    held = {
        ">": gap > band,
        ">=": gap >= -band,
        "<": gap < -band,
        "<=": gap <= band,
    }[operator]
    return (held & left.is_finite() & right.is_finite()).fill_null(False)


def crossed_above(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    """Whether left is above right now and was not at the bar before.

    A bar without numbers before it is no crossing.
    """
    return holds(left, ">", right) & holds(left, "<=", right).shift(1).fill_null(False)


def crossed_below(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    """Whether left is below right now and was not at the bar before."""
    return crossed_above(right, left)


def ticks(price: pl.Expr) -> pl.Expr:
    """Return prices as whole ticks."""
    return (price * TICKS_A_DOLLAR).round().cast(pl.Int64)


def mean_gap(price: pl.Expr, fast: int, slow: int) -> pl.Expr:
    """Return the mean of `fast` prices less the mean of `slow` prices, exactly.

    The result is a whole number: ticks times `fast` times `slow`. It is 0 where the
    means are equal and nowhere else, for any history and prices below $100 million.
    """
    whole = ticks(price)
    return whole.rolling_sum(fast) * slow - whole.rolling_sum(slow) * fast
