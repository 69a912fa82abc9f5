"""Performance: how good is it, by which figures, against doing nothing?"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from itertools import pairwise
from typing import Final, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from trading_system.contracts.analytics import PerformanceView
from trading_system.contracts.execution import EquityPoint
from trading_web import formats
from trading_web.errors import PageRoute
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

PORTFOLIO: Final = "portfolio"


class Year(NamedTuple):
    """A year's returns: of each month that was traded, and of the whole."""

    year: int
    months: dict[int, float]
    total: float


@router.get("/performance")
def read_performance(request: Request, desk: OnDesk) -> HTMLResponse:
    """Show equity, monthly returns, figures with their conventions, round trips."""
    services = desk.services
    performance = desk.ask(
        "performance", lambda: services.analytics.performance(limit=200)
    )
    equity = desk.ask("equity-all", services.execution.equity)
    trips = desk.ask("trips-50", lambda: services.analytics.round_trips(limit=50))
    return render(
        request,
        "performance.html",
        performance=performance,
        latest=lambda: latest_of(performance.value or []),
        equity=equity,
        years=lambda: monthly(equity.value or []),
        trips=trips,
    )


def latest_of(days: Iterable[PerformanceView]) -> list[PerformanceView]:
    """Return the newest day of each strategy, the portfolio first."""
    newest: dict[str, PerformanceView] = {}
    for day in days:
        known = newest.get(day.strategy)
        if known is None or day.date > known.date:
            newest[day.strategy] = day
    return sorted(
        newest.values(), key=lambda day: (day.strategy != PORTFOLIO, day.strategy)
    )


def monthly(points: Iterable[EquityPoint]) -> list[Year]:
    """Return the return of each month, newest year first.

    A month runs from the last value before it; the first from the first value there is.
    """
    closes: dict[date, float] = {}
    first: float | None = None
    for point in points:
        first = float(point.equity) if first is None else first
        day = point.market_time.astimezone(formats.NEW_YORK).date()
        closes[day.replace(day=1)] = float(point.equity)
    if first is None:
        return []
    ends = [first, *closes.values()]
    years: dict[int, dict[int, float]] = defaultdict(dict)
    for month, (before, after) in zip(closes, pairwise(ends), strict=True):
        if before:
            years[month.year][month.month] = after / before - 1
    return [
        Year(year, months, _joined(months.values()))
        for year, months in sorted(years.items(), reverse=True)
    ]


def _joined(returns: Iterable[float]) -> float:
    grown = 1.0
    for each in returns:
        grown *= 1 + each
    return grown - 1
