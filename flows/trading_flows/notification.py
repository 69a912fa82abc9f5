"""Notification's flows: alerts, health, logs, and the day in one page."""

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from trading_flows import timetable
from trading_flows.run import run


@flow(name="send_trade_alerts")
async def send_trade_alerts(scheduled_for: datetime | None = None) -> State[Any]:
    """Send what could not be delivered so far."""
    return await run(
        timetable.SEND_TRADE_ALERTS, lambda s: s.notification.deliver(), scheduled_for
    )


@flow(name="monitor_system_health")
async def monitor_system_health(scheduled_for: datetime | None = None) -> State[Any]:
    """Look at services, databases, broker, disk and clocks."""
    return await run(
        timetable.MONITOR_SYSTEM_HEALTH,
        lambda s: s.notification.check_health(),
        scheduled_for,
    )


@flow(name="aggregate_logs")
async def aggregate_logs(scheduled_for: datetime | None = None) -> State[Any]:
    """Count log lines, find what repeats, drop what is too old."""
    return await run(
        timetable.AGGREGATE_LOGS,
        lambda s: s.notification.aggregate_logs(),
        scheduled_for,
    )


@flow(name="send_daily_summary")
async def send_daily_summary(scheduled_for: datetime | None = None) -> State[Any]:
    """Send the day on one page."""
    return await run(
        timetable.SEND_DAILY_SUMMARY,
        lambda s: s.notification.send_summary(),
        scheduled_for,
    )
