"""An order at the broker that is to be different: compared, asked, sent once."""

from decimal import Decimal
from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.contracts.execution import OrderChange, OrderView
from trading_system.errors import Invalid, TradingError
from trading_system.vocabulary import plain
from trading_web import formats, order_words
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.rendering import render
from trading_web.shell import OnDesk
from trading_web.tickets import Amendment, SentAmendment, in_force, key_of

router = APIRouter(route_class=PageRoute)


class Difference(NamedTuple):
    """A term before and after."""

    name: str
    before: str
    after: str


@router.get("/orders/{order_id}/replace")
def read_amendment(
    request: Request,
    desk: OnDesk,
    order_id: UUID,
    wanted: Annotated[Amendment, Query()],
) -> HTMLResponse:
    """Show what can be different and, once that is said, what risk answers."""
    return _page(request, desk, order_id, wanted)


@router.post("/orders/{order_id}/replace")
def replace(
    request: Request,
    desk: OnDesk,
    order_id: UUID,
    wanted: Annotated[SentAmendment, Form()],
) -> Response:
    """Replace it; the form's key makes a second sending the same replacement."""
    services = desk.services
    try:
        change = wanted.change(services.execution.order(order_id))
        if change is None:
            raise Invalid("Nothing would be different about the order.")
        if len(wanted.reason) < 3:
            raise Invalid("Say why.")
        outcome = services.risk.replace(order_id, change, wanted.reason, wanted.key)
    except TradingError as error:
        return _page(
            request, desk, order_id, wanted, error.status, complaint=str(error)
        )
    return RedirectResponse(f"/explain/{outcome.signal_id}", 303)


def differences(order: OrderView, change: OrderChange) -> list[Difference]:
    """Return the terms that a change would make different."""
    was, new = in_force(order), change.model_dump(exclude_none=True)
    return [
        Difference(formats.words(name), _said(name, was[name]), _said(name, value))
        for name, value in new.items()
    ]


def _said(name: str, value: Decimal | str | None) -> str:
    if value is None or isinstance(value, str):
        return order_words.LIVES.get(str(value), str(value))
    return formats.quantity(value) if name == "quantity" else formats.price(value)


def _page(
    request: Request,
    desk: Desk,
    order_id: UUID,
    wanted: Amendment,
    status: int = 200,
    *,
    complaint: str = "",
) -> HTMLResponse:
    order = desk.services.execution.order(order_id)
    change = answer = None
    try:
        change = wanted.change(order)
        if change is not None:
            answer = desk.services.risk.what_if_replaced(order_id, change)
        elif wanted.fields and not complaint:
            complaint = "Nothing would be different about the order."
    except TradingError as error:
        complaint = complaint or str(error)
    return render(
        request,
        "amend.html",
        status,
        order=order,
        wanted=wanted,
        now=in_force(order),
        plain=plain,
        complaint=complaint,
        differences=differences(order, change) if change else [],
        answer=answer,
        lives=order_words.LIVES,
        key=key_of(wanted),
    )
