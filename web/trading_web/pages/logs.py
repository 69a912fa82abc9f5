"""Logs: what the processes wrote, by service and level."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from trading_system.vocabulary import ServiceName
from trading_web.errors import PageRoute
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@router.get("/logs")
def read_logs(
    request: Request,
    desk: OnDesk,
    service: str = "",
    level: str = "INFO",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> HTMLResponse:
    """List log lines, newest first; a level shows itself and what is graver."""
    service = service if service in list(ServiceName) else ""
    level = level if level in LEVELS else "INFO"
    return render(
        request,
        "logs.html",
        service=service,
        level=level,
        limit=limit,
        services=[str(name) for name in ServiceName],
        levels=LEVELS,
        lines=desk.ask(
            f"logs-{service}-{level}-{limit}",
            lambda: desk.services.notification.logs(
                service=service or None, level=level, limit=limit
            ),
        ),
    )
