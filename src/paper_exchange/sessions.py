"""The trading days this exchange knows, with their times as nanoseconds."""

import json
import os
import subprocess
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from paper_exchange import instants, nyse
from paper_exchange.errors import StartRefused
from trading_core.calendar import Calendar


@dataclass(frozen=True, slots=True)
class TradingDay:
    """One session: its place in the list, New York date, midnight, open and close."""

    index: int
    day: date
    midnight: int
    open: int
    close: int


class Sessions:
    """Trading days in order."""

    def __init__(self, calendar: Calendar) -> None:
        self.days = [
            TradingDay(
                index,
                session.day,
                instants.new_york_midnight(session.day),
                instants.from_datetime(session.open),
                instants.from_datetime(session.close),
            )
            for index, session in enumerate(calendar.sessions)
        ]
        self._dates = [day.day for day in self.days]
        self._midnights = [day.midnight for day in self.days]
        self._opens = [day.open for day in self.days]
        self._closes = [day.close for day in self.days]

    @property
    def end(self) -> int:
        """The last close this calendar knows."""
        return self._closes[-1]

    def open_at(self, instant: int) -> TradingDay | None:
        """Return the session that is open at an instant, or None."""
        day = self.begun(instant)
        return day if day and day.open <= instant < day.close else None

    def begun(self, instant: int) -> TradingDay | None:
        """Return the last trading day whose New York date has begun, or None."""
        index = bisect_right(self._midnights, instant) - 1
        return self.days[index] if index >= 0 else None

    def opened(self, instant: int) -> TradingDay | None:
        """Return the last trading day that has opened, or None."""
        index = bisect_right(self._opens, instant) - 1
        return self.days[index] if index >= 0 else None

    def closed(self, instant: int) -> TradingDay | None:
        """Return the last trading day that has closed, or None."""
        index = bisect_right(self._closes, instant) - 1
        return self.days[index] if index >= 0 else None

    def on(self, day: date) -> TradingDay | None:
        """Return the trading day of a date, or None when the market is closed."""
        index = bisect_left(self._dates, day)
        found = index < len(self.days) and self._dates[index] == day
        return self.days[index] if found else None

    def next_open(self, instant: int) -> int:
        """Return the first open after an instant."""
        return self._opens[
            min(bisect_right(self._opens, instant), len(self._opens) - 1)
        ]

    def next_close(self, instant: int) -> int:
        """Return the first close after an instant."""
        return self._closes[
            min(bisect_right(self._closes, instant), len(self._closes) - 1)
        ]

    def between(self, first: date, last: date) -> Sequence[TradingDay]:
        """Return the trading days from one date to another, both included."""
        return self.days[
            bisect_left(self._dates, first) : bisect_right(self._dates, last)
        ]

    def after(self, day: TradingDay, count: int = 1) -> TradingDay:
        """Return the trading day that comes `count` later (the last one at the end)."""
        return self.days[min(day.index + count, len(self.days) - 1)]


def load(path: Path, first: date, last: date) -> Sessions:
    """Return the sessions between two dates.

    Years that the rules do not cover are computed once and kept in a file. That loads
    pandas, so it is done by a process of its own.
    """
    if nyse.covers(first, last):
        return Sessions(Calendar(nyse.sessions(first, last)))
    wanted = [first.isoformat(), last.isoformat()]
    try:
        kept = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        kept = None
    if kept is None or kept["range"] != wanted:
        command = [sys.executable, "-m", "trading_core.calendar"]
        command += ["--from", wanted[0], "--to", wanted[1]]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise StartRefused(
                f"The exchange calendar from {wanted[0]} to {wanted[1]} could not be "
                f"computed: {result.stderr.strip()[-500:]}"
            )
        kept = {"range": wanted, "sessions": json.loads(result.stdout)}
        fresh = path.with_suffix(".tmp")
        fresh.write_text(json.dumps(kept), "utf-8")
        os.replace(fresh, path)
    return Sessions(Calendar.from_json(json.dumps(kept["sessions"])))
