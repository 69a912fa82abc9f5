"""Strategy's flows: indicators, signals, decisions, and history."""

from datetime import date, datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from trading_flows import timetable
from trading_flows.run import run
from trading_system.clients import Services


@flow(name="run_strategy")
async def run_strategy(scheduled_for: datetime | None = None) -> State[Any]:
    """Let every enabled strategy decide on the bars that have no decision yet."""
    return await run(
        timetable.RUN_STRATEGY,
        lambda services: services.strategy.run(scheduled_for),
        scheduled_for,
    )


@flow(name="calculate_indicators")
async def calculate_indicators(
    strategy: str | None = None, scheduled_for: datetime | None = None
) -> State[Any]:
    """Compute indicators on stored bars, of one strategy or of every enabled one."""

    def act(services: Services) -> list[Any]:
        names = [strategy] if strategy else enabled_strategies(services)
        return [row for n in names for row in services.strategy.indicators(n)]

    return await run(timetable.CALCULATE_INDICATORS, act, scheduled_for)


@flow(name="generate_signals")
async def generate_signals(
    strategy: str | None = None, scheduled_for: datetime | None = None
) -> State[Any]:
    """Decide on stored bars that a strategy has not decided on."""

    def act(services: Services) -> list[Any]:
        names = [strategy] if strategy else enabled_strategies(services)
        return [services.strategy.generate_signals(name) for name in names]

    return await run(timetable.GENERATE_SIGNALS, act, scheduled_for)


@flow(name="backtest_strategy")
async def backtest_strategy(
    strategy: str | None = None,
    start: date | None = None,
    end: date | None = None,
    scheduled_for: datetime | None = None,
) -> State[Any]:
    """Run one strategy, or every enabled one, over history."""

    def act(services: Services) -> list[Any]:
        from trading_flows.backtest import backtest

        names = [strategy] if strategy else enabled_strategies(services)
        return [backtest(services, name, start=start, end=end) for name in names]

    return await run(timetable.BACKTEST_STRATEGY, act, scheduled_for)


def enabled_strategies(services: Services) -> list[str]:
    """Return the names of the strategies that are enabled."""
    return [s.name for s in services.strategy.strategies() if s.status == "enabled"]
