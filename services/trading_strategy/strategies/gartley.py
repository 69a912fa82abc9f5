"""Buy where a harmonic pattern ends: Gartley, bat, butterfly and crab."""

from typing import Any, NamedTuple

import polars as pl
from pydantic import Field

from trading_core.fold import Fold
from trading_core.folding import Step
from trading_core.strategy import Parameters

PATTERNS = ("Gartley", "bat", "butterfly", "crab")
RATIOS = (
    (0.618, 0.618, 0.382, 0.886, 1.27, 1.618, 0.786, 0.786),
    (0.382, 0.5, 0.382, 0.886, 1.618, 2.618, 0.886, 0.886),
    (0.786, 0.786, 0.382, 0.886, 1.618, 2.24, 1.27, 1.27),
    (0.382, 0.618, 0.382, 0.886, 2.24, 3.618, 1.618, 1.618),
)
"""Lowest and highest AB/XA, BC/AB, CD/BC and AD/XA of each pattern (Carney, Harmonic
Trading, volume 1, 2010)."""

ENTRY_BARS = 3.0
"""Bars over which a pattern asks for a position, should an order not have filled."""

EXITS = ("stop", "target", "time", "opposite pattern")


class GartleyParameters(Parameters):
    """What a turning point is, how exact a pattern must be, and where to leave it."""

    pivot_bars: int = Field(
        5, ge=1, le=200, description="Bars on each side that a turning point overtops."
    )
    tolerance: float = Field(
        0.1, gt=0, le=0.5, description="Share by which a ratio may miss its range."
    )
    min_quality: float = Field(
        0.6, ge=0, le=1, description="Quality from which a pattern is traded."
    )
    stop_share: float = Field(
        0.25, gt=0, description="Part of AD beyond D at which a pattern has failed."
    )
    target_share: float = Field(
        0.618, gt=0, description="Part of AD from D at which it is taken as done."
    )
    holding_period: int = Field(
        65, ge=1, le=2000, description="Bars after which a position is left."
    )
    memory_bars: int = Field(
        260, ge=20, le=4000, description="Bars in which a pattern must have formed."
    )


class Swing(NamedTuple):
    """The last five turning points, and the position of the last pattern.

    `turn` is 1 when the last of them was a high, -1 a low. `position` is the side of
    the pattern, kept with `over` (the place in `EXITS`, from 1) until another one.
    """

    x: float
    a: float
    b: float
    c: float
    d: float
    turn: float
    turns: float
    pattern: float
    quality: float
    position: float
    stop: float
    target: float
    age: float
    over: float


