"""/v2/orders: place, list, read, replace and cancel."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from paper_exchange import instants
from paper_exchange.api.context import account_of, exchange_of
from paper_exchange.api.http import Json, choice, flag, json_body, number
from paper_exchange.api.routing import Router
from paper_exchange.errors import ApiError, invalid, not_found
from paper_exchange.exchange import Exchange
from paper_exchange.orders import Order
from paper_exchange.replacement import replace_order
from paper_exchange.store import OrderFilter

router = Router(prefix="/v2", tag="orders")
MOST_SYMBOLS = 500


@router.post("/orders")
async def place_order(request: Request) -> Response:
    """Take an order."""
    body = await json_body(request)
    return Json(exchange_of(request).submit(account_of(request), body))


@router.get("/orders")
async def list_orders(request: Request) -> Response:
    """Return orders by status, time, symbol and side."""
    exchange, account = exchange_of(request), account_of(request)
    query = request.query_params
    status = choice(request, "status", "open", "closed", "all")
    nested = flag(request, "nested")
    symbols = [symbol for symbol in query.get("symbols", "").split(",") if symbol]
    if len(symbols) > MOST_SYMBOLS:
        raise invalid(f"invalid symbols: at most {MOST_SYMBOLS}")
    wanted = OrderFilter(
        account.id,
        is_open={"open": True, "closed": False, "all": None}[status],
        after=_instant(request, "after"),
        until=_instant(request, "until"),
        after_sequence=_sequence(request, "after_order_id"),
        before_sequence=_sequence(request, "before_order_id"),
        symbols=symbols,
        side=choice(request, "side", "", "buy", "sell") or None,
        parents_only=nested,
        newest_first=choice(request, "direction", "desc", "asc") == "desc",
        limit=number(request, "limit", 50, 500),
    )
    if choice(request, "asset_class", "us_equity", "all", "us_option", "crypto") in (
        "us_option",
        "crypto",
    ):
        return Json([])
    orders = exchange.store.orders(wanted)
    return Json([exchange.body(order, nested) for order in orders])


@router.delete("/orders")
async def cancel_all_orders(request: Request) -> Response:
    """Cancel every open order."""
    exchange, account = exchange_of(request), account_of(request)
    answers: list[dict[str, Any]] = []
    for order in exchange.orders_of(account):
        # One may have ended with another, and one may be on its way out already.
        if order.is_open and order.wish is None:
            exchange.cancel(account, order.id)
            answers.append({"id": order.id, "status": 200})
    return Json(answers, status_code=207)


@router.get("/orders:by_client_order_id")
async def read_order_by_client_id(request: Request) -> Response:
    """Return the order that carries a client's id."""
    exchange, account = exchange_of(request), account_of(request)
    client_order_id = request.query_params.get("client_order_id", "")
    order = exchange.store.order_by_client_id(account.id, client_order_id)
    if order is None:
        raise not_found(f"order not found for {client_order_id[:128]}")
    return Json(exchange.body(order))


@router.get("/orders/{order_id}")
async def read_order(request: Request) -> Response:
    """Return one order."""
    exchange = exchange_of(request)
    order = exchange.order(account_of(request), _id(request))
    # Parts are shown unless they are not wanted: nobody misses an exit by that.
    nested = flag(request, "nested") or not request.query_params.get("nested")
    return Json(exchange.body(order, nested))


@router.patch("/orders/{order_id}")
async def change_order(request: Request) -> Response:
    """Put a changed order in the place of an open one."""
    body = await json_body(request)
    exchange, account = exchange_of(request), account_of(request)
    return Json(replace_order(exchange, account, _id(request), body))


@router.delete("/orders/{order_id}", status=204)
async def cancel_order(request: Request) -> Response:
    """Cancel one order."""
    exchange_of(request).cancel(account_of(request), _id(request))
    return Response(status_code=204)


def _id(request: Request) -> str:
    return str(request.path_params["order_id"])


def _instant(request: Request, name: str) -> int | None:
    """Return a time of the query, which may also name an order."""
    value = request.query_params.get(name)
    if not value:
        return None
    try:
        return instants.parse(value)
    except ValueError as error:
        raise invalid(f"invalid {name}: {error}") from None


def _sequence(request: Request, name: str) -> int | None:
    order_id = request.query_params.get(name)
    if not order_id:
        return None
    return _known(exchange_of(request), request, order_id).sequence


def _known(exchange: Exchange, request: Request, order_id: str) -> Order:
    try:
        return exchange.order(account_of(request), order_id)
    except ApiError:
        raise invalid(f"order not found for {order_id[:64]}") from None
