"""Settings: what runs with which choices, who changed what, and where to change it."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from trading_system.config.settings import Settings
from trading_system.http import product_version
from trading_web import audit_words
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
    """Show account, appearance, universe, strategies, retention, and the audit log."""
    services = desk.services
    table = table if table in audit_words.TABLES else ""
    settings: Settings = request.app.state.settings
    return render(
        request,
        "settings.html",
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
