"""What changes prices from outside: a gap, a trade, a halt, a corporate action."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from paper_exchange.instants import MINUTE, rfc3339
from paper_exchange.market.source import DayTape, Points
from paper_exchange.sessions import TradingDay

KINDS = ("gap", "print", "halt", "resume")
ROUND_LOT = 100
"""Trades of fewer shares count for the volume of a bar and move none of its prices."""
SCALES = frozenset(("gap", "split", "dividend"))


@dataclass(frozen=True, slots=True)
class Intervention:
    """One act on one symbol from an instant on.

    A `gap`, `split` or `dividend` multiplies every later price by `value`, a `print` is
    one trade of `size` shares at the price `value`, a `halt` silences the symbol until
    a `resume`, a `delist` for ever, and a `rename` gives it another name. Only a print
    may lie in the past: a trade that is reported late.
    """

    kind: str
    symbol: str
    time: int
    value: float = 1.0
    new_symbol: str = ""
    size: int = ROUND_LOT

    def record(self) -> dict[str, Any]:
        """Return it for the store."""
        return asdict(self)

    def told(self) -> dict[str, Any]:
        """Return it as the tape tells it; a line's own `kind` says what it is of."""
        record = self.record()
        return {"act": record.pop("kind"), "at": rfc3339(record.pop("time")), **record}


def is_halted(acts: Sequence[Intervention], instant: int) -> bool:
    """Whether a symbol's trading is halted at an instant; `acts` are in time order."""
    halted = False
    for act in acts:
        if act.time <= instant and act.kind in ("halt", "resume", "delist"):
            halted = act.kind != "resume"
    return halted


def applied(tape: DayTape, day: TradingDay, acts: Sequence[Intervention]) -> DayTape:
    """Return a day's tape as the acts leave it."""
    for place, act in enumerate(acts):
        if act.kind in SCALES:
            tape = _scaled(tape, act)
        elif act.kind == "print":
            tape = _with_trade(tape, day, act)
        elif act.kind == "delist":
            tape = _silenced(tape, day, act.time, None)
        elif act.kind == "halt":
            ends = next(
                (later.time for later in acts[place:] if later.kind == "resume"), None
            )
            tape = _silenced(tape, day, act.time, ends)
    return tape


def _scaled(tape: DayTape, act: Intervention) -> DayTape:
    later = tape.start >= act.time
    columns = {
        name: np.where(
            later, np.round(getattr(tape, name) * act.value, 2), getattr(tape, name)
        )
        for name in ("open", "high", "low", "close")
    }
    points = tape.points
    prices = np.where(
        points.time >= act.time,
        np.round(points.price * act.value, 2),
        points.price,
    )
    return _with_points(tape, replace(points, price=prices), **columns)


def _with_points(tape: DayTape, points: Points, **changes: Any) -> DayTape:
    return replace(tape, make_points=lambda: points, **changes)


def _with_trade(tape: DayTape, day: TradingDay, act: Intervention) -> DayTape:
    if not day.midnight <= act.time < day.midnight + 24 * 60 * MINUTE:
        return tape
    points = tape.points
    place = int(np.searchsorted(points.time, act.time, side="right"))
    minute = act.time - act.time % MINUTE
    row = int(np.searchsorted(tape.start, minute))
    if row == len(tape.start) or tape.start[row] != minute:
        tape = _with_minute(tape, day, row, minute, act)
    else:
        tape = _in_minute(tape, row, minute, place, act)
    more = Points(
        np.insert(points.time, place, act.time),
        np.insert(points.price, place, act.value),
        np.insert(points.volume, place, float(act.size)),
        np.insert(points.jumps, place, True),
    )
    return _with_points(tape, more)


def _with_minute(
    tape: DayTape, day: TradingDay, row: int, minute: int, act: Intervention
) -> DayTape:
    """Return a tape with a minute of one trade; an odd lot makes no bar."""
    if act.size < ROUND_LOT:
        return tape
    start = np.insert(tape.start, row, minute)
    first, last = np.searchsorted(start, (day.open, day.close))
    prices: dict[str, Any] = {
        name: np.insert(getattr(tape, name), row, act.value)
        for name in ("open", "high", "low", "close")
    }
    return replace(
        tape,
        start=start,
        volume=np.insert(tape.volume, row, act.size),
        regular=slice(int(first), int(last)),
        **prices,
    )


def _in_minute(
    tape: DayTape, row: int, minute: int, place: int, act: Intervention
) -> DayTape:
    """Return a tape with one more trade in a minute; `place` is its point's."""
    volume = tape.volume.copy()
    volume[row] += act.size
    if act.size < ROUND_LOT:
        return replace(tape, volume=volume)
    times, value = tape.points.time, act.value
    high, low = tape.high.copy(), tape.low.copy()
    open, close = tape.open.copy(), tape.close.copy()
    high[row], low[row] = max(high[row], value), min(low[row], value)
    if place == 0 or times[place - 1] < minute:
        open[row] = value
    if place == len(times) or times[place] >= minute + MINUTE:
        close[row] = value
    return replace(tape, open=open, high=high, low=low, close=close, volume=volume)


def _silenced(tape: DayTape, day: TradingDay, begins: int, ends: int | None) -> DayTape:
    stop = np.iinfo(np.int64).max if ends is None else ends
    points = tape.points
    kept = (points.time < begins) | (points.time >= stop)
    rows = (tape.start < begins) | (tape.start >= stop)
    start = tape.start[rows]
    first, last = np.searchsorted(start, (day.open, day.close))
    names = ("open", "high", "low", "close", "volume")
    return _with_points(
        tape,
        Points(
            points.time[kept],
            points.price[kept],
            points.volume[kept],
            points.jumps[kept],
        ),
        start=start,
        regular=slice(int(first), int(last)),
        **{name: getattr(tape, name)[rows] for name in names},
    )
