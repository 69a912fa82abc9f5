"""A file with a line for everything that happened, for whoever judges afterwards."""

from pathlib import Path
from typing import Any

import orjson

from paper_exchange.instants import rfc3339

OWN = frozenset(("sequence", "time", "kind"))
"""What every line says of itself."""


class Tape:
    """`tape.jsonl`: a sequence number, the market time, a kind and what it was.

    Lines are handed to the store with the changes they tell of, and reach the file when
    those are kept; what a killed process did not come to write is added at the start.
    """

    def __init__(self, path: Path, unflushed: list[tuple[int, bytes]]) -> None:
        self._sequence = _last_sequence(path)
        missing = [line for number, line in unflushed if number > self._sequence]
        self._file = path.open("ab")
        if missing:
            self._sequence = unflushed[-1][0]
            self.write(missing)

    def line(self, now: int, kind: str, what: dict[str, Any]) -> tuple[int, bytes]:
        """Return the next line with its number."""
        if not OWN.isdisjoint(what):
            raise ValueError(f"A line's own names hide what it tells: {kind}, {what}.")
        self._sequence += 1
        entry = {"sequence": self._sequence, "time": rfc3339(now), "kind": kind, **what}
        return self._sequence, orjson.dumps(entry, default=str)

    def write(self, lines: list[bytes]) -> None:
        """Add lines to the file."""
        self._file.write(b"\n".join([*lines, b""]))
        self._file.flush()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._file.closed

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _last_sequence(path: Path) -> int:
    """Return the number of the last whole line; a torn one at the end is cut off."""
    if not path.exists():
        return 0
    with path.open("rb+") as file:
        size = file.seek(0, 2)
        reach = min(size, 4_000_000)
        file.seek(size - reach)
        tail = file.read(reach)
        whole = tail[: tail.rfind(b"\n") + 1]
        file.truncate(size - reach + len(whole))
        lines = whole.splitlines()
    return int(orjson.loads(lines[-1])["sequence"]) if lines else 0
