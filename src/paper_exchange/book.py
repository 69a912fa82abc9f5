"""The orders that are working, and when a price will next matter to one of them."""

import heapq
from collections.abc import Iterator
from math import inf

from paper_exchange.market.market import Market, Point
from paper_exchange.orders import Order
from paper_exchange.sessions import TradingDay


class Book:
    """Working orders by symbol, with the next price that can touch each symbol's.

    Nothing is done for prices that touch no order: the next one that does is looked up
    when a symbol's orders change and kept in a heap.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._orders: dict[str, dict[str, Order]] = {}
        self._heap: list[tuple[int, str, int, Point]] = []
        self._version: dict[str, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._orders.values()))

    def add(self, order: Order) -> None:
        """Take a working order."""
        self._orders.setdefault(order.symbol, {})[order.id] = order

    def remove(self, order: Order) -> None:
        """Forget an order, whether it was here or not."""
        orders = self._orders.get(order.symbol)
        if orders:
            orders.pop(order.id, None)
            if not orders:
                del self._orders[order.symbol]

    def symbols(self) -> list[str]:
        """Return the symbols with working orders, in order."""
        return sorted(self._orders)

    def of(self, symbol: str) -> Iterator[Order]:
        """Yield the working orders of a symbol, oldest first."""
        orders = self._orders.get(symbol, {}).values()
        return iter(sorted(orders, key=lambda order: order.sequence))

    def look_ahead(
        self, symbol: str, after: int, until: int, day: TradingDay, extended: bool
    ) -> None:
        """Find the next price after an instant and up to another that may matter."""
        version = self._version[symbol] = self._version.get(symbol, 0) + 1
        rises_to, falls_to = inf, -inf
        for order in self._orders.get(symbol, {}).values():
            if extended and not order.extended_hours:
                continue
            high, low = _reach(order)
            rises_to, falls_to = min(rises_to, high), max(falls_to, low)
        if rises_to == inf and falls_to == -inf:
            return
        point = self._market.next_reaching(
            symbol, after, until, rises_to, falls_to, day
        )
        if point is not None:
            heapq.heappush(self._heap, (point.time, symbol, version, point))

    def clear(self) -> None:
        """Forget every price that was looked up."""
        self._heap.clear()

    def next_touch(self, until: int) -> tuple[str, Point] | None:
        """Return the earliest symbol and price up to an instant, and drop it."""
        while self._heap and self._heap[0][0] <= until:
            _, symbol, version, point = heapq.heappop(self._heap)
            if self._version.get(symbol) == version:
                return symbol, point
        return None


def _reach(order: Order) -> tuple[float, float]:
    """Return the price from which upwards, and downwards, an order may act."""
    if not order.resting or order.type in ("market", "trailing_stop"):
        return -inf, -inf
    if order.type in ("stop", "stop_limit") and not order.triggered:
        stop = float(order.stop_price or 0)
        return (stop, -inf) if order.is_buy else (inf, stop)
    limit = order.collar if order.type == "stop" else order.limit_price
    if limit is None:
        return -inf, -inf
    return (inf, float(limit)) if order.is_buy else (float(limit), -inf)
