"""Every flow as a deployment, with its place in the timetable."""

from typing import Any

from prefect import Flow
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Schedule
from prefect.types.entrypoint import EntrypointType

from trading_flows import analytics, execution, ingestion, notification, risk, strategy
from trading_flows.timetable import SESSION, TIMETABLE, Entry
from trading_system.vocabulary import TradingMode

NEW_YORK = "America/New_York"
DEPLOYMENT = "trading"
"""The name of each flow's deployment: `fetch_market_data/trading`."""

MODULES = (ingestion, strategy, execution, risk, analytics, notification)


def flow_of(entry: Entry) -> Flow[Any, Any]:
    """Return the flow of an entry of the timetable."""
    for module in MODULES:
        found = getattr(module, entry.name, None)
        if isinstance(found, Flow):
            return found
    raise LookupError(f"No module has the flow {entry.name}.")


def schedules_of(entry: Entry, mode: TradingMode) -> list[Schedule]:
    """Return when an entry runs in a mode; empty when only others start it.

    A simulated market has sessions at any hour, so there the safety nets run around
    the clock, and what goes by the market is left to the conductor.
    """
    simulated = mode is TradingMode.SIMULATED
    if entry.cron is None or (simulated and entry.by_market):
        return []
    cron = entry.cron
    if simulated:
        cron = cron.replace(f" {SESSION} * * 1-5", " * * * *")
    return [
        Cron(cron, timezone=NEW_YORK),
        *(
            Cron(also.cron, timezone=NEW_YORK, parameters=dict(also.parameters))
            for also in entry.also
        ),
    ]


async def deployments(mode: TradingMode) -> list[RunnerDeployment]:
    """Return every deployment for a trading mode."""
    return [
        await flow_of(entry).ato_deployment(
            name=DEPLOYMENT,
            schedules=schedules_of(entry, mode),
            description=flow_of(entry).__doc__,
            tags=[str(entry.service), str(mode)],
            # By module: the runner must find it wherever it was started.
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        for entry in TIMETABLE
    ]
