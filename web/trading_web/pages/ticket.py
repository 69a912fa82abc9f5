"""An order by hand: asked of risk first, sent by the same checks, once."""

from decimal import ROUND_DOWN, Decimal
from typing import Annotated, Any, Final, NamedTuple
from uuid import uuid4

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.contracts.execution import OrderProposal, PositionView
from trading_system.errors import NotFound, TradingError
from trading_system.vocabulary import Side
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

Fields = dict[str, str]

PORTIONS: Final = {"A quarter": 4, "Half": 2, "All": 1}


class Exit(NamedTuple):
    """What an order that makes a position smaller would do to it."""

    left: Decimal
    gain: Decimal | None
    portions: dict[str, Decimal]
    """How many shares the usual parts of the position are."""


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
    said = reason.strip()
    if proposal is not None and len(said) < 3 and _reduced(desk, proposal):
        # Less at risk needs no reason of its own.
        said = "Reduced on the dashboard."
    if proposal is None or len(said) < 3:
        return _page(request, desk, fields, 422, complaint="Say why, and how much.")
    try:
        outcome = desk.services.risk.order_by_hand(proposal, said, key)
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


def _reduced(desk: Desk, proposal: OrderProposal) -> PositionView | None:
    """Return the position that an order would make smaller, and not turn around."""
    held = desk.ask("positions", desk.services.execution.positions).value or []
    for position in held:
        if position.symbol == proposal.symbol:
            exits = (proposal.side is Side.SELL) == (position.quantity > 0)
            fits = 0 < (proposal.quantity or 0) <= abs(position.quantity)
            return position if exits and fits else None
    return None


def exit_of(position: PositionView, shares: Decimal, price: Decimal | None) -> Exit:
    """Return what closing so many shares leaves, and what it realizes at a price."""
    held = abs(position.quantity)
    gain = None
    if price is not None:
        gain = (price - position.avg_price) * shares
        gain = gain if position.quantity > 0 else -gain
    step = Decimal(1) if held == held.to_integral_value() else Decimal("1e-9")
    portions = {
        label: (held / parts).quantize(step, ROUND_DOWN)
        for label, parts in PORTIONS.items()
    }
    return Exit(held - shares, gain, {k: v for k, v in portions.items() if v})


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
    position = None if proposal is None else _reduced(desk, proposal)
    leaving = None
    if proposal is not None and position is not None:
        leaving = exit_of(position, shares or Decimal(0), price)
    return render(
        request,
        "ticket.html",
        status,
        fields=fields,
        complaint=complaint,
        proposal=proposal,
        answer=answer,
        last=last,
        leaving=leaving,
        worth=price * shares if price and shares else None,
        key=uuid4().hex,
    )
