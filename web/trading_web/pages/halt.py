"""Halting and resuming. Plain forms, so that they work without scripts."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.errors import TradingError
from trading_system.vocabulary import TradingMode
from trading_web.desk import Answer, Desk
from trading_web.errors import PageRoute
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

BY = "dashboard"


@router.get("/halt")
def read_halt(request: Request, desk: OnDesk) -> HTMLResponse:
    """Show the trading state and what can be done about it."""
    return _page(request, desk)


@router.get("/halt/consequence")
def read_consequence(request: Request, desk: OnDesk) -> HTMLResponse:
    """Say what the levels would touch at this moment; the open dialog asks."""
    return render(request, "_consequence.html", 200, **_touched(desk))


@router.post("/halt")
def halt(
    request: Request,
    desk: OnDesk,
    level: Annotated[int, Form(ge=1, le=3)],
    word: Annotated[str, Form()] = "",
) -> Response:
    """Halt at a level; in live mode flattening needs its word."""
    if level == 3 and desk.mode is TradingMode.LIVE and word != "FLATTEN":
        return _page(
            request, desk, 422, failure="Type FLATTEN to sell everything.", level=3
        )
    try:
        desk.services.risk.halt(level=level, reason="Halted on the dashboard.", by=BY)
    except TradingError as error:
        failure = f"Trading was not halted. {error.title}: {error.detail}"
        return _page(request, desk, 503, failure=failure, level=level)
    return RedirectResponse("/halt", 303)


@router.post("/resume")
def resume(
    request: Request,
    desk: OnDesk,
    reason: Annotated[str, Form(max_length=200)] = "",
    word: Annotated[str, Form()] = "",
) -> Response:
    """Let entries leave again, for a reason."""
    if desk.mode is TradingMode.LIVE:
        complaint = "In live mode run `trading resume` at the terminal."
        return _page(request, desk, 403, complaint=complaint)
    if len(reason.strip()) < 3 or word != "RESUME":
        complaint = "Give a reason and type RESUME in capital letters."
        return _page(request, desk, 422, complaint=complaint, reason=reason)
    try:
        desk.services.risk.resume(reason=reason.strip(), by=BY)
    except TradingError as error:
        complaint = f"{error.title}: {error.detail}"
        return _page(request, desk, error.status, complaint=complaint, reason=reason)
    return RedirectResponse("/halt", 303)


def _touched(desk: Desk) -> dict[str, Answer[Any]]:
    services = desk.services
    return {
        "working": desk.ask(
            "orders-open", lambda: services.execution.orders(state="open", limit=1000)
        ),
        "positions": desk.ask("positions", services.execution.positions),
        "clock": desk.ask("clock", services.execution.clock),
    }


def _page(
    request: Request,
    desk: Desk,
    status: int = 200,
    *,
    failure: str = "",
    complaint: str = "",
    reason: str = "",
    level: int = 1,
) -> HTMLResponse:
    return render(
        request,
        "halt.html",
        status,
        failure=failure,
        complaint=complaint,
        reason=reason,
        level=level,
        **_touched(desk),
    )
