"""The runner of all flows: `python -m trading_flows.serve`."""

import asyncio
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from prefect import aserve
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment

from trading_flows.deployments import DEPLOYMENT, PACKAGE, deployments, same
from trading_system import logging as log
from trading_system.config.settings import Settings
from trading_system.vocabulary import TradingMode

AT_ONCE = 2
"""Runs at the same time: each is an interpreter of its own."""


@dataclass(frozen=True)
class Registered:
    """A deployment that Prefect has as it shall be: `aserve` need not tell it again."""

    id: UUID
    name: str
    storage: None = None

    async def aapply(self) -> UUID:
        """Return the id that a registration would give."""
        return self.id


def main() -> None:
    """Register what changed and run what becomes due, until stopped."""
    settings = Settings()
    log.configure("flows", settings)
    asyncio.run(_serve(settings.trading_mode))


async def _serve(mode: TradingMode) -> None:
    wanted = await deployments(mode)
    async with get_client() as client:
        there = await found(client)
        await delete_stale(client, there, wanted)
    # Schedules stay in place while the runner is away: what was missed then runs late,
    # and the services tell old slots that they are out of date.
    await aserve(
        *(settled(each, there) for each in wanted),
        limit=AT_ONCE,
        pause_on_shutdown=False,
        print_starting_message=False,
    )


async def found(client: PrefectClient) -> dict[str, DeploymentResponse]:
    """Return our deployments that Prefect has, each under the place of its flow."""
    named = DeploymentFilterName(any_=[DEPLOYMENT])
    there = await client.read_deployments(
        deployment_filter=DeploymentFilter(name=named), limit=200
    )
    # A Prefect of the user's own may have others of the name.
    return {
        str(each.entrypoint): each
        for each in there
        if str(each.entrypoint).startswith(f"{PACKAGE}.")
    }


async def delete_stale(
    client: PrefectClient,
    there: dict[str, DeploymentResponse],
    wanted: list[RunnerDeployment],
) -> None:
    """Delete the deployments of flows that are no more, or elsewhere."""
    for place in there.keys() - {each.entrypoint for each in wanted}:
        await client.delete_deployment(there[place].id)


def settled(
    wanted: RunnerDeployment, there: dict[str, DeploymentResponse]
) -> RunnerDeployment:
    """Return a deployment to register, or the one that needs no registration."""
    known = there.get(str(wanted.entrypoint))
    if known is None or not same(wanted, known):
        return wanted
    # A registration takes Prefect a tenth of a second, and there are two dozen.
    return cast(RunnerDeployment, Registered(known.id, known.name))


if __name__ == "__main__":
    main()
