"""Orders with parts: bracket, OCO and OTO."""

from decimal import Decimal
from typing import Protocol

from paper_exchange.identity import Identity
from paper_exchange.open_orders import OpenOrders
from paper_exchange.order_request import OrderRequest
from paper_exchange.orders import Order
from trading_core.matching import Fill
from trading_core.money import Side


class Floor(Protocol):
    """Where orders wait and end, as far as their relatives need it."""

    open_orders: OpenOrders

    @property
    def identity(self) -> Identity:
        """The source of ids."""

    def stamp(self) -> int:
        """Return the next instant of its own."""

    def add_part(self, order: Order) -> None:
        """Take a part of an advanced order."""

    def activate_part(self, order: Order) -> None:
        """Let a held part into the market."""

    def end(self, order: Order, status: str) -> None:
        """Finish an order unless it is finished."""

    def changed(self, order: Order) -> None:
        """Have an order written with the next commit."""


def parts(floor: Floor, order: Order, request: OrderRequest) -> list[Order]:
    """Make the parts of an advanced order: the exits that wait for it."""
    if not request.is_advanced:
        return []
    made = []
    opposite: Side = "sell" if order.is_buy else "buy"
    side = order.side if request.order_class == "oco" else opposite
    if request.take_profit is not None and request.order_class != "oco":
        made.append(_part(floor, order, side, "take_profit", request.take_profit, None))
    if request.stop_loss is not None:
        loss = request.stop_loss
        made.append(
            _part(floor, order, side, "stop_loss", loss.limit_price, loss.stop_price)
        )
    order.legs = [part.id for part in made]
    return made


def _part(
    floor: Floor,
    parent: Order,
    side: Side,
    role: str,
    limit_price: Decimal | None,
    stop_price: Decimal | None,
) -> Order:
    if stop_price is None:
        kind = "limit"
    else:
        kind = "stop" if limit_price is None else "stop_limit"
    now = floor.stamp()
    identity = floor.identity.next()
    part = Order(
        id=identity,
        account=parent.account,
        sequence=floor.identity.count,
        client_order_id=floor.identity.next(),
        symbol=parent.symbol,
        asset_id=parent.asset_id,
        side=side,
        type=kind,
        time_in_force=parent.time_in_force,
        order_class=parent.order_class,
        quantity=parent.quantity,
        notional=None,
        limit_price=limit_price,
        stop_price=stop_price,
        trail_price=None,
        trail_percent=None,
        extended_hours=False,
        position_intent=f"{side}_to_close",
        created_at=now,
        submitted_at=now,
        updated_at=now,
        expires_at=parent.expires_at,
        parent=parent.id,
        role=role,
    )
    floor.add_part(part)
    return part


def _open_parts(floor: Floor, parent_id: str) -> list[Order]:
    return floor.open_orders.parts(parent_id)


def _partner(floor: Floor, order: Order) -> list[Order]:
    """Return the other exits of a pair."""
    if order.order_class == "oco" and order.parent is None:
        return _open_parts(floor, order.id)
    if order.parent is None:
        return []
    partners = [
        other for other in _open_parts(floor, order.parent) if other is not order
    ]
    parent = floor.open_orders.get(order.parent)
    if order.order_class == "oco" and parent is not None:
        partners.append(parent)
    return partners


def entered(floor: Floor, order: Order) -> None:
    """An OCO's stop is in the market as soon as its limit is."""
    if order.order_class == "oco" and order.parent is None:
        for part in _open_parts(floor, order.id):
            if part.status == "held":
                floor.activate_part(part)


def filled(floor: Floor, order: Order, fill: Fill) -> None:
    """Let a fill act on the order's relatives."""
    if order.order_class not in ("bracket", "oco", "oto"):
        return
    if order.parent is None and order.order_class != "oco":
        if order.status == "filled":
            for part in _open_parts(floor, order.id):
                if part.status == "held":
                    floor.activate_part(part)
        return
    for partner in _partner(floor, order):
        if order.status == "filled":
            floor.end(partner, "canceled")
        elif partner.quantity is not None:
            partner.quantity -= fill.quantity
            floor.changed(partner)


def ended(floor: Floor, order: Order) -> None:
    """Let the end of an order end what hangs on it."""
    if order.order_class not in ("bracket", "oco", "oto"):
        return
    if order.status == "replaced":
        return
    if order.parent is None and order.order_class != "oco":
        # Without its entry there is nothing for the exits to protect.
        for part in _open_parts(floor, order.id):
            if part.status == "held":
                floor.end(part, order.status)
        return
    for partner in _partner(floor, order):
        floor.end(partner, order.status)
