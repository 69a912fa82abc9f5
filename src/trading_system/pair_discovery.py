"""Looks for pairs that belong together, and says how much of it is luck."""

from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from trading_core import pairs
from trading_system.errors import Invalid

MOST_SYMBOLS = 100
"""Symbols whose pairs are tested: 4,950 of them take about ten minutes."""

FEWEST_BARS = 100


def discover(
    bars: pl.DataFrame, formation: float = 0.7, level: float = 0.05
) -> list[dict[str, Any]]:
    """Return every pair of the symbols of a frame, the most cointegrated first.

    Pairs are tested on the first part of their common bars, `formation` of them
    (Engle-Granger as in statsmodels, lags by AIC; of both directions the better), and
    held against the rest with the hedge ratio of the first: the Dickey-Fuller statistic
    there, and how often the spread came back to its mean from two deviations. Of many
    tests some pass by luck: `adjusted` is the p-value after Holm's correction, and
    `passes` says whether it is below the level and the rest agrees.
    """
    symbols = sorted(bars["symbol"].unique())
    if not 2 <= len(symbols) <= MOST_SYMBOLS:
        raise Invalid(
            f"There are {len(symbols)} symbols: between 2 and {MOST_SYMBOLS} can be "
            "paired. Choose some with --symbol."
        )
    if not 0.1 <= formation <= 0.9:
        raise Invalid(f"formation is {formation}: it must be between 0.1 and 0.9.")
    found = [
        row
        for first, second in combinations(symbols, 2)
        for row in _tested(bars, first, second, formation)
    ]
    if not found:
        raise Invalid(f"No two symbols have {FEWEST_BARS} bars in common.")
    found.sort(key=lambda row: row["p_value"])
    largest = 0.0
    for place, row in enumerate(found):
        # Holm, 1979: the smallest of n p-values counts n times, the next n - 1 times.
        largest = max(largest, min(row["p_value"] * (len(found) - place), 1.0))
        row["adjusted"] = largest
        row["passes"] = bool(
            largest < level
            and row["later_statistic"]
            < pairs.critical_value(level, int(row["later_bars"]))
        )
    return found


def _tested(
    bars: pl.DataFrame, first: str, second: str, formation: float
) -> list[dict[str, Any]]:
    from statsmodels.tsa.stattools import coint

    one, other = (leg.log_close for leg in pairs.common_bars(bars, (first, second)))
    cut = int(one.size * formation)
    if cut < FEWEST_BARS or one.size - cut < FEWEST_BARS // 2:
        return []
    tests = [
        (coint(y[:cut], x[:cut])[:2], names, y, x)
        for names, y, x in (
            ((first, second), one, other),
            ((second, first), other, one),
        )
    ]
    (statistic, p_value), names, y, x = min(tests, key=lambda test: test[0][1])
    fit = pairs.fit(y[:cut], x[:cut])
    ratio = float(fit.hedge_ratio[0])
    spread = y - ratio * x
    begun = spread[:cut]
    z = (spread[cut:] - begun.mean()) / begun.std()
    return [
        {
            "pair": "/".join(names),
            "bars": cut,
            "p_value": float(p_value),
            "statistic": float(statistic),
            "hedge_ratio": ratio,
            "half_life": float(fit.half_life[0]),
            "later_bars": int(z.size),
            "later_statistic": _dickey_fuller(z),
            "round_trips": _round_trips(z),
        }
    ]


def _dickey_fuller(series: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    before, change = series[:-1], np.diff(series)
    squares = float((before**2).sum())
    pull = float((before * change).sum()) / squares
    left = float(((change - pull * before) ** 2).sum())
    return pull / float(np.sqrt(left / (change.size - 1) / squares))


def _round_trips(z: np.ndarray[Any, np.dtype[np.float64]]) -> int:
    """Return how often a spread went out to two deviations and back to its mean."""
    trips, side = 0, 0.0
    for value in z.tolist():
        if side == 0 and abs(value) >= 2:
            side = np.sign(value)
        elif side != 0 and value * side <= 0:
            trips, side = trips + 1, 0.0
    return trips
