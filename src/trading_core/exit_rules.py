"""Rules that end a position whatever the signals say, decided at the close of a bar.

They need no knowledge of fills. A position is judged from where its signal last began
(a bar that asks for a side which the bar before it did not ask for), by the open of the
bar after it, where its order fills. From there stop, target, trail and time are judged
by closes; a rule that is met asks to close until a new signal begins. So the same bars
give the same exits in a backtest and on a trading day, and there is no order at the
broker that a restart could lose. What that costs is the move between the level and the
next open: a stop is no guarantee of a price.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from trading_core.calendar import NEW_YORK
from trading_core.comparison import DEAD_BAND
from trading_core.folding import begins, folded

LONGEST = 260
"""Bars after which a position is left where no rule says how many: somebody must stop
looking back for the bar at which it began. At seven bars a day that is 37 sessions."""

LAST_HOURS = 2
"""Hours before the close of a session from which bars end positions: an order of the
second last hourly bar fills at the open of the last one."""

REPEATS = 20
"""Bars over which a position that was held for its time is asked to close, should an
order of them not have filled."""

NONE, STOP, TARGET, TRAIL, TIME, SESSION = range(6)


@dataclass(frozen=True, slots=True)
class ExitRules:
    """When to leave a position; a rule that is 0 (or False) is off.

    `stop` and `target` are distances from the entry as shares of it, `trail` one from
    the best close since the entry.
    """

    stop: float = 0.0
    target: float = 0.0
    trail: float = 0.0
    bars: int = 0
    session_end: bool = False

    @property
    def any(self) -> bool:
        """Whether a rule is on."""
        return bool(
            self.stop or self.target or self.trail or self.bars or self.session_end
        )

    @property
    def memory(self) -> int:
        """Bars that are looked back on: the longest time a position is held, those that
        ask to close it, the bar of its signal and the one before."""
        return (self.bars or LONGEST) + REPEATS + 2


class Position(NamedTuple):
    """What the rules know of a position; all numbers, as a fold wants them.

    `side` is 1, -1 or 0, `asked` the side of the bar before (2 before any bar), `over`
    the rule that ended the position, with its `side` kept until a new signal begins.
    """

    side: float
    asked: float
    entry: float
    best: float
    age: float
    over: float


FLAT = Position(0.0, 2.0, 0.0, 0.0, 0.0, 0.0)


def step(
    state: Any, bar: Any, constants: tuple[float, float, float, float, float, float]
) -> Any:
    """Return the position after a bar: its signal, open, close, and session's end."""
    signal, open_, close, ending = bar[0], bar[1], bar[2], bar[3]
    stop, target, trail, longest, allow_short, band = constants
    side, asked, entry, best, age, over = state
    if side != 0.0 and over == 0.0:
        age += 1.0
        if age == 1.0:
            entry = best = open_
        best = max(best, close) if side > 0.0 else min(best, close)
        if signal == -side:
            side = 0.0
        elif stop > 0.0 and side * (close / entry - 1.0) <= -stop + band:
            over = 1.0
        elif target > 0.0 and side * (close / entry - 1.0) >= target - band:
            over = 2.0
        elif trail > 0.0 and side * (close / best - 1.0) <= -trail + band:
            over = 3.0
        elif age >= longest:
            over = 4.0
        elif ending != 0.0:
            over = 5.0
    if signal != 0.0 and signal != asked and asked != 2.0 and ending == 0.0:
        side = signal if signal > 0.0 or allow_short != 0.0 else 0.0
        entry = best = age = over = 0.0
    # A signal that outlives the session begins again in the next one.
    asked = 0.0 if ending != 0.0 else signal
    return Position(side, asked, entry, best, age, over)


def applied(
    frame: pl.LazyFrame, rules: ExitRules, allow_short: bool = False
) -> pl.LazyFrame:
    """Return a frame with the rules in its `signal`, `reduce_only` and `exit`.

    The frame is sorted by symbol and time; `exit` says in words which rule ended the
    position of a bar. A signal asks for a position only while it is open by the rules.
    """
    given = frame.with_columns(
        _ending=_is_ending() if rules.session_end else 0
    ).collect()
    inputs = given.select(
        pl.col("signal").cast(pl.Float64),
        "open",
        "close",
        pl.col("_ending").cast(pl.Float64),
    ).to_numpy(order="c")
    longest = float(rules.bars or LONGEST)
    states = folded(
        step,
        FLAT,
        inputs,
        begins(given["symbol"]),
        rules.memory,
        rules.memory,
        (rules.stop, rules.target, rules.trail, longest, float(allow_short), DEAD_BAND),
    )
    known = np.nan_to_num(states)
    side, entry, best, age, over = known[:, [0, 2, 3, 4, 5]].T
    signal = given["signal"].to_numpy()
    left = over != NONE
    # Without shorts a sale only closes, whatever the rules know of.
    stays = (signal == side) | ((signal < 0) & (side == 0) & (not allow_short))
    wanted = np.where(left, -side, np.where(stays, signal, 0)).astype(np.int8)
    words = _words(given["close"].to_numpy(), entry, best, age, over, rules)
    return given.lazy().with_columns(
        pl.Series("signal", wanted),
        pl.col("reduce_only") | pl.Series(left),
        pl.Series("exit", words, dtype=pl.String),
    )


def _is_ending() -> pl.Expr:
    """Whether a bar starts in the last hours of its session."""
    local = pl.col("timestamp").dt.convert_time_zone(str(NEW_YORK))
    hour = local.dt.hour() + local.dt.minute() / 60
    return hour >= pl.when(is_half_day(local)).then(13).otherwise(16) - LAST_HOURS


def is_half_day(local: pl.Expr) -> pl.Expr:
    """Whether New York closes at 13:00 on the day of a time (NYSE Rule 7.2).

    The day after Thanksgiving; 3 July where the 4th is a Tuesday to Friday; 24 December
    on Monday to Thursday. Half days of single years that no rule announces are
    unknown.
    """
    day, month, weekday = local.dt.day(), local.dt.month(), local.dt.weekday()
    friday = (month == 11) & (weekday == 5) & day.is_between(23, 29)
    july = (month == 7) & (day == 3) & weekday.is_between(1, 4)
    christmas = (month == 12) & (day == 24) & weekday.is_between(1, 4)
    return friday | july | christmas


def _words(
    close: Any, entry: Any, best: Any, age: Any, over: Any, rules: ExitRules
) -> list[str | None]:
    """Return what ended the position of each bar, None where nothing did."""
    words: list[str | None] = [None] * close.size
    for row in np.flatnonzero(over != NONE).tolist():
        rule = int(over[row])
        said = {
            STOP: f"Stop of {rules.stop:.4g} from the entry at {entry[row]:.6g}",
            TARGET: f"Target of {rules.target:.4g} from the entry at {entry[row]:.6g}",
            TRAIL: f"Trail of {rules.trail:.4g} from the best close {best[row]:.6g}",
            TIME: f"Held for {age[row]:.0f} bars",
            SESSION: "The session ends",
        }[rule]
        words[row] = f"Exit: {said}; until a new signal begins, nothing is asked for."
    return words
