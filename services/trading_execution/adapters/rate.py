"""The broker's rate limit, kept on our side so that it is never met."""

import threading

from trading_system.clock import monotonic, sleep
from trading_system.errors import Unavailable

PER_MINUTE = 180
"""Of the 200 that the broker allows."""

RESERVE = 40
"""Kept from new orders, for cancellations and lookups."""

PATIENCE = 30.0


class TokenBucket:
    """Calls that may be made now; they grow back with time, up to a minute's worth.

    Without a rate there is no limit.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._per_second = None if per_minute is None else per_minute / 60
        self._most = per_minute or 0.0
        self._tokens = self._most
        self._counted_at = monotonic()
        self._closed_until = 0.0
        self._guard = threading.Lock()

    def left_for_orders(self) -> int:
        """Return how many new orders may be sent without touching the reserve."""
        if self._per_second is None:
            return 1_000
        with self._guard:
            reserve = min(RESERVE, self._most / 4)
            return max(0, int(self._count() - reserve))

    def take(self) -> None:
        """Use one call, waiting for it if need be."""
        if self._per_second is None:
            return
        waited_until = monotonic() + PATIENCE
        while (pause := self._wait()) > 0:
            if monotonic() + pause > waited_until:
                raise Unavailable("The broker's rate limit is used up.")
            sleep(pause)

    def refused(self, seconds: float) -> None:
        """Make no call for a while: the broker has said that there were too many."""
        with self._guard:
            until = monotonic() + min(max(seconds, 1.0), 60.0)
            self._closed_until = max(self._closed_until, until)

    def _wait(self) -> float:
        with self._guard:
            closed = self._closed_until - monotonic()
            if closed > 0:
                return closed
            if self._count() >= 1:
                self._tokens -= 1
                return 0.0
            assert self._per_second is not None
            return (1 - self._tokens) / self._per_second

    def _count(self) -> float:
        assert self._per_second is not None
        now = monotonic()
        if now < self._closed_until:
            return 0.0
        grown = (now - self._counted_at) * self._per_second
        self._tokens = min(self._most, self._tokens + grown)
        self._counted_at = now
        return self._tokens
