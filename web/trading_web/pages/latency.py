"""Latency: from a signal to its first fill, stage by stage, and the slowest orders."""

from typing import Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.figures import Figure, latency_figure
from trading_web.latency import STAGES, Timing, slowest, spreads, timings
from trading_web.pages.export import as_file
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

LOOKED_AT: Final = 200


@router.get("/system/latency")
def read_latency(request: Request, desk: OnDesk) -> HTMLResponse:
    """Show how long the stages of the last orders took."""
    orders = desk.ask(
        "orders-latency", lambda: desk.services.execution.orders(limit=LOOKED_AT)
    )
    found = [] if orders.failed else _timings(desk)
    return render(
        request,
        "latency.html",
        orders=orders,
        found=found,
        stages=STAGES,
        spreads=spreads(found),
        slowest=slowest(found),
    )


@router.get("/figures/latency")
def read_figure(desk: OnDesk) -> Figure:
    """Return the stages of the last orders as marks."""
    return latency_figure(_timings(desk), revision="latency")


@router.get("/files/latency.{kind}")
def read_file(desk: OnDesk, kind: Literal["csv", "json"]) -> Response:
    """Return the stages of the last orders, in seconds."""
    return as_file("latency", kind, _timings(desk))


def _timings(desk: Desk) -> list[Timing]:
    services = desk.services
    orders = desk.ask(
        "orders-latency", lambda: services.execution.orders(limit=LOOKED_AT)
    )
    outcomes = desk.ask(
        "outcomes-latency",
        lambda: services.risk.outcomes(outcome="approved", limit=LOOKED_AT),
    )
    decisions = desk.ask(
        "decisions-latency",
        lambda: services.strategy.decisions(outcome="signal", limit=500),
    )
    return timings(orders.value or [], outcomes.value or [], decisions.value or [])