NOTHING = Swing(
    *(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), *(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
)


def step(
    state: Any, bar: Any, constants: tuple[float, float, float, float, float, float]
) -> Any:
    """Return the state after a bar: the high and low it confirms, and its close."""
    high, low, close = bar[0], bar[1], bar[2]
    tolerance, least, stop_share, target_share, longest, allow_short = constants
    x, a, b, c, d, turn, turns, pattern, quality, position, stop, target, age, over = (
        state
    )
    if position != 0.0 and over == 0.0:
        age += 1.0
        if position * (close - stop) <= 0.0:
            over = 1.0
        elif position * (close - target) >= 0.0:
            over = 2.0
        elif age >= longest:
            over = 3.0
    is_new = False
    # Of a bar that confirms both, the high comes first.
    for kind, price in ((1.0, high), (-1.0, low)):
        if price == price:
            if turn == kind:
                if kind * (price - d) > 0.0:
                    d, is_new = price, True
            else:
                x, a, b, c, d, turn, turns = a, b, c, d, price, kind, turns + 1.0
                is_new = True
    if is_new and turns >= 5.0:
        xa, ab, bc, cd, ad = abs(a - x), abs(b - a), abs(c - b), abs(d - c), abs(d - a)
        best, found = -1.0, 0.0
        if xa > 0.0 and ab > 0.0 and bc > 0.0:
            measured = (ab / xa, bc / ab, cd / bc, ad / xa)
            for number, ranges in enumerate(RATIOS):
                score = 0.0
                fits = True
                for place in range(4):
                    lowest, highest = ranges[2 * place], ranges[2 * place + 1]
                    value = measured[place]
                    missed = max(1.0 - value / lowest, value / highest - 1.0, 0.0)
                    fits = fits and missed <= tolerance
                    score += (1.0 - missed / tolerance) / 4.0
                if fits and score > best:
                    best, found = score, number + 1.0
        side = -turn
        failed, done = d - side * stop_share * ad, d + side * target_share * ad
        is_live = side * (close - failed) > 0.0 and side * (done - close) > 0.0
        if found > 0.0 and best >= least and is_live:
            if side > 0.0 or allow_short != 0.0:
                pattern, quality, position = found, best, side
                stop, target, age, over = failed, done, 0.0, 0.0
            elif position > 0.0 and over == 0.0:
                over = 4.0
    return Swing(
        x, a, b, c, d, turn, turns, pattern, quality, position, stop, target, age, over
    )


class Gartley(Fold[GartleyParameters, Swing], name="gartley_strategy"):
    """Five turning points X, A, B, C, D in the ratios of a harmonic pattern.

    A turning point is known `pivot_bars` after it, and used from then on: nothing that
    was decided is drawn anew. A low D is bought, a high D closes (or, with
    `allow_short`, is sold). Quality is 1 where every ratio lies in its range, and
    falls to 0 where each misses it by the tolerance.
    """

    def warmup(self) -> int:
        return self.memory() + 2 * self.parameters.pivot_bars

    def memory(self) -> int:
        return self.parameters.memory_bars

    def indicators(self) -> dict[str, pl.Expr]:
        bars = self.parameters.pivot_bars
        high, low = pl.col("high").shift(bars), pl.col("low").shift(bars)
        highest = pl.col("high").rolling_max(2 * bars + 1)
        lowest = pl.col("low").rolling_min(2 * bars + 1)
        return {
            "pivot_high": pl.when(high == highest).then(high),
            "pivot_low": pl.when(low == lowest).then(low),
        }

    def initial(self) -> Swing:
        return NOTHING

    def inputs(self) -> tuple[str, ...]:
        return ("pivot_high", "pivot_low", "close")

    def step(self) -> Step:
        return step

    def constants(self) -> tuple[float, ...]:
        given = self.parameters
        return (
            given.tolerance,
            given.min_quality,
            given.stop_share,
            given.target_share,
            float(given.holding_period),
            float(given.allow_short),
        )

    def side(self) -> pl.Expr:
        position, over = pl.col("position"), pl.col("over")
        enters = (over == 0) & (pl.col("age") < ENTRY_BARS)
        asked = pl.when(over > 0).then(-position).when(enters).then(position)
        return asked.otherwise(0).fill_null(0).cast(pl.Int8)

    def legs(self) -> dict[str, pl.Expr]:
        return {"reduce_only": (pl.col("over") > 0).fill_null(False)}

    def score(self) -> pl.Expr:
        return pl.col("quality")

    def explanation(self) -> pl.Expr:
        number = {float(n): name for n, name in enumerate(PATTERNS, 1)}
        ended = {float(n): name for n, name in enumerate(EXITS, 1)}
        points = pl.format(
            "X {} A {} B {} C {} D {}", *(_price(name) for name in "xabcd")
        )
        which = pl.format(
            "{} of quality {}, stop {}, target {}",
            pl.col("pattern").replace_strict(number, default="pattern"),
            pl.col("quality").round(2).cast(pl.String),
            _price("stop"),
            _price("target"),
        )
        asked = pl.when(pl.col("signal") > 0).then(pl.lit("Buy"))
        return (
            pl.when(pl.col("position").fill_null(0) == 0)
            .then(pl.format("No signal: no pattern in {}.", points))
            .when(pl.col("over") > 0)
            .then(
                pl.format(
                    "Close: {} of the {}.",
                    pl.col("over").replace_strict(ended, default="end"),
                    which,
                )
            )
            .when(pl.col("signal") != 0)
            .then(pl.format("{}: {}.", asked.otherwise(pl.lit("Sell")), which))
            .otherwise(pl.format("No signal: holding the {}.", which))
        )


def _price(name: str) -> pl.Expr:
    return pl.col(name).round_sig_figs(6).cast(pl.String).fill_null("missing")
