"""Risk's flows: signals without an outcome, and the portfolio against its limits."""

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from trading_flows import timetable
from trading_flows.run import run, slot_time


@flow(name="calculate_position_size")
async def calculate_position_size(
    scheduled_for: datetime | None = None,
) -> State[Any]:
    """Size the signals that have no outcome yet."""
    return await run(
        timetable.CALCULATE_POSITION_SIZE, lambda s: s.risk.size(), scheduled_for
    )


@flow(name="validate_risk_limits")
async def validate_risk_limits(scheduled_for: datetime | None = None) -> State[Any]:
    """Decide on signals that have no outcome yet.

    By the timetable `monitor_portfolio_risk` follows in the same run, whatever becomes
    of this part.
    """
    slot = slot_time(scheduled_for)
    try:
        return await run(
            timetable.VALIDATE_RISK_LIMITS, lambda s: s.risk.validate(), scheduled_for
        )
    finally:
        if slot is not None:
            await monitor_portfolio_risk(scheduled_for=slot)


@flow(name="generate_risk_alerts")
async def generate_risk_alerts(scheduled_for: datetime | None = None) -> State[Any]:
    """Say what is near a limit or over it."""
    return await run(
        timetable.GENERATE_RISK_ALERTS, lambda s: s.risk.alerts(), scheduled_for
    )


@flow(name="monitor_portfolio_risk")
async def monitor_portfolio_risk(scheduled_for: datetime | None = None) -> State[Any]:
    """Measure exposure, drawdown and value at risk; then raise alerts."""

    async def follow() -> None:
        await generate_risk_alerts(scheduled_for=scheduled_for)

    return await run(
        timetable.MONITOR_PORTFOLIO_RISK,
        lambda s: s.risk.monitor(),
        scheduled_for,
        then=follow,
    )
