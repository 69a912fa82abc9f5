"""Risk: what is allowed, how much of it is used, and what was stopped."""

from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.contracts.execution import OrderProposal
from trading_system.contracts.risk import (
    LimitChange,
    LimitView,
    LockRequest,
    WhatIfView,
)
from trading_system.errors import NotFound, TradingError
from trading_system.vocabulary import TradingMode
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.figures import Figure, exposure_figure, exposure_rows
from trading_web.pages.export import as_file
from trading_web.pages.halt import BY
from trading_web.pages.portfolio import RANGES, recorded, thinned
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

WORD = "LOOSEN"
UNLOCK = "UNLOCK"

LASTS: Final[dict[str, tuple[str, timedelta | None]]] = {
    "close": ("until the next close", None),
    "day": ("for a day", timedelta(days=1)),
    "week": ("for a week", timedelta(days=7)),
}
"""How long a lock may last, in market time; without one of these until released."""


@router.get("/risk")
def read_risk(
    request: Request, desk: OnDesk, lock: str = "", range: str = "1W"
) -> HTMLResponse:
    """Show trading state, limits and their use, exposure, breakers, locks, history."""
    return _page(request, desk, locked=lock[:12].upper(), range=range)


@router.get("/figures/exposure")
def read_exposure(desk: OnDesk, range: str = "1W") -> Figure:
    """Return what was held of equity over a range, against the gross limit."""
    points = thinned(recorded(desk, range))
    limits = desk.ask("limits", desk.services.risk.limits).value or []
    most = next(
        (
            limit.limit_value
            for limit in limits
            if (limit.limit_type, limit.scope) == ("max_gross_exposure", "account")
        ),
        None,
    )
    return exposure_figure(points, most, revision=f"exposure-{range}")


@router.get("/files/exposure.{kind}")
def read_exposure_file(
    desk: OnDesk, kind: Literal["csv", "json"], range: str = "1W"
) -> Response:
    """Return every recorded exposure of a range, as fractions of equity."""
    return as_file("exposure", kind, exposure_rows(recorded(desk, range)))


@router.post("/risk/limits")
def set_limit(
    request: Request,
    desk: OnDesk,
    limit_type: Annotated[str, Form()],
    scope: Annotated[str, Form()],
    version: Annotated[int, Form()],
    limit_value: Annotated[str, Form(max_length=40)],
    scope_id: Annotated[str, Form()] = "",
    reason: Annotated[str, Form(max_length=200)] = "",
    word: Annotated[str, Form()] = "",
) -> Response:
    """Put a limit in force; to loosen one needs its word."""
    try:
        value = Decimal(limit_value)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        return _page(request, desk, 422, complaint=f"{limit_value} is not a number.")
    limit = _limit(desk, limit_type, scope, scope_id)
    if len(reason.strip()) < 3:
        return _page(request, desk, 422, complaint="Say why the limit changes.")
    if loosens(limit, value) and (word != WORD or desk.mode is TradingMode.LIVE):
        complaint = f"This loosens the limit: type {WORD} in capital letters."
        if desk.mode is TradingMode.LIVE:
            complaint = "In live mode a limit is loosened at the terminal."
        return _page(request, desk, 422, complaint=complaint)
    change = {
        "limit_type": limit_type,
        "limit_value": value,
        "scope": limit.scope,
        "scope_id": scope_id,
        "reason": reason,
        "by": BY,
        "version": version,
    }
    try:
        desk.services.risk.set_limit(LimitChange.model_validate(change))
    except TradingError as error:
        return _page(request, desk, error.status, complaint=str(error))
    return RedirectResponse("/risk#limits", 303)


@router.post("/risk/breakers/{breaker_id}/reset")
def reset_breaker(
    request: Request,
    desk: OnDesk,
    breaker_id: str,
    reason: Annotated[str, Form(max_length=200)] = "",
    word: Annotated[str, Form()] = "",
) -> Response:
    """Let a strategy enter again after its breaker, for a reason."""
    if len(reason.strip()) < 3 or word != "RESET":
        complaint = "Give a reason and type RESET in capital letters."
        return _page(request, desk, 422, complaint=complaint)
    try:
        desk.services.risk.reset_breaker(breaker_id, reason.strip(), BY)
    except TradingError as error:
        return _page(request, desk, error.status, complaint=str(error))
    return RedirectResponse("/risk#breakers", 303)


