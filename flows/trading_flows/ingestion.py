"""Ingestion's flows: bars come in, are checked, and go to the archive."""

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from trading_flows import timetable
from trading_flows.run import part, run
from trading_flows.strategy import run_strategy


@flow(name="fetch_market_data")
async def fetch_market_data(scheduled_for: datetime | None = None) -> State[Any]:
    """Fetch the bars that are due, check them, and let the strategies decide."""
    due = scheduled_for

    async def follow() -> None:
        await part("validate_data_quality", lambda s: s.ingestion.validate())
        await run_strategy(scheduled_for=due)

    return await run(
        timetable.FETCH_MARKET_DATA,
        lambda services: services.ingestion.fetch(due),
        due,
        then=follow,
    )


@flow(name="validate_data_quality")
async def validate_data_quality(
    scheduled_for: datetime | None = None, since: datetime | None = None
) -> State[Any]:
    """Check stored bars against the calendar and the rules."""
    return await run(
        timetable.VALIDATE_DATA_QUALITY,
        lambda services: services.ingestion.validate(since),
        scheduled_for,
    )


@flow(name="archive_old_data")
async def archive_old_data(scheduled_for: datetime | None = None) -> State[Any]:
    """Move old bars and logs to Parquet, verified before anything is deleted."""
    return await run(
        timetable.ARCHIVE_OLD_DATA,
        lambda services: services.ingestion.archive(),
        scheduled_for,
    )
