"""The orders that are not finished, found by id, account, symbol and parent."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from paper_exchange import valuation
from paper_exchange.accounts import Account
from paper_exchange.market.market import Market
from paper_exchange.numbers import ZERO
from paper_exchange.orders import Order
from trading_core.money import Side


class OpenOrders:
    """Open orders, and the dollars that they bind.

    The sum is kept, and only what changed is counted again, so that an account with
    thousands of orders on many symbols can place another one quickly. What depends on
    the price of now (market orders, trailing stops, short sales) is counted whenever it
    is asked for.
    """

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._places: defaultdict[str, dict[str, _Place]] = defaultdict(dict)
        self._parts: defaultdict[str, dict[str, Order]] = defaultdict(dict)
        self._bound: dict[str, _Bound] = {}

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
        places = self._places[order.account]
        place = places.get(order.symbol)
        if place is None:
            place = places[order.symbol] = _Place()
        place.side(order.side)[order.id] = order
        if order.parent is not None and not order.in_transit:
            self._parts[order.parent][order.id] = order
        self.changed(order)

    def remove(self, order: Order) -> None:
        """Forget an order."""
        if self._orders.pop(order.id, None) is None:
            return
        places = self._places[order.account]
        place = places[order.symbol]
        place.side(order.side).pop(order.id, None)
        if not (place.buys or place.sells):
            del places[order.symbol]
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
        """Have what an order binds counted again."""
        bound = self._bound.get(order.account)
        if bound is not None:
            bound.uncounted[order.id] = order

    def holding_changed(self, account: Account, symbol: str) -> None:
        """Have what all orders of a symbol bind counted again."""
        for order in self._places[account.id].get(symbol, ()):
            self.changed(order)

    def of(self, account: Account) -> list[Order]:
        """Return the orders of an account, oldest first."""
        found = [
            order for place in self._places[account.id].values() for order in place
        ]
        return sorted(found, key=lambda order: order.sequence)

    def of_symbol(self, account: Account, symbol: str) -> list[Order]:
        """Return the orders of an account in a symbol, oldest first."""
        place = self._places[account.id].get(symbol)
        return sorted(place or (), key=lambda order: order.sequence)

    def of_side(self, account: Account, symbol: str, side: Side) -> list[Order]:
        """Return the orders on one side of a symbol, oldest first."""
        place = self._places[account.id].get(symbol)
        # They were taken in this order, and dictionaries keep it.
        return [] if place is None else list(place.side(side).values())

    def parts(self, parent: str) -> list[Order]:
        """Return the open parts of an advanced order, in the order they were made."""
        found = self._parts[parent].values() if parent in self._parts else ()
        return sorted(found, key=lambda order: order.sequence)

    def reserved(self, account: Account, market: Market, now: int) -> Decimal:
        """Return the dollars that the orders of an account bind."""
        bound = self._bound.get(account.id)
        if bound is None:
            bound = self._bound[account.id] = _Bound(
                {order.id: order for order in self.of(account)}
            )
        for order in bound.uncounted.values():
            bound.total -= bound.counted.pop(order.id, ZERO)
            bound.floating.pop(order.id, None)
            if order.id not in self._orders:
                continue
            if _floats(order, account):
                bound.floating[order.id] = order
                continue
            amount = valuation.reserved(order, account, market, now)
            bound.counted[order.id] = amount
            bound.total += amount
        bound.uncounted.clear()
        floating = (
            valuation.reserved(order, account, market, now)
            for order in bound.floating.values()
        )
        return sum(floating, bound.total)


@dataclass(slots=True)
class _Place:
    """The open orders of one account and symbol, each side in the order of arrival."""

    buys: dict[str, Order] = field(default_factory=dict)
    sells: dict[str, Order] = field(default_factory=dict)

    def side(self, side: Side) -> dict[str, Order]:
        """Return one side."""
        return self.buys if side == "buy" else self.sells

    def __iter__(self) -> Iterator[Order]:
        yield from self.buys.values()
        yield from self.sells.values()


@dataclass(slots=True)
class _Bound:
    """What the orders of one account bind, as far as it is counted."""

    uncounted: dict[str, Order]
    counted: dict[str, Decimal] = field(default_factory=dict)
    floating: dict[str, Order] = field(default_factory=dict)
    total: Decimal = ZERO


def _floats(order: Order, account: Account) -> bool:
    """Whether what an order binds follows the market: what closes binds shares only."""
    if valuation.closes(order, account):
        return False
    return not order.is_buy or order.type in ("market", "trailing_stop")
