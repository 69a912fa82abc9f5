"""The orders that are not finished, found by id, account, symbol and parent."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from paper_exchange import valuation
from paper_exchange.accounts import Account
from paper_exchange.market.market import Market
from paper_exchange.numbers import ZERO
from paper_exchange.orders import Order


class OpenOrders:
    """Open orders, and the dollars that they bind.

    What a symbol's orders bind is computed when one of them changes, so that an account
    with thousands of orders can place another one quickly. What depends on the price of
    now (market orders, short sales) is computed whenever it is asked for.
    """

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._places: defaultdict[str, dict[str, dict[str, Order]]] = defaultdict(dict)
        self._parts: defaultdict[str, dict[str, Order]] = defaultdict(dict)
        self._bound: dict[tuple[str, str], Decimal] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[Order]:
        return iter(list(self._orders.values()))

    def get(self, order_id: str) -> Order | None:
        """Return an open order, or None."""
        return self._orders.get(order_id)

    def add(self, order: Order) -> None:
        """Take an order."""
        self._orders[order.id] = order
        self._places[order.account].setdefault(order.symbol, {})[order.id] = order
        if order.parent is not None:
            self._parts[order.parent][order.id] = order
        self.changed(order)

    def remove(self, order: Order) -> None:
        """Forget an order."""
        if self._orders.pop(order.id, None) is None:
            return
        place = self._places[order.account]
        place[order.symbol].pop(order.id, None)
        if not place[order.symbol]:
            del place[order.symbol]
        if order.parent is not None:
            self._parts[order.parent].pop(order.id, None)
        self.changed(order)

    def adopt(self, order: Order, parent: str) -> None:
        """Give a part another parent."""
        if order.parent is not None:
            self._parts[order.parent].pop(order.id, None)
        order.parent = parent
        self._parts[parent][order.id] = order

    def changed(self, order: Order) -> None:
        """Have what the orders of its symbol bind computed again."""
        self._bound.pop((order.account, order.symbol), None)

    def of(self, account: Account) -> list[Order]:
        """Return the orders of an account, oldest first."""
        found = [
            order
            for orders in self._places[account.id].values()
            for order in orders.values()
        ]
        return sorted(found, key=lambda order: order.sequence)

    def of_symbol(self, account: Account, symbol: str) -> list[Order]:
        """Return the orders of an account in a symbol, oldest first."""
        found = self._places[account.id].get(symbol, {}).values()
        return sorted(found, key=lambda order: order.sequence)

    def parts(self, parent: str) -> list[Order]:
        """Return the open parts of an advanced order, in the order they were made."""
        found = self._parts[parent].values() if parent in self._parts else ()
        return sorted(found, key=lambda order: order.sequence)

    def reserved(self, account: Account, market: Market, now: int) -> Decimal:
        """Return the dollars that the orders of an account bind."""
        total = ZERO
        for symbol, orders in self._places[account.id].items():
            bound = self._bound.get((account.id, symbol))
            if bound is None:
                bound = ZERO
                floats = False
                for order in orders.values():
                    bound += valuation.reserved(order, account, market, now)
                    floats = floats or not order.is_buy or order.type == "market"
                    floats = floats or order.type == "trailing_stop"
                if not floats:
                    self._bound[account.id, symbol] = bound
            total += bound
        return total
