"""Portfolio: what do I own, how am I doing today, is anything wrong?"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import Final, Literal, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.contracts.execution import EquityPoint, TradeView
from trading_system.contracts.ingestion import BarView
from trading_system.contracts.risk import RiskOutcomeView
from trading_system.vocabulary import TradingMode
from trading_web import formats
from trading_web.cells import Cells, account_cells, position_cells
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.figures import Figure, equity_figure, equity_rows
from trading_web.order_states import is_open
from trading_web.pages.export import as_file
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

RANGES: Final = {
    "1D": timedelta(days=1),
    "1W": timedelta(days=7),
    "1M": timedelta(days=31),
    "3M": timedelta(days=92),
    "1Y": timedelta(days=366),
    "All": None,
}
BENCHMARK: Final = "SPY"
MOST_POINTS: Final = 1500
WELCOME: Final = "trading_welcome"
YEAR: Final = 365 * 24 * 3600


class Happening(NamedTuple):
    """A line of the activity list."""

    at: datetime
    what: str
    tone: str
    link: str


class Gap(NamedTuple):
    """Symbols that the newest bar is not there of."""

    missing: int
    symbols: int
    bar_end: datetime


@router.get("/")
def read_portfolio(request: Request, desk: OnDesk, range: str = "1W") -> HTMLResponse:
    """Show account, positions, working orders and what happened last."""
    services = desk.services
    account = desk.ask("account", services.execution.account)
    positions = desk.ask("positions", services.execution.positions)
    strategies = desk.ask("strategies", services.strategy.strategies)
    orders = desk.ask("orders-40", lambda: services.execution.orders(limit=40))
    trades = desk.ask("trades-20", lambda: services.execution.trades(limit=20))
    outcomes = desk.ask("outcomes-20", lambda: services.risk.outcomes(limit=40))
    universe = desk.ask("universe", services.ingestion.universe)
    latest = desk.ask("latest-bars", services.ingestion.latest)

    @cache
    def cells() -> Cells:
        equity = account.value.equity if account.value else None
        moving = position_cells(positions.value or [], equity)
        return account_cells(account.value) | moving

    # What only one section shows is worked out when that section is written.
    return render(
        request,
        "portfolio.html",
        account=account,
        positions=positions,
        strategies=strategies,
        orders=orders,
        cells=cells,
        working=lambda: [o for o in orders.value or [] if is_open(o)][:8],
        activity=lambda: _activity(trades.value or [], outcomes.value or []),
        activity_problem=lambda: trades.problem or outcomes.problem,
        welcomes=lambda: _welcomes(request, desk) and not trades.problem,
        trades=trades,
        missing=lambda: _gap(universe.value or [], latest.value or []),
        range=range if range in RANGES else "1W",
        ranges=RANGES,
    )


def _gap(universe: list[str], latest: list[BarView]) -> Gap | None:
    """Return what is missing of the newest bar, None when all of it is there."""
    if not universe or not latest:
        return None
    newest = max(bar.bar_end for bar in latest)
    here = {bar.symbol for bar in latest if bar.bar_end == newest}
    count = len(set(universe) - here)
    return Gap(count, len(universe), newest) if count else None


@router.post("/welcome/hide")
def hide_welcome() -> Response:
    """Show no welcome in this browser any more."""
    answer = RedirectResponse("/", 303)
    answer.set_cookie(WELCOME, "hidden", max_age=YEAR, httponly=True, samesite="strict")
    return answer


@router.get("/figures/equity")
def read_equity(desk: OnDesk, range: str = "1W") -> Figure:
    """Return the equity chart of a range that ends now, in market time."""
    points = thinned(recorded(desk, range))
    return equity_figure(points, _held(desk, points), revision=f"equity-{range}")


@router.get("/files/equity.{kind}")
def read_equity_file(
    desk: OnDesk, kind: Literal["csv", "json"], range: str = "1W"
) -> Response:
    """Return every recorded value of a range, with benchmark and drawdown."""
    points = recorded(desk, range)
    return as_file("equity", kind, equity_rows(points, _held(desk, points)))


def recorded(desk: Desk, range: str) -> list[EquityPoint]:
    """Return the account's values of a range that ends now, in market time."""
    execution = desk.services.execution
    span = RANGES.get(range, RANGES["1W"])
    start = execution.clock().now - span if span else None
    return execution.equity(start, None, limit=50_000)


def _held(desk: Desk, points: list[EquityPoint]) -> list[BarView]:
    if not points:
        return []
    # From a few days before, so that the first point has a price to stand on.
    since = points[0].market_time - timedelta(days=5)
    return desk.services.ingestion.bars(BENCHMARK, start=since, limit=10_000)


def _welcomes(request: Request, desk: Desk) -> bool:
    """Say whether to explain the system; a paper or live account needs it no more."""
    is_simulated = desk.mode is TradingMode.SIMULATED
    return is_simulated and request.cookies.get(WELCOME) != "hidden"


def thinned(points: list[EquityPoint]) -> list[EquityPoint]:
    """Keep every n-th point and the last, so that a long range stays quick."""
    step = len(points) // MOST_POINTS + 1
    return points if step == 1 else points[:-1:step] + points[-1:]


def _activity(
    trades: Iterable[TradeView], outcomes: Iterable[RiskOutcomeView]
) -> list[Happening]:
    lines = [
        Happening(
            trade.timestamp,
            f"{'Bought' if trade.side == 'buy' else 'Sold'} "
            f"{formats.quantity(trade.quantity)} {trade.symbol} "
            f"at {formats.price(trade.price)}",
            "up" if trade.side == "buy" else "down",
            f"/explain/order/{trade.order_id}",
        )
        for trade in trades
    ]
    for outcome in outcomes:
        # Said again on every bar while a position is held: no news.
        if outcome.code == "AT_TARGET":
            continue
        approved = outcome.outcome == "approved"
        said = f"{outcome.side.capitalize()} {outcome.symbol}"
        amount = formats.quantity(outcome.quantity)
        what = f"{said}: approved, {amount} shares" if approved else ""
        lines.append(
            Happening(
                outcome.market_time,
                what or f"{said}: denied, {outcome.detail}",
                "ok" if approved else "quiet",
                f"/explain/signal/{outcome.signal_id}",
            )
        )
    return sorted(lines, key=lambda line: line.at, reverse=True)[:20]
