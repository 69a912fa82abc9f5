"""What changes prices from outside: a gap, a trade, a halt, a corporate action."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from paper_exchange.instants import MINUTE, rfc3339
from paper_exchange.market.source import DayTape
from paper_exchange.sessions import TradingDay

KINDS = ("gap", "print", "halt", "resume")
SCALES = frozenset(("gap", "split", "dividend"))


@dataclass(frozen=True, slots=True)
class Intervention:
    """One act on one symbol from an instant on.

    A `gap`, `split` or `dividend` multiplies every later price by `value`, a `print` is
    one trade at the price `value`, a `halt` silences the symbol until a `resume`, a
    `delist` for ever, and a `rename` gives it another name.
    """

    kind: str
    symbol: str
    time: int
    value: float = 1.0
    new_symbol: str = ""

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
    prices = np.where(
        tape.point_time >= act.time,
        np.round(tape.point_price * act.value, 2),
        tape.point_price,
    )
    return replace(tape, point_price=prices, **columns)


def _with_trade(tape: DayTape, day: TradingDay, act: Intervention) -> DayTape:
    if not day.midnight <= act.time < day.midnight + 24 * 60 * MINUTE:
        return tape
    place = int(np.searchsorted(tape.point_time, act.time, side="right"))
    minute = act.time - act.time % MINUTE
    row = int(np.searchsorted(tape.start, minute))
    is_new = row == len(tape.start) or tape.start[row] != minute
    columns = {}
    for name in ("open", "high", "low", "close"):
        old = getattr(tape, name)
        if is_new:
            columns[name] = np.insert(old, row, act.value)
            continue
        columns[name] = old.copy()
        if name == "high":
            columns[name][row] = max(old[row], act.value)
        elif name == "low":
            columns[name][row] = min(old[row], act.value)
    start = np.insert(tape.start, row, minute) if is_new else tape.start
    volume = np.insert(tape.volume, row, 1) if is_new else tape.volume
    first, last = np.searchsorted(start, (day.open, day.close))
    return replace(
        tape,
        start=start,
        volume=volume,
        point_time=np.insert(tape.point_time, place, act.time),
        point_price=np.insert(tape.point_price, place, act.value),
        point_volume=np.insert(tape.point_volume, place, 1.0),
        point_jumps=np.insert(tape.point_jumps, place, True),
        regular=slice(int(first), int(last)),
        **columns,
    )


def _silenced(tape: DayTape, day: TradingDay, begins: int, ends: int | None) -> DayTape:
    stop = np.iinfo(np.int64).max if ends is None else ends
    points = (tape.point_time < begins) | (tape.point_time >= stop)
    rows = (tape.start < begins) | (tape.start >= stop)
    start = tape.start[rows]
    first, last = np.searchsorted(start, (day.open, day.close))
    names = ("open", "high", "low", "close", "volume")
    return replace(
        tape,
        start=start,
        point_time=tape.point_time[points],
        point_price=tape.point_price[points],
        point_volume=tape.point_volume[points],
        point_jumps=tape.point_jumps[points],
        regular=slice(int(first), int(last)),
        **{name: getattr(tape, name)[rows] for name in names},
    )
