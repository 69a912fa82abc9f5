"""Alerts: what was told, which kinds are told where, and whether mail arrives."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.contracts.notification import PreferenceChange
from trading_system.errors import TradingError
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)


@router.get("/alerts")
def read_alerts(request: Request, desk: OnDesk, severity: str = "") -> HTMLResponse:
    """Show the inbox and what goes through which channel."""
    return _page(request, desk, severity=severity)


@router.post("/alerts/{notification_id}/read")
def mark_read(desk: OnDesk, notification_id: str) -> Response:
    """Mark an alert as read."""
    desk.services.notification.read(notification_id)
    return RedirectResponse("/alerts", 303)


@router.post("/alerts/preferences")
def set_preference(
    request: Request,
    desk: OnDesk,
    kind: Annotated[str, Form()],
    channel: Annotated[str, Form()],
    min_severity: Annotated[str, Form()],
) -> Response:
    """Decide from which severity a kind goes through a channel; off is none."""
    is_off = min_severity == "off"
    try:
        change = PreferenceChange.model_validate(
            {
                "kind": kind,
                "channel": channel,
                "enabled": not is_off,
                "min_severity": "info" if is_off else min_severity,
            }
        )
    except ValueError:
        return _page(request, desk, 422, complaint="There is no such choice.")
    try:
        desk.services.notification.set_preference(change)
    except TradingError as error:
        return _page(request, desk, error.status, complaint=str(error))
    return RedirectResponse("/alerts#preferences", 303)


@router.post("/alerts/test")
def test_mail(request: Request, desk: OnDesk) -> Response:
    """Send a mail now and show what the server said."""
    try:
        said = desk.services.notification.test_mail()
    except TradingError as error:
        return _page(request, desk, error.status, complaint=str(error))
    return _page(request, desk, said=said.summary or said.status)


def _page(
    request: Request,
    desk: Desk,
    status: int = 200,
    *,
    severity: str = "",
    complaint: str = "",
    said: str = "",
) -> HTMLResponse:
    notification = desk.services.notification
    severity = severity if severity in ("info", "warning", "critical") else ""
    return render(
        request,
        "alerts.html",
        status,
        severity=severity,
        complaint=complaint,
        said=said,
        inbox=desk.ask(
            f"inbox-{severity}",
            lambda: notification.notifications(severity=severity or None, limit=100),
        ),
        preferences=desk.ask("preferences", notification.preferences),
    )