@router.post("/risk/locks")
def lock(
    request: Request,
    desk: OnDesk,
    symbol: Annotated[str, Form(max_length=12)],
    lasts: Annotated[str, Form()] = "",
    reason: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Let nothing be entered in a symbol: at once, since it only takes risk away."""
    try:
        asked = LockRequest.model_validate(
            {
                "symbol": symbol.strip().upper(),
                "until": _end_of(desk, lasts),
                "reason": reason.strip() or "Locked on the dashboard.",
                "by": BY,
            }
        )
    except ValueError:
        return _page(request, desk, 422, complaint=f"{symbol!r} is not a symbol.")
    try:
        desk.services.risk.lock(asked)
    except TradingError as error:
        return _page(request, desk, error.status, complaint=str(error))
    return RedirectResponse("/risk#locks", 303)


@router.post("/risk/locks/{symbol}/release")
def release(
    request: Request,
    desk: OnDesk,
    symbol: str,
    reason: Annotated[str, Form(max_length=200)] = "",
    word: Annotated[str, Form()] = "",
) -> Response:
    """Let a symbol be entered again, for a reason; with money by its word."""
    if len(reason.strip()) < 3 or (desk.mode is TradingMode.LIVE and word != UNLOCK):
        complaint = "Say why, and in live mode type UNLOCK in capital letters."
        return _page(request, desk, 422, complaint=complaint)
    try:
        desk.services.risk.unlock(symbol.upper(), reason.strip(), BY)
    except TradingError as error:
        return _page(request, desk, error.status, complaint=str(error))
    return RedirectResponse("/risk#locks", 303)


@router.get("/risk/what-if")
def read_what_if(
    request: Request,
    desk: OnDesk,
    symbol: str = "",
    side: str = "buy",
    quantity: str = "",
) -> HTMLResponse:
    """Say what risk would answer to an order; nothing is stored or sent."""
    try:
        proposal = OrderProposal.model_validate(
            {"symbol": symbol.strip().upper(), "side": side, "quantity": quantity}
        )
    except ValueError:
        complaint = "Give a symbol and a number of shares above zero."
        return _page(request, desk, 422, complaint=complaint)
    try:
        answer = desk.services.risk.what_if(proposal)
    except TradingError as error:
        return _page(request, desk, error.status, complaint=str(error))
    return _page(request, desk, proposal=proposal, answer=answer)


def loosens(limit: LimitView, value: Decimal) -> bool:
    """Say whether a value lets more through: every limit is a most, or a permission."""
    return value > limit.limit_value


def _end_of(desk: Desk, lasts: str) -> datetime | None:
    if lasts not in LASTS:
        return None
    clock = desk.services.execution.clock()
    span = LASTS[lasts][1]
    return clock.next_close if span is None else clock.now + span


def _limit(desk: Desk, limit_type: str, scope: str, scope_id: str) -> LimitView:
    wanted = (limit_type, scope, scope_id)
    for limit in desk.services.risk.limits():
        if (limit.limit_type, limit.scope, limit.scope_id) == wanted:
            return limit
    raise NotFound(f"There is no limit {limit_type} of {scope} {scope_id}".rstrip())


def _page(
    request: Request,
    desk: Desk,
    status: int = 200,
    *,
    complaint: str = "",
    locked: str = "",
    range: str = "1W",
    proposal: OrderProposal | None = None,
    answer: WhatIfView | None = None,
) -> HTMLResponse:
    risk = desk.services.risk
    asked: dict[str, Any] = {
        "limits": desk.ask("limits", risk.limits),
        "exposure": desk.ask("exposure", risk.exposure),
        "breakers": desk.ask("breakers", risk.breakers),
        "locks": desk.ask("locks", risk.locks),
        "states": desk.ask("trading-states", lambda: risk.trading_states(20)),
        "events": desk.ask("risk-events", lambda: risk.risk_events(20)),
        "positions": desk.ask("positions", desk.services.execution.positions),
    }
    return render(
        request,
        "risk.html",
        status,
        complaint=complaint,
        proposal=proposal,
        answer=answer,
        word=WORD,
        lasts=LASTS,
        ranges=RANGES,
        range=range if range in RANGES else "1W",
        symbol_to_lock=locked,
        **asked,
    )
