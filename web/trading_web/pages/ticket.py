"""An order by hand: asked of risk first, sent by the same checks, once."""

from decimal import ROUND_DOWN, Decimal
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.contracts.execution import OrderProposal, PositionView
from trading_system.errors import Invalid, NotFound, TradingError
from trading_system.vocabulary import OrderClass, Side
from trading_web import order_words
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.rendering import render
from trading_web.shell import OnDesk
from trading_web.tickets import SentTicket, Ticket, key_of

router = APIRouter(route_class=PageRoute)

ENTRIES: Final = (OrderClass.BRACKET, OrderClass.OTO)
PORTIONS: Final = {"A quarter": 4, "Half": 2, "All": 1}


class Exit(NamedTuple):
    """What an order that makes a position smaller would do to it."""

    left: Decimal
    gain: Decimal | None
    portions: dict[str, Decimal]
    """How many shares the usual parts of the position are."""


class Outcome(NamedTuple):
    """An exit that the broker keeps with an order, and what it would realize."""

    label: str
    price: Decimal
    gain: Decimal


@router.get("/orders/new")
def read_ticket(
    request: Request, desk: OnDesk, ticket: Annotated[Ticket, Query()]
) -> HTMLResponse:
    """Show the ticket and, once it is filled in, what risk would answer."""
    return _page(request, desk, ticket)


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
    request: Request, desk: OnDesk, ticket: Annotated[SentTicket, Form()]
) -> Response:
    """Order it; the ticket's key makes a second sending the same order."""
    try:
        proposal = ticket.proposal()
        said = ticket.reason
        if len(said) < 3 and _reduced(desk, proposal):
            # Less at risk needs no reason of its own.
            said = "Reduced on the dashboard."
        if len(said) < 3:
            raise Invalid("Say why.")
        outcome = desk.services.risk.order_by_hand(proposal, said, ticket.key)
    except TradingError as error:
        return _page(request, desk, ticket, error.status, complaint=str(error))
    return RedirectResponse(f"/explain/{outcome.signal_id}", 303)


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


def outcomes_of(proposal: OrderProposal, price: Decimal | None) -> list[Outcome]:
    """Return what the exits of an order would realize, if it fills at a price."""
    shares, entries = proposal.quantity, proposal.order_class in ENTRIES
    if shares is None or price is None or not entries:
        return []
    way = 1 if proposal.side is Side.BUY else -1
    profit, loss, _ = order_words.exit_prices(proposal)
    named = {"At the profit's price": profit, "At the loss's price": loss}
    return [
        Outcome(label, at, (at - price) * shares * way)
        for label, at in named.items()
        if at is not None
    ]


def _page(
    request: Request,
    desk: Desk,
    ticket: Ticket,
    status: int = 200,
    *,
    complaint: str = "",
) -> HTMLResponse:
    proposal = answer = None
    try:
        if not ticket.is_blank:
            proposal = ticket.proposal()
            answer = desk.services.risk.what_if(proposal)
    except TradingError as error:
        complaint = complaint or str(error)
    bars = desk.ask("bars-latest", desk.services.ingestion.latest)
    last = price = position = leaving = None
    if proposal is not None:
        closes = {bar.symbol: bar.close for bar in bars.value or []}
        last = closes.get(proposal.symbol)
        price = proposal.named_price
        if price is None and last is not None:
            price = Decimal(str(last))
        position = _reduced(desk, proposal)
    if proposal is not None and position is not None:
        leaving = exit_of(position, proposal.quantity or Decimal(0), price)
    return render(
        request,
        "ticket.html",
        status,
        ticket=ticket,
        complaint=complaint,
        proposal=proposal,
        answer=answer,
        last=last,
        leaving=leaving,
        worth=_worth(proposal, price),
        outcomes=outcomes_of(proposal, price) if proposal else [],
        classes=order_words.CLASSES,
        lives=order_words.LIVES,
        key=key_of(ticket),
    )


def _worth(proposal: OrderProposal | None, price: Decimal | None) -> Decimal | None:
    if proposal is None:
        return None
    if proposal.notional is not None:
        return proposal.notional
    return price * proposal.quantity if price and proposal.quantity else None
