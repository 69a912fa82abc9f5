"""Orders that were accepted and have not reached the market yet."""

import heapq
from datetime import timedelta

from paper_exchange.instants import MICROSECOND
from paper_exchange.orders import Order


class Arrivals:
    """When accepted orders reach the market: a fixed latency after they came."""

    def __init__(self, latency: timedelta) -> None:
        self._latency = latency // timedelta(microseconds=1) * MICROSECOND
        self._heap: list[tuple[int, int, Order]] = []

    def is_on_its_way(self, order: Order, now: int) -> bool:
        """Whether an order has still to arrive."""
        return self._latency > 0 and order.submitted_at + self._latency > now

    def expect(self, order: Order) -> None:
        """Take an order that is on its way."""
        arrival = order.submitted_at + self._latency
        heapq.heappush(self._heap, (arrival, order.sequence, order))

    def next_time(self) -> int | None:
        """Return when the next order arrives."""
        return self._heap[0][0] if self._heap else None

    def pop(self, until: int) -> tuple[int, Order] | None:
        """Return the first arrival up to an instant and its order, and drop it."""
        if not self._heap or self._heap[0][0] > until:
            return None
        time, _, order = heapq.heappop(self._heap)
        return time, order
