"""Opposing orders of one bar meet each other before they leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from trading_core.money import ZERO


@dataclass(frozen=True, slots=True)
class Resting:
    """What is left of an order that has not left, and whose it is."""

    order_id: UUID
    strategy: str
    side: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Meeting:
    """Shares that pass from the seller's book to the buyer's."""

    buyer: UUID
    seller: UUID
    quantity: Decimal


def meetings(orders: Sequence[Resting]) -> list[Meeting]:
    """Return how opposing orders of different strategies meet, first come first."""
    left = {order.order_id: order.quantity for order in orders}
    found = []
    for buyer in (order for order in orders if order.side == "buy"):
        for seller in (order for order in orders if order.side == "sell"):
            both = min(left[buyer.order_id], left[seller.order_id])
            if both <= ZERO or buyer.strategy == seller.strategy:
                continue
            found.append(Meeting(buyer.order_id, seller.order_id, both))
            left[buyer.order_id] -= both
            left[seller.order_id] -= both
    return found
