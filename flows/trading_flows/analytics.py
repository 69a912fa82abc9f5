"""Analytics' flows: performance, reports, trades, and backtests."""

from datetime import date, datetime
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State

from trading_flows import timetable
from trading_flows.run import run
from trading_system.clients import Services
from trading_system.contracts.analytics import AnalyticsRunResult
from trading_system.contracts.strategy import StrategyPerformanceView

PORTFOLIO = "portfolio"


@flow(name="calculate_performance")
async def calculate_performance(scheduled_for: datetime | None = None) -> State[Any]:
    """Compute performance per strategy and for the portfolio."""

    def act(services: Services) -> Any:
        result = services.analytics.calculate_performance()
        services.strategy.record_performance(
            [
                StrategyPerformanceView(
                    strategy=row.strategy,
                    date=row.date,
                    returns=row.returns,
                    sharpe_ratio=row.sharpe_ratio,
                )
                for row in services.analytics.performance(latest=True)
                if row.strategy != PORTFOLIO
            ]
        )
        return result

    return await run(timetable.CALCULATE_PERFORMANCE, act, scheduled_for)


@flow(name="generate_reports")
async def generate_reports(
    kind: Literal["daily", "weekly", "monthly"] = "daily",
    day: date | None = None,
    scheduled_for: datetime | None = None,
) -> State[Any]:
    """Write the report of a day, a week or a month."""
    return await run(
        timetable.REPORTS[kind],
        lambda s: s.analytics.generate_report(kind, day),
        scheduled_for,
    )


@flow(name="run_backtest")
async def run_backtest(
    strategy: str,
    parameters: list[dict[str, Any]] | None = None,
    start: date | None = None,
    end: date | None = None,
    symbols: list[str] | None = None,
    feed: str | None = None,
    scheduled_for: datetime | None = None,
) -> State[Any]:
    """Run a strategy over history, once for each set of parameters, to compare."""

    def act(services: Services) -> list[Any]:
        from trading_flows.backtest import backtest

        return [
            backtest(
                services,
                strategy,
                parameters=chosen,
                start=start,
                end=end,
                symbols=symbols,
                feed=feed,
            )
            for chosen in parameters or [{}]
        ]

    return await run(timetable.RUN_BACKTEST, act, scheduled_for)


@flow(name="analyze_trades")
async def analyze_trades(scheduled_for: datetime | None = None) -> State[Any]:
    """Build round trips, and run the day again on its stored bars."""

    def act(services: Services) -> AnalyticsRunResult:
        from trading_flows.shadow import replay_last_day

        result = services.analytics.analyze_trades()
        told = replay_last_day(services)
        return result.model_copy(update={"summary": f"{result.summary}; {told}"})

    return await run(timetable.ANALYZE_TRADES, act, scheduled_for)
