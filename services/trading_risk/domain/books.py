"""What is held and ordered, as one snapshot, and what it is worth."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import reduce
from uuid import UUID

from trading_core.money import ZERO


@dataclass(frozen=True, slots=True)
class Holding:
    """A strategy's shares of a symbol and the cash they moved; "" for cash alone."""

    strategy: str
    symbol: str
    quantity: Decimal
    cash: Decimal


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """What may still be executed of an order, or of an approval on its way to one."""

    order_id: UUID
    strategy: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal | None
    reduces: bool


@dataclass(frozen=True, slots=True)
class Books:
    """An account at one instant: the ledger's sums and every open order."""

    holdings: tuple[Holding, ...]
    orders: tuple[OpenOrder, ...]

    @property
    def cash(self) -> Decimal:
        """The sum of all movements of cash."""
        return sum((holding.cash for holding in self.holdings), ZERO)

    @property
    def positions(self) -> dict[str, Decimal]:
        """Shares by symbol, without those that are flat."""
        return self._positions(None)

    @property
    def strategies(self) -> list[str]:
        """Every strategy that ever held or ordered something."""
        return sorted(
            {h.strategy for h in self.holdings if h.symbol}
            | {order.strategy for order in self.orders}
        )

    def without(self, order_ids: frozenset[UUID]) -> "Books":
        """Return the books as if these orders were not there."""
        if not order_ids:
            return self
        left = (each for each in self.orders if each.order_id not in order_ids)
        return replace(self, orders=tuple(left))

    def held(self, symbol: str, strategy: str | None = None) -> Decimal:
        """Return the shares of a symbol, of all strategies or of one."""
        return self._positions(strategy).get(symbol, ZERO)

    def ordered(self, symbol: str, side: str, strategy: str | None = None) -> Decimal:
        """Return the quantity of open orders of a symbol on one side."""
        return sum(
            (
                order.quantity
                for order in self.orders
                if order.symbol == symbol
                and order.side == side
                and strategy in (None, order.strategy)
            ),
            ZERO,
        )

    def worst(self, symbol: str, side: str, strategy: str | None = None) -> Decimal:
        """Return the position as if all orders of one side had been executed."""
        open_quantity = self.ordered(symbol, side, strategy)
        signed = open_quantity if side == "buy" else -open_quantity
        return self.held(symbol, strategy) + signed

    def equity(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Return cash plus the value of every position."""
        return self.cash + self._value(self.positions, prices)

    def profit(self, strategy: str, prices: Mapping[str, Decimal]) -> Decimal:
        """Return what a strategy has made: its cash plus its positions' value."""
        cash = sum((h.cash for h in self.holdings if h.strategy == strategy), ZERO)
        return cash + self._value(self._positions(strategy), prices)

    def long_value(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Return the value of all long positions."""
        longs = {s: q for s, q in self.positions.items() if q > 0}
        return self._value(longs, prices)

    def short_value(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Return the value of all short positions, below zero."""
        shorts = {s: q for s, q in self.positions.items() if q < 0}
        return self._value(shorts, prices)

    def gross(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Return long plus short value plus every open order that adds to them."""
        held = self.long_value(prices) - self.short_value(prices)
        return held + self._open_value(prices, {"buy", "sell"})

    def committed(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Return the cash that open purchases will take."""
        return self._open_value(prices, {"buy"}, with_reducing=True)

    def symbols(self) -> list[str]:
        """Return every symbol that is held or ordered."""
        return sorted(set(self.positions) | {order.symbol for order in self.orders})

    def _open_value(
        self,
        prices: Mapping[str, Decimal],
        sides: set[str],
        with_reducing: bool = False,
    ) -> Decimal:
        return sum(
            (
                order.quantity * _price(order, prices)
                for order in self.orders
                if order.side in sides and (with_reducing or not order.reduces)
            ),
            ZERO,
        )

    def _positions(self, strategy: str | None) -> dict[str, Decimal]:
        def add(sums: dict[str, Decimal], holding: Holding) -> dict[str, Decimal]:
            if holding.symbol and strategy in (None, holding.strategy):
                so_far = sums.get(holding.symbol, ZERO)
                sums[holding.symbol] = so_far + holding.quantity
            return sums

        sums: dict[str, Decimal] = reduce(add, self.holdings, {})
        return {symbol: quantity for symbol, quantity in sums.items() if quantity}

    def _value(
        self, positions: Mapping[str, Decimal], prices: Mapping[str, Decimal]
    ) -> Decimal:
        return sum((q * _known(s, prices) for s, q in positions.items()), ZERO)


def _known(symbol: str, prices: Mapping[str, Decimal]) -> Decimal:
    if symbol not in prices:
        raise LookupError(f"No price is known for {symbol}, of which shares are held.")
    return prices[symbol]


def _price(order: OpenOrder, prices: Mapping[str, Decimal]) -> Decimal:
    if order.price is not None:
        return order.price
    return _known(order.symbol, prices)
