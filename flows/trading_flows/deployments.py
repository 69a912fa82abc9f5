"""Every flow as a deployment, with its place in the timetable."""

from collections.abc import Sequence
from typing import Any

from prefect import Flow
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Schedule
from prefect.types.entrypoint import EntrypointType
from pydantic import BaseModel

from trading_flows import analytics, execution, ingestion, notification, risk, strategy
from trading_flows.timetable import NEW_YORK, TIMETABLE, Entry
from trading_system.vocabulary import TradingMode

DEPLOYMENT = "trading"
"""The name of each flow's deployment: `fetch_market_data/trading`."""

PACKAGE = "trading_flows"

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

    In a simulated market what goes by the session is left to the conductor.
    """
    cron = entry.cron_in(mode)
    if cron is None:
        return []
    return [
        Cron(cron, timezone=NEW_YORK),
        *(
            Cron(str(also.cron), timezone=NEW_YORK, parameters={"kind": also.kind})
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


def same(wanted: RunnerDeployment, there: DeploymentResponse) -> bool:
    """Return whether Prefect has a deployment just as the timetable wants it.

    What a person changed in Prefect's pages is a difference as well.
    """
    # The version is a hash of the flow's file, and so stands for its parameters too.
    return (
        there.version == wanted.version
        and there.entrypoint == wanted.entrypoint
        and there.description == wanted.description
        and sorted(there.tags) == sorted(wanted.tags)
        and there.paused == bool(wanted.paused)
        and there.parameters == wanted.parameters
        and _plain(there.schedules) == _plain(wanted.schedules or [])
    )


def _plain(schedules: Sequence[BaseModel]) -> list[str]:
    """Return schedules in a form that can be compared, in no order of Prefect's."""
    parts = {"schedule", "active", "parameters"}
    return sorted(each.model_dump_json(include=parts) for each in schedules)
