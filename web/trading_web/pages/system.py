"""System: is every part well, and if not, which and why."""

from functools import cache
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from trading_system.contracts.system import HealthView
from trading_web.desk import Answer
from trading_web.errors import PageRoute
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

ROLES: Final = {
    "ingestion": "Bars: fetched, checked, stored",
    "strategy": "Indicators, decisions, signals",
    "risk": "Sizes, checks, limits, trading state",
    "execution": "Orders, executions, positions",
    "analytics": "Performance, round trips, reports",
    "notification": "Alerts, health, logs",
}


@router.get("/system")
def read_system(request: Request, desk: OnDesk) -> HTMLResponse:
    """Show services, books, latency, flow runs, alerts and the log's warnings."""
    services = desk.services
    health = {
        str(client.name): desk.ask(f"health-{client.name}", client.health)
        for client in services.all
    }
    books = desk.ask("books", lambda: services.execution.reconciliations(limit=1))
    waits = {
        "holds": desk.ask("holds", services.execution.holds),
        "contract": desk.ask("contract", services.execution.broker_contract),
        "combos": desk.ask("combos", lambda: services.execution.combos(limit=20)),
    }
    checks = desk.ask("system-health", services.notification.system_health)
    inbox = desk.ask("inbox", lambda: services.notification.notifications(limit=20))
    log = desk.ask(
        "log-warnings", lambda: services.notification.logs(level="WARNING", limit=20)
    )

    @cache
    def failing_first() -> dict[str, Answer[HealthView]]:
        return dict(sorted(health.items(), key=lambda item: item[1].problem is None))

    # What only one section shows is worked out when that section is written.
    return render(
        request,
        "system.html",
        roles=ROLES,
        health=failing_first,
        failing=lambda: [name for name, answer in health.items() if answer.problem],
        warned=lambda: [
            name
            for name, answer in health.items()
            if not answer.problem and answer.value and answer.value.status != "pass"
        ],
        books=books,
        waits=waits,
        checks=checks,
        inbox=inbox,
        log=log,
        runs=desk.ask("runs", lambda: services.ingestion.jobs(30)),
        prefect=request.app.state.prefect,
    )
