"""Replacing an open order by a changed one: what is asked, and whether it may be."""

from dataclasses import replace
from typing import Any

from paper_exchange import admission, numbers, order_request
from paper_exchange.accounts import Account
from paper_exchange.errors import malformed, unprocessable
from paper_exchange.exchange import Exchange
from paper_exchange.order_request import OrderRequest
from paper_exchange.orders import Order
from trading_core.matching import OrderType, TimeInForce

FIXED_STATES = frozenset(
    ("accepted", "pending_new", "pending_cancel", "pending_replace")
)


def replace_order(
    exchange: Exchange, account: Account, order_id: str, body: Any
) -> dict[str, Any]:
    """Replace an order; the answer is the new one."""
    if not isinstance(body, dict):
        raise malformed("request body format is invalid")
    old = exchange.order(account, order_id)
    if old.status == "replaced":
        raise unprocessable("order already replaced")
    if not old.is_open:
        raise unprocessable("unable to replace order, order is not open")
    if old.status in FIXED_STATES or old.wish is not None:
        raise unprocessable(f"cannot replace order in {old.wish or old.status} status")
    if old.order_class == "oto":
        raise unprocessable("replacing parts of oto orders is not supported yet")
    if old.notional is not None:
        raise unprocessable("notional orders cannot be replaced")
    request = _changed(old, body)
    client_order_id = request.client_order_id
    if client_order_id is not None:
        admission.unique_client_id(
            exchange.store.order_by_client_id(account.id, client_order_id) is not None
        )
    _judge(exchange, account, old, request)
    new = _successor(exchange, old, request)
    return exchange.put_in_place(old, new)


def _changed(old: Order, body: dict[str, Any]) -> OrderRequest:
    """Return the old order as a request with the changes in it."""
    # Some clients send an empty text for what they do not change.
    given = {name: value for name, value in body.items() if value not in (None, "")}
    quantity = numbers.read("qty", given.get("qty"))
    trail = numbers.read("trail", given.get("trail"))
    limit = numbers.read("limit_price", given.get("limit_price"))
    stop = numbers.read("stop_price", given.get("stop_price"))
    force = given.get("time_in_force", old.time_in_force)
    client_order_id = given.get("client_order_id")
    known = ("qty", "trail", "limit_price", "stop_price", "time_in_force")
    if not any(name in given for name in (*known, "client_order_id")):
        raise unprocessable("order parameters are not changed")
    if force not in list(TimeInForce):
        raise unprocessable("invalid time_in_force")
    if client_order_id is not None and not isinstance(client_order_id, str):
        raise unprocessable("invalid client_order_id")
    if old.order_class in ("bracket", "oco", "oto") and quantity is not None:
        if quantity != old.quantity:
            raise unprocessable("qty cannot be changed for advanced orders")
    if quantity is not None and quantity <= old.filled:
        raise unprocessable("qty must be > filled_qty")
    trails = old.type == "trailing_stop"
    request = OrderRequest(
        symbol=old.symbol,
        side=old.side,
        type=OrderType(old.type),
        time_in_force=TimeInForce(force),
        quantity=quantity or old.quantity,
        limit_price=limit or old.limit_price,
        stop_price=None if trails else stop or old.stop_price,
        trail_price=(trail or old.trail_price) if old.trail_price else None,
        trail_percent=(trail or old.trail_percent) if old.trail_percent else None,
        extended_hours=old.extended_hours,
        client_order_id=client_order_id or None,
    )
    for rule in order_request.RULES:
        rule(request)
    same = (
        request.quantity == old.quantity
        and request.limit_price == old.limit_price
        and (trails or request.stop_price == old.stop_price)
        and request.trail_price == old.trail_price
        and request.trail_percent == old.trail_percent
        and str(request.time_in_force) == old.time_in_force
    )
    if same and client_order_id is None:
        raise unprocessable("order parameters are not changed")
    return request


def _judge(
    exchange: Exchange, account: Account, old: Order, request: OrderRequest
) -> None:
    """Let the rules judge the change; parts of a bracket hold their shares already."""
    if old.parent is not None or old.order_class == "oco":
        return
    remaining = (request.quantity or old.remaining) - old.filled
    admission.admit(
        exchange.proposal(account, replace(request, quantity=remaining), old)
    )


def _successor(exchange: Exchange, old: Order, request: OrderRequest) -> Order:
    moment = exchange.journal.stamp()
    identity = exchange.journal.identity.next()
    return replace(
        old,
        id=identity,
        sequence=exchange.journal.identity.count,
        client_order_id=request.client_order_id or exchange.journal.identity.next(),
        quantity=(request.quantity or old.remaining) - old.filled,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        trail_price=request.trail_price,
        trail_percent=request.trail_percent,
        time_in_force=str(request.time_in_force),
        created_at=moment,
        submitted_at=moment,
        updated_at=moment,
        expires_at=exchange.floor.hours.expiry(request, exchange.now),
        status="pending_new",
        filled=numbers.ZERO,
        filled_value=numbers.ZERO,
        resting=False,
        replaces=old.id,
        legs=list(old.legs),
    )
