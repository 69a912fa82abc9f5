"""An order by hand: asked of risk first, sent by the same checks, once."""

from decimal import Decimal
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.contracts.execution import OrderProposal, PositionView
from trading_system.errors import NotFound, TradingError
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

Fields = dict[str, str]


@router.get("/orders/new")
def read_ticket(
    request: Request,
    desk: OnDesk,
    symbol: str = "",
    side: str = "buy",
    quantity: str = "",
    limit_price: str = "",
) -> HTMLResponse:
    """Show the ticket and, once it is filled in, what risk would answer."""
    fields = {
        "symbol": symbol.strip().upper(),
        "side": side,
        "quantity": quantity.strip(),
        "limit_price": limit_price.strip(),
    }
    return _page(request, desk, fields)


@router.get("/positions/{symbol}/close")
def close(desk: OnDesk, symbol: str) -> Response:
    """Go to a ticket that closes a position; fewer shares reduce it."""
    position = _position(desk, symbol)
    side = "sell" if position.quantity > 0 else "buy"
    quantity = abs(position.quantity)
    address = f"/orders/new?symbol={position.symbol}&side={side}&quantity={quantity}"
    return RedirectResponse(address, 303)


@router.post("/orders/new")
def send(
    request: Request,
    desk: OnDesk,
    symbol: Annotated[str, Form()],
    side: Annotated[str, Form()],
    quantity: Annotated[str, Form()],
    key: Annotated[str, Form(min_length=8, max_length=64)],
    limit_price: Annotated[str, Form()] = "",
    reason: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Order it; the ticket's key makes a second sending the same order."""
    fields = {
        "symbol": symbol,
        "side": side,
        "quantity": quantity,
        "limit_price": limit_price,
    }
    proposal = proposal_of(fields)
    if proposal is None or len(reason.strip()) < 3:
        return _page(request, desk, fields, 422, complaint="Say why, and how much.")
    try:
        outcome = desk.services.risk.order_by_hand(proposal, reason.strip(), key)
    except TradingError as error:
        return _page(request, desk, fields, error.status, complaint=str(error))
    return RedirectResponse(f"/explain/{outcome.signal_id}", 303)


def proposal_of(fields: Fields) -> OrderProposal | None:
    """Return the order that a ticket describes; None while it is not complete."""
    asked: dict[str, Any] = {
        name: fields[name] for name in ("symbol", "side", "quantity")
    }
    if fields["limit_price"]:
        asked |= {"order_type": "limit", "limit_price": fields["limit_price"]}
    try:
        return OrderProposal.model_validate(asked)
    except ValueError:
        return None


def _position(desk: Desk, symbol: str) -> PositionView:
    for position in desk.services.execution.positions():
        if position.symbol == symbol.upper():
            return position
    raise NotFound(f"There is no position in {symbol}.")


def _page(
    request: Request,
    desk: Desk,
    fields: Fields,
    status: int = 200,
    *,
    complaint: str = "",
) -> HTMLResponse:
    proposal = proposal_of(fields)
    answer = None
    if proposal is not None:
        try:
            answer = desk.services.risk.what_if(proposal)
        except TradingError as error:
            complaint = complaint or str(error)
    elif any(fields[name] for name in ("symbol", "quantity")):
        complaint = complaint or "Give a symbol and a number of shares above zero."
    bars = desk.ask("bars-latest", desk.services.ingestion.latest)
    last = None
    if proposal is not None:
        closes = {bar.symbol: bar.close for bar in bars.value or []}
        last = closes.get(proposal.symbol)
    price = None if proposal is None else proposal.limit_price
    if price is None and last is not None:
        price = Decimal(str(last))
    shares = None if proposal is None else proposal.quantity
    return render(
        request,
        "ticket.html",
        status,
        fields=fields,
        complaint=complaint,
        proposal=proposal,
        answer=answer,
        last=last,
        worth=price * shares if price and shares else None,
        key=uuid4().hex,
    )
