"""Orders with parts: bracket, OCO and OTO."""

from decimal import Decimal
from typing import TYPE_CHECKING

from paper_exchange.accounts import Account
from paper_exchange.order_request import OrderRequest
from paper_exchange.orders import Order
from trading_core.matching import Fill
from trading_core.money import Side

if TYPE_CHECKING:
    from paper_exchange.exchange import Exchange


def parts(
    exchange: "Exchange", account: Account, order: Order, request: OrderRequest
) -> list[Order]:
    """Make the parts of an advanced order: the exits that wait for it."""
    if not request.is_advanced:
        return []
    made = []
    opposite: Side = "sell" if order.is_buy else "buy"
    side = order.side if request.order_class == "oco" else opposite
    if request.take_profit is not None and request.order_class != "oco":
        made.append(
            _part(exchange, order, side, "take_profit", request.take_profit, None)
        )
    if request.stop_loss is not None:
        loss = request.stop_loss
        made.append(
            _part(exchange, order, side, "stop_loss", loss.limit_price, loss.stop_price)
        )
    order.legs = [part.id for part in made]
    return made


def _part(
    exchange: "Exchange",
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
    now = exchange.stamp()
    identity = exchange.identity.next()
    part = Order(
        id=identity,
        account=parent.account,
        sequence=exchange.identity.count,
        client_order_id=exchange.identity.next(),
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
    exchange.add_part(part)
    return part


def _open_parts(exchange: "Exchange", parent_id: str) -> list[Order]:
    return exchange.open_orders.parts(parent_id)


def _partner(exchange: "Exchange", order: Order) -> list[Order]:
    """Return the other exits of a pair."""
    if order.order_class == "oco" and order.parent is None:
        return _open_parts(exchange, order.id)
    if order.parent is None:
        return []
    partners = [
        other for other in _open_parts(exchange, order.parent) if other is not order
    ]
    parent = exchange.open_orders.get(order.parent)
    if order.order_class == "oco" and parent is not None:
        partners.append(parent)
    return partners


def entered(exchange: "Exchange", order: Order) -> None:
    """An OCO's stop is in the market as soon as its limit is."""
    if order.order_class == "oco" and order.parent is None:
        for part in _open_parts(exchange, order.id):
            if part.status == "held":
                exchange.activate_part(part)


def filled(exchange: "Exchange", order: Order, fill: Fill) -> None:
    """Let a fill act on the order's relatives."""
    if order.order_class not in ("bracket", "oco", "oto"):
        return
    if order.parent is None and order.order_class != "oco":
        if order.status == "filled":
            for part in _open_parts(exchange, order.id):
                if part.status == "held":
                    exchange.activate_part(part)
        return
    for partner in _partner(exchange, order):
        if order.status == "filled":
            exchange.end(partner, "canceled")
        elif partner.quantity is not None:
            partner.quantity -= fill.quantity
            exchange.changed(partner)


def ended(exchange: "Exchange", order: Order) -> None:
    """Let the end of an order end what hangs on it."""
    if order.order_class not in ("bracket", "oco", "oto"):
        return
    if order.status == "replaced":
        return
    if order.parent is None and order.order_class != "oco":
        # Without its entry there is nothing for the exits to protect.
        for part in _open_parts(exchange, order.id):
            if part.status == "held":
                exchange.end(part, order.status)
        return
    for partner in _partner(exchange, order):
        exchange.end(partner, order.status)
