"""What is on its way to the market: orders that were accepted, and cancellations."""

import heapq
from datetime import timedelta

from paper_exchange.instants import MICROSECOND
from paper_exchange.orders import Order


class Arrivals:
    """When what was sent reaches the market: a fixed latency later."""

    def __init__(self, latency: timedelta) -> None:
        self._latency = latency // timedelta(microseconds=1) * MICROSECOND
        self._heap: list[tuple[int, int, Order]] = []

    def is_on_its_way(self, sent_at: int, now: int) -> bool:
        """Whether what was sent at an instant has still to arrive."""
        return self._latency > 0 and sent_at + self._latency > now

    def expect(self, order: Order, sent_at: int) -> None:
        """Take an order that is on its way, or whose cancellation is."""
        heapq.heappush(self._heap, (sent_at + self._latency, order.sequence, order))

    def next_time(self) -> int | None:
        """Return when something arrives next."""
        return self._heap[0][0] if self._heap else None

    def pop(self, until: int) -> tuple[int, Order] | None:
        """Return the first arrival up to an instant and its order, and drop it."""
        if not self._heap or self._heap[0][0] > until:
            return None
        time, _, order = heapq.heappop(self._heap)
        return time, order
