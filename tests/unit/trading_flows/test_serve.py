"""What is registered with Prefect at a start: what changed, and nothing stale stays."""

from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment

from trading_flows.deployments import deployments, same
from trading_flows.serve import Registered, delete_stale, found, settled
from trading_system.vocabulary import TradingMode

pytestmark = pytest.mark.unit


class FakePrefect:
    """Has some deployments, and remembers which were deleted."""

    def __init__(self, *there: DeploymentResponse) -> None:
        self.there = there
        self.deleted: list[UUID] = []

    async def read_deployments(self, **asked: Any) -> list[DeploymentResponse]:
        return list(self.there)

    async def delete_deployment(self, deployment_id: UUID) -> None:
        self.deleted.append(deployment_id)


async def wanted(name: str = "archive_old_data") -> RunnerDeployment:
    found = await deployments(TradingMode.SIMULATED)
    return next(each for each in found if each.flow_name == name)


def as_prefect_has_it(deployment: RunnerDeployment, **other: Any) -> DeploymentResponse:
    """Return a deployment as Prefect gives it after it was registered."""
    schedules = [
        each.model_dump() | {"id": uuid4(), "deployment_id": uuid4()}
        for each in deployment.schedules or []
    ]
    values = {
        "id": uuid4(),
        "flow_id": uuid4(),
        "name": deployment.name,
        "version": deployment.version,
        "description": deployment.description,
        "entrypoint": deployment.entrypoint,
        "tags": list(reversed(deployment.tags)),
        "parameters": deployment.parameters,
        "paused": False,
        "schedules": schedules,
    }
    return DeploymentResponse.model_validate(values | other)


async def test_what_prefect_has_already_is_not_told_again() -> None:
    deployment = await wanted()
    assert deployment.schedules
    known = as_prefect_has_it(deployment)
    prefect = cast(PrefectClient, FakePrefect(known))
    kept: object = settled(deployment, await found(prefect))
    assert isinstance(kept, Registered)
    assert await kept.aapply() == known.id


@pytest.mark.parametrize(
    "changed",
    [
        {"version": "of another file"},
        {"description": "Something else."},
        {"tags": ["ingestion", "paper"]},
        {"parameters": {"scheduled_for": "2026-09-14T14:30:00Z"}},
        {"paused": True},
        {"schedules": []},
    ],
    ids=lambda changed: str(next(iter(changed))),
)
async def test_what_differs_in_any_way_is_registered(changed: dict[str, Any]) -> None:
    deployment = await wanted()
    known = as_prefect_has_it(deployment, **changed)
    assert settled(deployment, {str(deployment.entrypoint): known}) is deployment


async def test_a_schedule_that_somebody_changed_is_a_difference() -> None:
    deployment = await wanted()
    known = as_prefect_has_it(deployment)
    assert same(deployment, known)
    known.schedules[0].active = False
    assert not same(deployment, known)


async def test_what_is_new_is_registered() -> None:
    deployment = await wanted()
    assert settled(deployment, {}) is deployment


async def test_deployments_of_flows_that_are_no_more_are_deleted() -> None:
    deployment = await wanted()
    known = as_prefect_has_it(deployment)
    stale = as_prefect_has_it(deployment, entrypoint="trading_flows.risk.gone")
    of_others = as_prefect_has_it(deployment, entrypoint="other.flows.trade")
    fake = FakePrefect(known, stale, of_others)
    prefect = cast(PrefectClient, fake)
    await delete_stale(prefect, await found(prefect), [deployment])
    assert fake.deleted == [stale.id]
