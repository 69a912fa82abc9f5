"""Two series that belong together: the relation, how far it is off, how fast it heals.

`fit` and `rolling_fit` regress one on the other (Engle and Granger, 1987, first step)
and test the residuals for a unit root (second step, the Dickey-Fuller regression
without constant and without lags). Each window is computed from its own numbers alone,
so that a result depends on no bar outside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

AT_ONCE = 1_000_000
"""Numbers of windows that are held at once: 8 MB."""

STILL = 1e-18
"""Variance below which a series of logarithms stood still."""

CRITICAL = {
    0.01: (-3.89644, -10.9519, -33.527),
    0.05: (-3.33613, -6.1101, -6.823),
    0.1: (-3.04445, -4.2412, -2.720),
}
"""Critical values of the Engle-Granger statistic of two series with a constant:
b0 + b1/T + b2/T² (MacKinnon, 2010, table 2)."""


class PairFit(NamedTuple):
    """What a regression of y on x says at the last value of each window.

    `hedge_ratio`: the slope. `z_score`: the last residual in standard deviations of the
    residuals. `half_life`: bars after which half of a deviation is gone; infinite where
    it does not shrink. `statistic`: the Dickey-Fuller statistic, the lower the more the
    two belong together. NaN where a window lacks a number or a series stood still.
    """

    hedge_ratio: Floats
    z_score: Floats
    half_life: Floats
    statistic: Floats


def critical_value(level: float, count: int) -> float:
    """Return below which statistic `count` values belong together at a level.

    Levels are those of `CRITICAL`; the residuals' regression has one value less.
    """
    if level not in CRITICAL:
        known = ", ".join(map(str, CRITICAL))
        raise ValueError(f"There is no critical value for {level}: only for {known}.")
    first, second, third = CRITICAL[level]
    values = count - 1
    return first + second / values + third / values**2


def rolling_fit(y: Floats, x: Floats, period: int) -> PairFit:
    """Return the fit of every window of `period` values, NaN before the first."""
    found = np.full((4, y.size), np.nan)
    if y.size >= period:
        views = [np.lib.stride_tricks.sliding_window_view(v, period) for v in (y, x)]
        step = max(AT_ONCE // period, 1)
        for begin in range(0, y.size - period + 1, step):
            part = slice(begin, begin + step)
            rows = slice(begin + period - 1, min(begin + step, y.size) + period - 1)
            found[:, rows] = _fits(views[0][part], views[1][part])
    return PairFit(*found)


def fit(y: Floats, x: Floats) -> PairFit:
    """Return the fit of all values, one number each."""
    return PairFit(*_fits(y[None, :], x[None, :]))


def _fits(y: Floats, x: Floats) -> Floats:
    """Return the four numbers of windows: a row of `y` and `x` each."""
    with np.errstate(divide="ignore", invalid="ignore"):
        from_y = y - y.mean(axis=1, keepdims=True)
        from_x = x - x.mean(axis=1, keepdims=True)
        spread = (from_x**2).mean(axis=1)
        moves = (spread > STILL) & ((from_y**2).mean(axis=1) > STILL)
        ratio = np.where(moves, (from_x * from_y).mean(axis=1) / spread, np.nan)
        rest = from_y - ratio[:, None] * from_x
        variance = (rest**2).mean(axis=1)
        deviation = np.sqrt(np.where(variance > STILL, variance, np.nan))
        before, change = rest[:, :-1], np.diff(rest, axis=1)
        squares = (before**2).sum(axis=1)
        pull = (before * change).sum(axis=1) / squares
        left = ((change - pull[:, None] * before) ** 2).sum(axis=1)
        error = np.sqrt(left / (change.shape[1] - 1) / squares)
        half_life = np.where(pull < 0, -np.log(2) / np.log1p(pull), np.inf)
        half_life = np.where(pull <= -1, 0.0, half_life)
        half_life = np.where(np.isnan(deviation), np.nan, half_life)
        statistic = np.where(np.isnan(deviation), np.nan, pull / error)
        return np.stack([ratio, rest[:, -1] / deviation, half_life, statistic])


class Leg(NamedTuple):
    """The bars of one symbol among those that a relation is looked for in.

    `place` is each common bar's place in the frame, `number` its number among the
    symbol's own bars.
    """

    place: Integers
    number: Integers
    log_close: Floats


def common_bars(bars: pl.DataFrame, symbols: tuple[str, ...]) -> list[Leg]:
    """Return the bars of symbols at the times at which each of them has one.

    `bars` are sorted by symbol and time. Without a symbol there are none.
    """
    rows = bars.select(
        "symbol",
        "timestamp",
        "close",
        pl.int_range(pl.len(), dtype=pl.Int64).alias("place"),
        pl.int_range(pl.len(), dtype=pl.Int64).over("symbol").alias("count"),
    ).filter(pl.col("symbol").is_in(symbols))
    whole = rows.filter(pl.len().over("timestamp") == len(symbols))
    legs = []
    for symbol in symbols:
        own = whole.filter(pl.col("symbol") == symbol)
        close = own["close"].to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            logarithms = np.log(close)
        legs.append(Leg(own["place"].to_numpy(), own["count"].to_numpy(), logarithms))
    return legs


def is_whole(legs: list[Leg], period: int, gaps: int) -> Booleans:
    """Whether the last `period` common bars span few enough bars of each symbol.

    At most `gaps` bars of a symbol may have no counterpart. False before there are
    `period` common bars.
    """
    whole = np.zeros(legs[0].number.size, np.bool_)
    if whole.size >= period:
        spans = [
            leg.number[period - 1 :] - leg.number[: whole.size - period + 1]
            for leg in legs
        ]
        whole[period - 1 :] = np.max(spans, axis=0) < period + gaps
    return whole


@dataclass(frozen=True, slots=True)
class Held:
    """What a position follows from events: its side, and the event it began with.

    `side` is 1 or -1 while it is open, 0 else; `closing` is the side that it had while
    it is asked to close, 0 else; `since` the place of the event that opened it.
    """

    side: Integers
    closing: Integers
    since: Integers


def held(
    opens: Integers, ends: Mapping[int, Booleans], legs: list[Leg], memory: int
) -> Held:
    """Return the position that the last event of the last `memory` bars leaves.

    `opens` is 1 or -1 where a position should be open, `ends` says for each side where
    one should not. A position is left when its event is older than `memory` bars of a
    symbol, and is asked to close for as many again; one that turns closes first.
    """
    places = np.arange(opens.size)
    at = np.maximum.accumulate(np.where(opens != 0, places, -1))
    last = np.maximum(at, 0)
    side = np.where(at >= 0, opens[last], 0) if opens.size else opens
    ended = np.full(opens.size, -1)
    for which, where in ends.items():
        final = np.maximum.accumulate(np.where(where, places, -1))
        ended = np.where(side == which, final, ended)
    age = np.max([leg.number - leg.number[last] for leg in legs], axis=0)
    is_open = (side != 0) & (ended < at) & (age < memory)
    before = np.concatenate([[0], (side * is_open)[:-1]])
    turns = is_open & (before == -side)
    is_leaving = (side != 0) & ~is_open & (age < 2 * memory)
    closing = np.where(turns, before, np.where(is_leaving, side, 0))
    return Held(np.where(is_open & ~turns, side, 0), closing, last)


def relation(
    bars: pl.DataFrame,
    legs: list[Leg],
    fit_: PairFit,
    position: Held,
    weights: Sequence[Floats],
    sides: Sequence[int],
) -> dict[str, Floats]:
    """Return what a relation asks of each of its bars, a column of `RELATION` each.

    `weights` are the legs' parts of a position at each common bar, of which those of
    the bar that opened it count; `sides` is 1 for a leg that is bought when the
    position is long, -1 for one that is sold.
    """
    columns = {name: np.full(bars.height, np.nan) for name in RELATION}
    for leg, weight, side in zip(legs, weights, sides, strict=True):
        for name, values in fit_._asdict().items():
            columns[name][leg.place] = values
        columns["position"][leg.place] = position.side * side
        columns["closing"][leg.place] = position.closing * side
        is_open = position.side != 0
        part = np.round(weight[position.since[is_open]], 6)
        columns["part"][leg.place[is_open]] = part
    return columns


RELATION = (*PairFit._fields, "position", "closing", "part")
"""The columns of a relation: its fit, then the side that a leg should have, the side
that it had while it is asked to close, and its part of `max_position_size`."""


def side_of_leg() -> pl.Expr:
    """1 where a leg is to be bought, -1 where sold: to open, or to close."""
    position, closing = pl.col("position"), pl.col("closing")
    asked = pl.when(position != 0).then(position).otherwise(-closing)
    return asked.fill_null(0).cast(pl.Int8)


def terms_of_leg(group: pl.Expr) -> dict[str, pl.Expr]:
    """Return weight, `reduce_only` and group of a leg, as `Strategy.legs` does."""
    part = pl.col("part")
    return {
        "weight": pl.when((part > 0) & (part <= 1)).then(part).otherwise(1.0),
        "reduce_only": pl.col("closing").fill_null(0) != 0,
        "group": group,
    }


def told(group: pl.Expr, what: pl.Expr) -> pl.Expr:
    """Return why a leg was decided as it was, about a spread that `what` names."""
    numbers = pl.format(
        "{} is {} deviations from its mean; hedge ratio {}, half-life {} bars, "
        "cointegration {}",
        what,
        *(
            _shown(name)
            for name in ("z_score", "hedge_ratio", "half_life", "statistic")
        ),
    )
    asked = (
        pl.when(pl.col("signal") == 0)
        .then(pl.lit("No signal"))
        .when("reduce_only")
        .then(pl.lit("Close"))
        .when(pl.col("signal") > 0)
        .then(pl.lit("Buy"))
        .otherwise(pl.lit("Sell"))
    )
    return (
        pl.when(group.is_null())
        .then(pl.lit("No signal: the symbol belongs to no pair or basket."))
        .when(pl.col("z_score").is_null())
        .then(pl.format("No signal: {} lacks bars of one of its symbols.", group))
        .otherwise(pl.format("{}: {}.", asked, numbers))
    )


def _shown(name: str) -> pl.Expr:
    return pl.col(name).round_sig_figs(4).cast(pl.String).fill_null("missing")
