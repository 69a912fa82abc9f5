"""Strategies: what decides, with which parameters, since when and why."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from trading_system.errors import TradingError
from trading_system.vocabulary import TradingMode
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.parameters import Field, fields_of, values_of
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

# What a person does to a strategy, the status that follows, and whether it adds risk.
ACTS: Final = {
    "pause": ("paused", False),
    "resume": ("enabled", True),
    "disable": ("disabled", False),
}


@router.get("/strategies")
def read_strategies(request: Request, desk: OnDesk) -> HTMLResponse:
    """List every strategy, its state and what it did last."""
    return render(
        request,
        "strategies.html",
        strategies=desk.ask("strategies", desk.services.strategy.strategies),
        performance=desk.ask(
            "performance", lambda: desk.services.analytics.performance(limit=200)
        ),
    )


@router.get("/strategies/{name}")
def read_strategy(request: Request, desk: OnDesk, name: str) -> HTMLResponse:
    """Show one strategy: parameters, versions, decisions, round trips."""
    return _page(request, desk, name)


@router.post("/strategies/{name}/status")
def set_status(
    request: Request,
    desk: OnDesk,
    name: str,
    act: Annotated[str, Form()],
    reason: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Pause at once; to enable needs a reason."""
    if act not in ACTS:
        return _page(request, desk, name, 422, complaint="There is no such act.")
    status, raises_risk = ACTS[act]
    said = reason.strip()
    if raises_risk and len(said) < 3:
        return _page(request, desk, name, 422, complaint="Say why it shall trade.")
    said = said or f"{status.capitalize()} on the dashboard."
    try:
        desk.services.strategy.set_status(name, status, said)
    except TradingError as error:
        return _page(request, desk, name, error.status, complaint=str(error))
    return RedirectResponse(f"/strategies/{name}", 303)


@router.post("/strategies/{name}/parameters")
async def read_form(request: Request, desk: OnDesk, name: str) -> Response:
    """Show what would change, and change it once that was confirmed."""
    form = {key: str(value) for key, value in (await request.form()).items()}
    return await run_in_threadpool(_change, request, desk, name, form)


def _change(request: Request, desk: Desk, name: str, form: dict[str, str]) -> Response:
    services = desk.services
    strategy = services.strategy.strategy(name)
    if desk.mode is TradingMode.LIVE and strategy.status == "enabled":
        complaint = "In live mode pause the strategy before its parameters change."
        return _page(request, desk, name, 409, complaint=complaint)
    fields = fields_of(services.strategy.schema(name), strategy.parameters)
    wanted, faults = values_of(fields, form)
    changed = {
        key: value for key, value in wanted.items() if value != strategy.parameters[key]
    }
    reason = form.get("reason", "").strip()
    if faults or not changed or "confirmed" not in form or len(reason) < 3:
        complaint = " ".join(faults)
        if not faults and not changed:
            complaint = "Nothing differs from what is in force."
        elif not faults and len(reason) < 3 and "confirmed" in form:
            complaint = "Say why."
        return _page(
            request,
            desk,
            name,
            422 if complaint else 200,
            complaint=complaint,
            changed={} if faults else changed,
        )
    try:
        services.strategy.change(name, changed, reason)
    except TradingError as error:
        return _page(request, desk, name, error.status, complaint=str(error))
    return RedirectResponse(f"/strategies/{name}", 303)


def _page(
    request: Request,
    desk: Desk,
    name: str,
    status: int = 200,
    *,
    complaint: str = "",
    changed: dict[str, Any] | None = None,
) -> HTMLResponse:
    services = desk.services
    strategy = desk.ask(f"strategy-{name}", lambda: services.strategy.strategy(name))
    schema = desk.ask(f"schema-{name}", lambda: services.strategy.schema(name))

    def fields() -> list[Field]:
        if strategy.value is None:
            return []
        values = strategy.value.parameters | (changed or {})
        return fields_of(schema.value or {}, values)

    return render(
        request,
        "strategy.html",
        status,
        name=name,
        strategy=strategy,
        schema=schema,
        fields=fields,
        complaint=complaint,
        changed=changed or {},
        versions=desk.ask(f"versions-{name}", lambda: services.strategy.versions(name)),
        trips=desk.ask(
            f"trips-{name}",
            lambda: services.analytics.round_trips(strategy=name, limit=20),
        ),
        decisions=desk.ask(
            f"decisions-of-{name}",
            lambda: services.strategy.decisions(strategy=name, limit=20),
        ),
    )
