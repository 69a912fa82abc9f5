"""Data: which bars are there, which are missing, and what is wrong with them."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.errors import TradingError
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)


@router.get("/data")
def read_data(request: Request, desk: OnDesk, done: str = "") -> HTMLResponse:
    """Show coverage by symbol and the quality log."""
    said = {"checked": "Checked.", "backfilled": "The bars were fetched."}
    return _page(request, desk, said=said.get(done, ""))


@router.post("/data/backfill")
def backfill(
    request: Request,
    desk: OnDesk,
    start: Annotated[date, Form()],
    end: Annotated[date, Form()],
    symbols: Annotated[str, Form(max_length=400)] = "",
) -> Response:
    """Fetch bars of the past; those that are there stay as they are."""
    if end < start:
        return _page(request, desk, 422, complaint="The first day is after the last.")
    wanted = [name.upper() for name in symbols.replace(",", " ").split()]
    try:
        desk.services.ingestion.backfill(start, end, wanted or None)
    except TradingError as error:
        return _page(request, desk, error.status, complaint=str(error))
    return RedirectResponse("/data?done=backfilled", 303)


@router.post("/data/check")
def check(request: Request, desk: OnDesk) -> Response:
    """Hold the stored bars against the calendar and the rules."""
    try:
        desk.services.ingestion.validate()
    except TradingError as error:
        return _page(request, desk, error.status, complaint=str(error))
    return RedirectResponse("/data?done=checked", 303)


def _page(
    request: Request,
    desk: Desk,
    status: int = 200,
    *,
    complaint: str = "",
    said: str = "",
) -> HTMLResponse:
    ingestion = desk.services.ingestion
    return render(
        request,
        "data.html",
        status,
        complaint=complaint,
        said=said,
        coverage=desk.ask("coverage", ingestion.coverage),
        quality=desk.ask("quality", lambda: ingestion.quality(100)),
    )
