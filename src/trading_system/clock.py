"""The only module that reads the machine's clock.

Connections and processes use the machine's clock; the market has its own, which
the broker tells and :class:`MarketClock` extrapolates.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple


def utc_now() -> datetime:
    """Return the machine's time, aware and in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds of a clock that never jumps, for time-outs and leases."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


class ClockReading(NamedTuple):
    """What the broker said about market time.

    `speed` is market seconds per machine second; 0 when the market's clock stands.
    """

    now: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime
    speed: float = 1.0


class MarketClock:
    """Market time, read from the broker and extrapolated between readings.

    `fetch` asks the broker. A reading older than `max_age` machine seconds is asked
    again; in a simulation that may stand still or race, every reading is asked.
    """

    def __init__(self, fetch: Callable[[], ClockReading], max_age: float = 1.0) -> None:
        self._fetch = fetch
        self._max_age = max_age
        self._lock = threading.Lock()
        self._reading: ClockReading | None = None
        self._read_at = 0.0

    def read(self) -> ClockReading:
        """Return the reading in force, asking the broker when it is too old."""
        with self._lock:
            age = monotonic() - self._read_at
            if self._reading is None or age > self._max_age:
                self._reading, self._read_at = self._fetch(), monotonic()
            return self._reading

    def refresh(self) -> ClockReading:
        """Ask the broker now."""
        with self._lock:
            self._reading, self._read_at = self._fetch(), monotonic()
            return self._reading

    def now(self) -> datetime:
        """Return the market's time."""
        reading = self.read()
        elapsed = timedelta(seconds=(monotonic() - self._read_at) * reading.speed)
        return reading.now + elapsed

    def is_open(self) -> bool:
        """Say whether the regular session is on, by the broker's word."""
        reading = self.read()
        if reading.is_open:
            return self.now() < reading.next_close
        return self.now() >= reading.next_open
