"""Explain: why did it buy, sell, or do nothing on this bar?"""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system import explanation
from trading_system.contracts.strategy import DecisionView
from trading_system.errors import NotFound
from trading_system.explanation import Explanation
from trading_web import formats
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.explanation import around, shown
from trading_web.figures import Figure, bar_figure
from trading_web.pages.export import as_file
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)


@router.get("/explain")
def read_decisions(
    request: Request,
    desk: OnDesk,
    symbol: str = "",
    outcome: str = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 60,
) -> HTMLResponse:
    """List what strategies decided, also where they decided to do nothing."""
    symbol = symbol.strip().upper()
    query = {"symbol": symbol or None, "outcome": outcome or None, "limit": limit}
    decisions = desk.ask(
        f"decisions-{symbol}-{outcome}-{limit}",
        lambda: desk.services.strategy.decisions(**query),
    )
    return render(
        request,
        "decisions.html",
        decisions=decisions,
        symbol=symbol,
        outcome=outcome,
        limit=limit,
    )


@router.get("/explain/order/{order_id}")
def explain_order(desk: OnDesk, order_id: UUID) -> Response:
    """Go to the decision that an order came from; a person's order has none."""
    order = desk.services.execution.order(order_id)
    if order.signal_id is None:
        return RedirectResponse(f"/explain/{order_id}", 303)
    return explain_signal(desk, order.signal_id)


@router.get("/explain/signal/{signal_id}")
def explain_signal(desk: OnDesk, signal_id: UUID) -> Response:
    """Go to the decision that a signal came from; a person's signal has none."""
    try:
        known = desk.services.strategy.signal(signal_id).decision_id
    except NotFound:
        known = signal_id
    return RedirectResponse(f"/explain/{known}", 303)


@router.get("/explain/{known}")
def explain(request: Request, desk: OnDesk, known: UUID) -> HTMLResponse:
    """Show the chain from the bar to the profit, step by step."""
    found = explanation.explain(desk.services, str(known))
    about = found.decision or found.order or found.outcome
    if about is None:
        raise NotFound(f"Nothing is known to be behind {known}.")
    return render(
        request,
        "explain.html",
        found=found,
        decision=found.decision,
        symbol=about.symbol,
        sentence=formats.minus_signs(found.sentence),
        steps=shown(found),
    )


def _explained(desk: Desk, known: UUID) -> tuple[Explanation, DecisionView]:
    found = explanation.explain(desk.services, str(known))
    if found.decision is None:
        raise NotFound(f"No decision of a strategy is known to be behind {known}.")
    return found, found.decision


@router.get("/figures/decision/{decision_id}")
def read_decision_figure(desk: OnDesk, decision_id: UUID) -> Figure:
    """Return the bars around a decision, with what followed from it."""
    found, decision = _explained(desk, decision_id)
    bars = around(desk, found, decision)
    scores = desk.ask(
        f"scores-{decision_id}",
        lambda: desk.services.strategy.decisions(
            symbol=decision.symbol,
            strategy=decision.strategy,
            from_=bars[0].timestamp if bars else None,
            to=bars[-1].bar_end if bars else None,
            limit=200,
        ),
    )
    return bar_figure(
        bars,
        [decision],
        [found.outcome] if found.outcome else [],
        [],
        found.trades,
        revision=str(decision_id),
        shown=len(bars),
        scores=scores.value or [],
        decided_at=decision.bar_end,
    )


@router.get("/files/decision/{decision_id}.{kind}")
def read_decision_file(
    desk: OnDesk, decision_id: UUID, kind: Literal["csv", "json"]
) -> Response:
    """Return the bars around a decision as a file."""
    found, decision = _explained(desk, decision_id)
    return as_file(f"{decision.symbol}-bars", kind, around(desk, found, decision))
