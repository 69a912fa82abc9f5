"""Settings: what runs with which choices, who changed what, and where to change it."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from trading_system.config.settings import Settings
from trading_system.errors import TradingError
from trading_system.http import product_version
from trading_web import audit_words
from trading_web.backups import Backups
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

PAGE: Final = 50
OURS: Final = ("trading_mode", "trading_data_dir", "log_retention_days")
"""Settings that the gateway shares with every process; those of others stay theirs."""


@router.get("/settings")
def read_settings(
    request: Request,
    desk: OnDesk,
    table: str = "",
    before: Annotated[int | None, Query(ge=0)] = None,
) -> HTMLResponse:
    """Show account, appearance, universe, strategies, backups, and the audit log."""
    return _page(request, desk, table=table, before=before)


@router.post("/settings/backup")
def back_up(request: Request, desk: OnDesk) -> Response:
    """Copy the database to a file, and say what came of it."""
    backups: Backups = request.app.state.backups
    try:
        said = backups.make("Asked for on the dashboard.")
    except TradingError as error:
        return _page(request, desk, error.status, complaint=str(error))
    return _page(request, desk, said=said)


def _page(
    request: Request,
    desk: Desk,
    status: int = 200,
    *,
    table: str = "",
    before: int | None = None,
    complaint: str = "",
    said: str = "",
) -> HTMLResponse:
    services = desk.services
    backups: Backups = request.app.state.backups
    table = table if table in audit_words.TABLES else ""
    settings: Settings = request.app.state.settings
    return render(
        request,
        "settings.html",
        status,
        complaint=complaint,
        said=said,
        backups=backups.newest(),
        version=product_version(),
        settings=[
            (name, getattr(settings, name), Settings.model_fields[name].description)
            for name in OURS
        ],
        prefect=request.app.state.prefect,
        account=desk.ask("account", services.execution.account),
        universe=desk.ask("universe", services.ingestion.universe),
        strategies=desk.ask("strategies", services.strategy.strategies),
        preferences=desk.ask("preferences", services.notification.preferences),
        table=table,
        tables=audit_words.TABLES,
        before=before,
        most=PAGE,
        audit=desk.ask(
            f"audit-{table}-{before}",
            lambda: services.risk.audit(table=table or None, before=before, limit=PAGE),
        ),
    )
