"""A market that repeats the bars of a Parquet or CSV file."""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from paper_exchange import instants
from paper_exchange.errors import StartRefused
from paper_exchange.instants import MINUTE, SECOND
from paper_exchange.market.points import longer_tape, minute_tape
from paper_exchange.market.source import DayTape, Integers, Listing
from paper_exchange.sessions import Sessions, TradingDay

LEAD = 5 * MINUTE
FUNDS = {"SPY", "QQQ", "IWM", "DIA"}
PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume", "start")


@dataclass(frozen=True, slots=True)
class BarFile:
    """The bars of a file: columns of each symbol, and the New York dates they span."""

    path: Path
    sha256: str
    seconds: int
    first: date
    last: date
    columns: dict[str, dict[str, Any]]


def load(path: Path, directory: Path) -> BarFile:
    """Return the bars of a file, which are laid out in a directory once.

    The columns are mapped, so only the days that trade take memory.
    """
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise StartRefused(f"{path} does not exist: name a file of bars.") from None
    except OSError as error:
        raise StartRefused(f"{path} cannot be read: {error}") from error
    index = _index(directory)
    if index is None or index["sha256"] != sha256:
        command = [sys.executable, "-m", "paper_exchange.market.bar_file"]
        command += [str(path), str(directory), sha256]
        result = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        index = _index(directory)
        if result.returncode or index is None:
            # Of a traceback the end tells most.
            raise StartRefused(result.stderr.strip()[-2_000:])
    whole = {
        name: np.load(directory / f"{name}.npy", mmap_mode="r") for name in COLUMNS
    }
    columns: dict[str, dict[str, Any]] = {}
    begin = 0
    for symbol, count in index["counts"]:
        rows = slice(begin, begin + count)
        columns[symbol] = {name: column[rows] for name, column in whole.items()}
        begin += count
    stamps = whole["start"]
    first, last = (
        instants.new_york_date(int(stamp)) for stamp in (stamps.min(), stamps.max())
    )
    return BarFile(path, sha256, index["seconds"], first, last, columns)


def _index(directory: Path) -> dict[str, Any] | None:
    try:
        index: dict[str, Any] = json.loads((directory / "index.json").read_text())
    except FileNotFoundError:
        return None
    return index


class ReplayedMarket:
    """Bars of a file, each walked from open through its extremes to its close.

    A bar that begins before a session's open and reaches into it starts at the open, as
    files stamped on the clock hour mean it: 09:00 holds 09:30 to 10:00.
    """

    def __init__(
        self,
        file: BarFile,
        sessions: Sessions,
        first: date | None = None,
        last: date | None = None,
    ) -> None:
        self._seconds = file.seconds
        self._columns = file.columns
        self.sessions = sessions
        begins, ends = file.first, file.last
        days = sessions.between(max(first or begins, begins), min(last or ends, ends))
        if not days:
            raise StartRefused(
                f"{file.path} holds {begins} to {ends}, which has no session from "
                f"{first} to {last}: choose --from and --to inside it."
            )
        self.start = days[0].open - LEAD
        self.end = days[-1].close + LEAD
        digest = file.sha256[:16]
        self.name = f"replay of {file.path.name}, sha256 {digest}"
        self.listings = [
            Listing(symbol, symbol, "ARCA" if symbol in FUNDS else "NYSE")
            for symbol in sorted(self._columns)
        ]

    def day(self, symbol: str, day: TradingDay) -> DayTape | None:
        """Return the bars of a symbol on a day."""
        columns = self._columns.get(symbol)
        if columns is None:
            return None
        midnight = instants.new_york_midnight(day.day + timedelta(days=1))
        stamps: Integers = columns["start"]
        first, last = np.searchsorted(stamps, (day.midnight, midnight))
        if self._seconds == 86_400:
            first, last = self._daily_row(stamps, day)
        if first == last:
            return None
        rows = slice(int(first), int(last))
        open, high, low, close = (columns[name][rows] for name in PRICES)
        volume, start = columns["volume"][rows], stamps[rows]
        if self._seconds == 60:
            return minute_tape(day, start, open, high, low, close, volume)
        if self._seconds == 86_400:
            start, end = np.array([day.open]), np.array([day.close])
        else:
            end = start + self._seconds * SECOND
            end = np.where((start < day.close) & (end > day.close), day.close, end)
            start = np.where((start < day.open) & (end > day.open), day.open, start)
        return longer_tape(day, start, end, open, high, low, close, volume)

    def _daily_row(self, stamps: Integers, day: TradingDay) -> tuple[int, int]:
        """Return the row of a day, stamped with midnight in New York or in UTC."""
        utc = instants.from_datetime(datetime.combine(day.day, time(), UTC))
        for stamp in (day.midnight, utc):
            index = int(np.searchsorted(stamps, stamp))
            if index < len(stamps) and stamps[index] == stamp:
                return index, index + 1
        return 0, 0
