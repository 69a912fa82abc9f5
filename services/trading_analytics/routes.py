"""What analytics answers over HTTP."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from trading_analytics import operations
from trading_analytics.operations.reports import Kind
from trading_analytics.repository import AnalyticsTransaction
from trading_core.money import ZERO
from trading_system.contracts.analytics import (
    AnalyticsRunResult,
    BacktestView,
    PerformanceView,
    PortfolioRow,
    PortfolioSummaryView,
    ReportView,
    RoundTripView,
    ShadowReplayView,
)
from trading_system.contracts.execution import EquityPoint
from trading_system.errors import NotFound
from trading_system.personal_tokens import TRADE
from trading_system.security import requires
from trading_system.service import in_read_only, in_transaction
from trading_system.vocabulary import Model

router = APIRouter()
Reading = Annotated[AnalyticsTransaction, in_read_only]
Writing = Annotated[AnalyticsTransaction, in_transaction]
Limit = Annotated[int, Query(ge=1, le=1000)]


def _feed(request: Request) -> str:
    feed: str = request.app.state.feed
    return feed


Feed = Annotated[str, Depends(_feed)]


class ReportRequest(Model):
    """Which report, and the day it is about; without one the last session."""

    kind: Kind = "daily"
    day: date | None = None


@router.get("/portfolio", tags=["Portfolio"], response_model=PortfolioSummaryView)
def portfolio(tx: Reading) -> PortfolioSummaryView:
    """Show the portfolio by symbol."""
    account_id = tx.account_id
    rows = tx.results.portfolio(account_id)
    return PortfolioSummaryView(
        account_id=account_id,
        total_value=sum((r.total_value for r in rows), ZERO) if rows else None,
        pnl=sum((r.pnl for r in rows), ZERO) if rows else None,
        rows=[PortfolioRow.model_validate(row) for row in rows],
        market_time=max((r.market_time for r in rows), default=None),
    )


@router.get("/equity", tags=["Portfolio"], response_model=list[EquityPoint])
def equity(tx: Reading) -> Any:
    """List the account's value at the end of each session, oldest first."""
    return tx.books.values()


@router.get("/performance", tags=["Performance"], response_model=list[PerformanceView])
def performance(
    tx: Reading, strategy: str | None = None, latest: bool = False, limit: Limit = 200
) -> Any:
    """List performance by strategy and day, newest first."""
    return tx.results.performance(strategy, latest, limit)


@router.post(
    "/performance/calculate",
    tags=["Performance"],
    response_model=AnalyticsRunResult,
    dependencies=[requires(TRADE)],
)
def calculate_performance(tx: Writing, feed: Feed) -> AnalyticsRunResult:
    """Compute the figures of every session that has a recorded account value."""
    return operations.calculate_performance(tx, feed)


@router.get("/round-trips", tags=["Trades"], response_model=list[RoundTripView])
def round_trips(
    tx: Reading,
    strategy: str | None = None,
    symbol: str | None = None,
    closed: bool | None = None,
    before: UUID | None = None,
    limit: Limit = 200,
) -> Any:
    """List trades from flat to flat, newest entry first; go on `before` the last."""
    return tx.results.round_trips(strategy, symbol, closed, limit, before)


@router.get(
    "/round-trips/by-order/{order_id}",
    tags=["Trades"],
    response_model=list[RoundTripView],
)
def round_trips_by_order(tx: Reading, order_id: UUID) -> Any:
    """List the round trips that an order opened or closed."""
    return tx.results.round_trips_of_order(order_id)


@router.get(
    "/round-trips/{round_trip_id}", tags=["Trades"], response_model=RoundTripView
)
def round_trip(tx: Reading, round_trip_id: UUID) -> Any:
    """Show one trade from flat to flat."""
    found = tx.results.round_trip(round_trip_id)
    if found is None:
        raise NotFound(f"There is no round trip {round_trip_id}.")
    return found


@router.post(
    "/trades/analyze",
    tags=["Trades"],
    response_model=AnalyticsRunResult,
    dependencies=[requires(TRADE)],
)
def analyze_trades(tx: Writing, feed: Feed) -> AnalyticsRunResult:
    """Build every round trip, its excursions and its slippage."""
    return operations.analyze_trades(tx, feed)


@router.post(
    "/reports/generate",
    tags=["Reports"],
    response_model=AnalyticsRunResult,
    dependencies=[requires(TRADE)],
)
def generate_report(tx: Writing, asked: ReportRequest) -> AnalyticsRunResult:
    """Write the report of a day, a week or a month."""
    return operations.generate_report(tx, asked.kind, asked.day)


@router.get("/reports", tags=["Reports"], response_model=list[ReportView])
def reports(tx: Reading, limit: Limit = 100) -> Any:
    """List reports, newest first."""
    return tx.results.reports(limit)


@router.post(
    "/shadow-replays",
    tags=["Reports"],
    response_model=ShadowReplayView,
    dependencies=[requires(TRADE)],
)
def store_shadow_replay(tx: Writing, replay: ShadowReplayView) -> ShadowReplayView:
    """Keep the replay of a day; a later one of the same day takes its place."""
    return operations.store_shadow_replay(tx, replay)


@router.get("/shadow-replays", tags=["Reports"], response_model=list[ShadowReplayView])
def shadow_replays(tx: Reading, limit: Limit = 100) -> list[ShadowReplayView]:
    """List days that were run again, newest first, with the gap by cause."""
    return operations.shadow_replays(tx, limit)


@router.get("/reports/{report_id}", tags=["Reports"], response_model=ReportView)
def report(tx: Reading, report_id: UUID) -> Any:
    """Show one report."""
    return tx.results.report(report_id)


@router.post(
    "/backtests",
    tags=["Backtests"],
    response_model=BacktestView,
    dependencies=[requires(TRADE)],
)
def store_backtest(tx: Writing, result: BacktestView) -> Any:
    """Keep the result of a backtest; the same inputs are the same backtest."""
    return operations.store_backtest(tx, result)


@router.get("/backtests", tags=["Backtests"], response_model=list[BacktestView])
def backtests(tx: Reading, limit: Limit = 100) -> Any:
    """List backtests, newest first."""
    return tx.results.backtests(limit)


@router.get("/backtests/{backtest_id}", tags=["Backtests"], response_model=BacktestView)
def backtest(tx: Reading, backtest_id: UUID) -> Any:
    """Show one backtest."""
    return tx.results.backtest(backtest_id)
