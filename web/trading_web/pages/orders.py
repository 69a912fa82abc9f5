"""Orders and trades: what is working, what was done, what risk refused."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.contracts.execution import OrderView
from trading_web.errors import PageRoute
from trading_web.order_states import is_open
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

TABS: Final = {
    "working": "Working",
    "history": "History",
    "executions": "Executions",
    "trades": "Round trips",
    "denied": "Denied by risk",
}
PAGE: Final = 50


@router.get("/orders")
def read_orders(
    request: Request,
    desk: OnDesk,
    tab: str = "working",
    symbol: str = "",
    strategy: str = "",
    limit: Annotated[int, Query(ge=1, le=500)] = PAGE,
) -> HTMLResponse:
    """Show one list of orders, executions, round trips or refusals."""
    services = desk.services
    tab = tab if tab in TABS else "working"
    symbol, strategy = symbol.strip().upper(), strategy.strip()
    query: dict[str, Any] = {"limit": limit, "symbol": symbol or None}
    calls: dict[str, Callable[[], list[Any]]] = {
        "working": lambda: services.execution.orders(**query | {"state": "open"}),
        "history": lambda: services.execution.orders(**query),
        "executions": lambda: services.execution.trades(**query),
        "trades": lambda: services.analytics.round_trips(**query),
        "denied": lambda: services.risk.outcomes(**query, outcome="denied"),
    }
    answer = desk.ask(f"orders-{tab}-{symbol}-{limit}", calls[tab])
    rows = [
        row
        for row in answer.value or []
        if (not symbol or row.symbol == symbol)
        and (not strategy or row.strategy == strategy)
        and _belongs(tab, row)
    ]
    return render(
        request,
        "orders.html",
        tabs=TABS,
        tab=tab,
        symbol=symbol,
        strategy=strategy,
        limit=limit,
        more=len(answer.value or []) >= limit and limit < 500,
        answer=answer,
        rows=rows[:limit],
    )


@router.get("/orders/cancel")
def read_cancel_all(request: Request, desk: OnDesk) -> HTMLResponse:
    """Show every open order before they are canceled together."""
    return render(
        request,
        "cancel_all.html",
        working=desk.ask(
            "orders-open",
            lambda: desk.services.execution.orders(state="open", limit=1000),
        ),
    )


@router.post("/orders/cancel")
def cancel_all(desk: OnDesk) -> Response:
    """Ask for every open order to be canceled; the list shows what becomes of them."""
    desk.services.execution.cancel_all()
    return RedirectResponse("/orders?tab=working", 303)


@router.post("/orders/{order_id}/cancel")
def cancel(desk: OnDesk, order_id: str) -> Response:
    """Ask for an order to be canceled; the list shows what becomes of it."""
    desk.services.execution.cancel(order_id)
    return RedirectResponse("/orders?tab=working", 303)


def _belongs(tab: str, row: Any) -> bool:
    if tab == "working":
        return isinstance(row, OrderView) and is_open(row)
    return tab != "denied" or row.outcome != "approved"
