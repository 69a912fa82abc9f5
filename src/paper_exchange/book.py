"""The orders that are working, and when a price will next matter to one of them."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from paper_exchange.market.market import ROUNDING, Market, Point
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
        self._reach: dict[str, _Reach] = {}
        self._looked: dict[str, tuple[int, bool]] = {}
        """Until when, and in which hours, each symbol's next price was looked up."""

    def __len__(self) -> int:
        return sum(map(len, self._orders.values()))

    def add(self, order: Order) -> None:
        """Take a working order."""
        self._orders.setdefault(order.symbol, {})[order.id] = order
        reach = self._reach.get(order.symbol)
        if reach is not None:
            reach.fresh[order.id] = order

    def remove(self, order: Order) -> None:
        """Forget an order, whether it was here or not."""
        self.changed(order)
        orders = self._orders.get(order.symbol)
        if orders:
            orders.pop(order.id, None)
            if not orders:
                del self._orders[order.symbol]

    def changed(self, order: Order) -> None:
        """Note that an order may act at other prices than before."""
        reach = self._reach.get(order.symbol)
        if reach is not None and reach.fresh.pop(order.id, None) is None:
            # A fresh one is counted when its turn comes; another one spoils the sum.
            if order.id in self._orders.get(order.symbol, {}):
                del self._reach[order.symbol]
        elif reach is not None:
            reach.fresh[order.id] = order

    def symbols(self) -> list[str]:
        """Return the symbols with working orders, in order."""
        return sorted(self._orders)

    def of(self, symbol: str) -> Iterator[Order]:
        """Yield the working orders of a symbol, oldest first."""
        orders = self._orders.get(symbol, {}).values()
        return iter(sorted(orders, key=lambda order: order.sequence))

    def touched(self, symbol: str, price: float) -> list[Order]:
        """Return the working orders of a symbol that act at a price, oldest first."""
        found = []
        for order in self._orders.get(symbol, {}).values():
            rises_to, falls_to = _reach(order)
            if price >= rises_to - ROUNDING or price <= falls_to + ROUNDING:
                found.append(order)
        return sorted(found, key=lambda order: order.sequence)

    def knows_next(self, symbol: str, until: int, extended: bool) -> bool:
        """Whether no new order acts at a price that was not looked for already.

        That was done for the prices up to `until`, in the session or outside it.
        """
        reach = self._reach.get(symbol)
        if reach is None or self._looked.get(symbol) != (until, extended):
            return False
        for order in reach.fresh.values():
            rises_to, falls_to = _reach(order)
            if rises_to < reach.rises_to or falls_to > reach.falls_to:
                return False
        reach.fresh.clear()
        return True

    def look_ahead(
        self, symbol: str, after: int, until: int, day: TradingDay, extended: bool
    ) -> None:
        """Find the next price after an instant and up to another that may matter."""
        version = self._version[symbol] = self._version.get(symbol, 0) + 1
        rises_to, falls_to = self._reach_of(symbol, extended)
        self._looked[symbol] = until, extended
        if rises_to == inf and falls_to == -inf:
            return
        point = self._market.next_reaching(
            symbol, after, until, rises_to, falls_to, day
        )
        if point is not None:
            heapq.heappush(self._heap, (point.time, symbol, version, point))

    def _reach_of(self, symbol: str, extended: bool) -> tuple[float, float]:
        """Return the nearest prices above and below at which an order may act."""
        orders = self._orders.get(symbol, {})
        reach = self._reach.get(symbol)
        if reach is None or reach.extended != extended:
            reach = self._reach[symbol] = _Reach(extended, dict(orders))
        for order in reach.fresh.values():
            if order.id not in orders or (extended and not order.extended_hours):
                continue
            high, low = _reach(order)
            reach.rises_to = min(reach.rises_to, high)
            reach.falls_to = max(reach.falls_to, low)
        reach.fresh.clear()
        return reach.rises_to, reach.falls_to

    def clear(self) -> None:
        """Forget every price that was looked up."""
        self._heap.clear()
        self._looked.clear()

    def next_time(self) -> int | None:
        """Return when a price next matters to an order, as far as was looked ahead."""
        while self._heap:
            time, symbol, version, _ = self._heap[0]
            if self._version.get(symbol) == version:
                return time
            heapq.heappop(self._heap)
        return None

    def next_touch(self, until: int) -> tuple[str, Point] | None:
        """Return the earliest symbol and price up to an instant, and drop it."""
        while self._heap and self._heap[0][0] <= until:
            _, symbol, version, point = heapq.heappop(self._heap)
            if self._version.get(symbol) == version:
                self._looked.pop(symbol, None)
                return symbol, point
        return None


@dataclass(slots=True)
class _Reach:
    """The nearest prices at which a symbol's orders act, and orders not yet counted."""

    extended: bool
    fresh: dict[str, Order]
    rises_to: float = inf
    falls_to: float = -inf


def only_rests(order: Order, price: float) -> bool:
    """Whether a limit order is too far from a price to do anything but rest."""
    limit, waits = order.limit_price, order.time_in_force in ("day", "gtc")
    if order.type != "limit" or limit is None or not waits or order.quantity is None:
        return False
    distance = price - float(limit)
    return (distance if order.is_buy else -distance) > ROUNDING


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
