"""Risk: what is allowed, how much of it is used, and what was stopped."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.contracts.execution import OrderProposal
from trading_system.contracts.risk import LimitChange, LimitView, WhatIfView
from trading_system.errors import NotFound, TradingError
from trading_system.vocabulary import TradingMode
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.pages.halt import BY
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

WORD = "LOOSEN"


@router.get("/risk")
def read_risk(request: Request, desk: OnDesk) -> HTMLResponse:
    """Show trading state, limits and their use, exposure, breakers, locks, history."""
    return _page(request, desk)


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
    proposal: OrderProposal | None = None,
    answer: WhatIfView | None = None,
) -> HTMLResponse:
    risk = desk.services.risk
    asked: dict[str, Any] = {
        "limits": desk.ask("limits", risk.limits),
        "exposure": desk.ask("exposure", risk.exposure),
        "breakers": desk.ask("breakers", risk.breakers),
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
        **asked,
    )
