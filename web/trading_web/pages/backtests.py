"""Backtests: run one over history, watch it, compare what came out."""

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.contracts.analytics import BacktestView, MetricView
from trading_system.errors import NotFound, TradingError
from trading_system.runtime.prefect_server import PrefectServer
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

FLOW: Final = "run_backtest"
ENDED: Final = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
MOST_COMPARED: Final = 6


@router.get("/backtests")
def read_backtests(request: Request, desk: OnDesk) -> HTMLResponse:
    """List backtests, newest first, and offer to run one."""
    return _page(request, desk)


@router.post("/backtests")
def start(
    request: Request,
    desk: OnDesk,
    strategy: Annotated[str, Form()],
    start: Annotated[str, Form()] = "",
    end: Annotated[str, Form()] = "",
    symbols: Annotated[str, Form(max_length=400)] = "",
) -> Response:
    """Start a run of the backtest's flow and go where it can be watched."""
    try:
        first, last = (date.fromisoformat(day) if day else None for day in (start, end))
    except ValueError:
        return _page(request, desk, 422, complaint="A day is written 2026-11-20.")
    if first and last and last < first:
        return _page(request, desk, 422, complaint="The first day is after the last.")
    asked: dict[str, Any] = {
        "strategy": strategy,
        "start": first and first.isoformat(),
        "end": last and last.isoformat(),
        "symbols": symbols.upper().replace(",", " ").split() or None,
    }
    try:
        prefect = _prefect(request)
        known = {each["flow"]: each["id"] for each in prefect.deployments()}
        if FLOW not in known:
            raise NotFound(f"Prefect knows no flow {FLOW}; its runner may be starting.")
        run = prefect.start(known[FLOW], asked)
    except TradingError as error:
        return _page(request, desk, error.status, complaint=str(error))
    return RedirectResponse(f"/backtests/runs/{run['id']}", 303)


@router.get("/backtests/runs/{run_id}")
def read_run(request: Request, run_id: UUID) -> HTMLResponse:
    """Show how far a run is; the section asks again until it has ended."""
    run = _prefect(request).run(str(run_id))
    state = run["state_type"]
    said = (run.get("state") or {}).get("message") or ""
    return render(
        request,
        "backtest_run.html",
        run=run,
        ended=state in ENDED,
        # A completed run's message is its rows, which the list shows better.
        message="" if state == "COMPLETED" else said,
    )


@router.post("/backtests/runs/{run_id}/cancel")
def cancel_run(request: Request, run_id: UUID) -> Response:
    """Ask for a run to be canceled."""
    _prefect(request).cancel(str(run_id))
    return RedirectResponse(f"/backtests/runs/{run_id}", 303)


@router.get("/backtests/compare")
def compare(
    request: Request, desk: OnDesk, id: Annotated[list[UUID] | None, Query()] = None
) -> HTMLResponse:
    """Show up to six backtests side by side: what differs, and every figure."""
    chosen = (id or [])[:MOST_COMPARED]
    if len(chosen) < 2:
        return _page(request, desk, 422, complaint="Choose two to six to compare.")
    asked = [desk.ask(f"backtest-{each}", _one(desk, each)) for each in chosen]
    found = [answer.value for answer in asked if answer.value is not None]
    return render(
        request,
        "backtest_compare.html",
        found=found,
        problem=next((answer.problem for answer in asked if answer.problem), ""),
        differences=differences(found),
        figures=figures(found),
    )


@router.get("/backtests/{backtest_id}")
def read_backtest(request: Request, desk: OnDesk, backtest_id: UUID) -> HTMLResponse:
    """Show one backtest: its figures and where they come from."""
    answer = desk.ask(f"backtest-{backtest_id}", _one(desk, backtest_id))
    return render(request, "backtest.html", answer=answer)


def differences(found: list[BacktestView]) -> dict[str, list[str]]:
    """Return the inputs that are not the same in all."""
    inputs = [
        {
            "strategy": each.strategy,
            "period": f"{each.period_start} to {each.period_end}",
            "symbols": ", ".join(each.symbols),
        }
        | {name: str(value) for name, value in each.parameters.items()}
        for each in found
    ]
    names = dict.fromkeys(name for each in inputs for name in each)
    rows = {name: [each.get(name, "") for each in inputs] for name in names}
    return {name: row for name, row in rows.items() if len(set(row)) > 1}


def figures(found: list[BacktestView]) -> dict[str, list[MetricView | None]]:
    """Return every figure, one value a backtest."""
    by_name = [{metric.name: metric for metric in each.metrics} for each in found]
    names = dict.fromkeys(name for each in by_name for name in each)
    return {name: [each.get(name) for each in by_name] for name in names}


def _one(desk: Desk, backtest_id: UUID) -> Any:
    return lambda: desk.services.analytics.backtest(backtest_id)


def _prefect(request: Request) -> PrefectServer:
    server = request.app.state.prefect
    return PrefectServer(server.url.removesuffix("/api"), server.sign_in)


def _page(
    request: Request, desk: Desk, status: int = 200, *, complaint: str = ""
) -> HTMLResponse:
    services = desk.services
    return render(
        request,
        "backtests.html",
        status,
        complaint=complaint,
        backtests=desk.ask("backtests", services.analytics.backtests),
        strategies=desk.ask("strategies", services.strategy.strategies),
    )
