"""One run of a flow: claim the slot, ask the service, show what it did.

After an outage Prefect starts every run it missed. The service gives the newest due
slot to one of them; the others end here as superseded and change nothing. A run that a
person starts has no slot and takes none away: it acts at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from loguru import logger
from prefect import runtime
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import BaseModel

from trading_flows.timetable import Entry
from trading_system.clients import ServiceClient, Services
from trading_system.clock import utc_now
from trading_system.config.settings import Settings
from trading_system.contracts.system import JobClaim, JobFinish
from trading_system.errors import TradingError
from trading_system.vocabulary import TradingMode

AUTO_SCHEDULED = "auto-scheduled"
"""Prefect's tag of the runs that a schedule made."""

A = TypeVar("A")


@dataclass(frozen=True)
class Slot:
    """The time that a run is for, and who runs.

    `interval` is the seconds after which another slot follows, None when none does.
    """

    job: str
    scheduled_for: datetime
    owner: str
    interval: float | None


async def run(
    entry: Entry,
    act: Callable[[Services], A],
    scheduled_for: datetime | None = None,
    then: Callable[[], Awaitable[Any]] | None = None,
) -> State[Any]:
    """Do the work of a flow once for its slot, and show it as an artifact.

    `then` starts what follows in the same run, such as the strategies after a fetch.
    """
    settings = Settings()
    slot = slot_of(entry, scheduled_for, settings.trading_mode)
    with Services(settings, acting_for=f"flow {entry.name}") as services:
        service = services.named(entry.service)
        claim = await asyncio.to_thread(
            service.claim, await asyncio.to_thread(_claim, entry, slot, services)
        )
        if not claim.claimed:
            said = f"{entry.name} for {slot.scheduled_for:%Y-%m-%d %H:%M %Z} is "
            said += "another run's" if claim.status == "taken" else "out of date"
            await show(entry.name, {"status": claim.status, "detail": said})
            return Completed(name="Superseded", message=said)
        result = await _do(act, services, service, slot)
    await show(entry.name, told(result))
    if then is not None:
        await then()
    return Completed(message=summary(result))


async def part(name: str, act: Callable[[Services], A]) -> A:
    """Do a step of another flow's run, under that run's slot."""
    with Services(Settings(), acting_for=f"flow {name}") as services:
        result = await asyncio.to_thread(act, services)
    await show(name, told(result))
    return result


async def _do(
    act: Callable[[Services], A], services: Services, service: ServiceClient, slot: Slot
) -> A:
    try:
        result = await asyncio.to_thread(act, services)
    except Exception as error:  # whatever it was, the slot is free for another run
        with suppress(TradingError):
            said = _finished(slot, "failed", f"{type(error).__name__}: {error}")
            await asyncio.to_thread(service.finish, said)
        raise
    await asyncio.to_thread(service.finish, _finished(slot, "done", summary(result)))
    return result


def _claim(entry: Entry, slot: Slot, services: Services) -> JobClaim:
    return JobClaim(
        job=slot.job,
        scheduled_for=slot.scheduled_for,
        owner=slot.owner,
        interval=slot.interval,
        now=_now(entry, services) if slot.interval else None,
    )


def _now(entry: Entry, services: Services) -> datetime | None:
    """Return the time of the clock that the entry's timetable goes by."""
    if not entry.by_market:
        return utc_now()
    try:
        return services.execution.clock().now
    except TradingError as error:
        logger.warning("market time is not known: {}", error)
        return None


def _finished(slot: Slot, status: str, said: str) -> JobFinish:
    return JobFinish(
        job=slot.job,
        scheduled_for=slot.scheduled_for,
        owner=slot.owner,
        status=status,
        summary=said[:500],
    )


def slot_of(entry: Entry, scheduled_for: datetime | None, mode: TradingMode) -> Slot:
    """Return the slot of this run: the one it was given, or its place in a schedule."""
    owner = str(runtime.flow_run.id)
    planned: datetime = runtime.flow_run.scheduled_start_time or utc_now()
    if scheduled_for is None and AUTO_SCHEDULED not in runtime.flow_run.tags:
        # Market slots and the machine's time of a person's click must not be compared.
        return Slot(f"{entry.job} on demand", planned, owner, None)
    due = scheduled_for or planned
    simulated = mode is TradingMode.SIMULATED
    if simulated and scheduled_for is not None and not entry.by_market:
        # The conductor's run of a flow whose timetable is the machine's.
        return Slot(f"{entry.job} by market time", due, owner, None)
    return Slot(entry.job, due, owner, entry.distance(due))


def slot_time(scheduled_for: datetime | None) -> datetime | None:
    """Return the time that this run of the timetable is for, None for a person's run.

    What follows in the same run is for the same time.
    """
    if scheduled_for is None and AUTO_SCHEDULED in runtime.flow_run.tags:
        planned: datetime = runtime.flow_run.scheduled_start_time
        return planned
    return scheduled_for


async def show(name: str, facts: dict[str, Any]) -> None:
    """Attach a table of what was done to the run."""
    await acreate_table_artifact(
        table=[{"what": key, "value": str(value)} for key, value in facts.items()],
        key=name.replace("_", "-"),
        description=f"What `{name}` did.",
    )


def told(result: Any) -> dict[str, Any]:
    """Return a result as the rows of its artifact."""
    if isinstance(result, BaseModel):
        return _rows(result.model_dump(mode="json"))
    if isinstance(result, dict):
        return {str(k): _short(v) for k, v in result.items()}
    if isinstance(result, list):
        rows = {"rows": len(result)}
        return rows | {str(n): _short(told(row)) for n, row in enumerate(result[:50])}
    return {"result": _short(result)}


def _rows(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts with a row of its own for each of a list's parts."""
    rows: dict[str, Any] = {}
    for key, value in facts.items():
        if isinstance(value, list) and any(isinstance(part, dict) for part in value):
            rows |= {f"{key} {n}": _short(part) for n, part in enumerate(value[:50], 1)}
        else:
            rows[key] = _short(value)
    return rows


def summary(result: Any) -> str:
    """Return a result in one line."""
    facts = told(result)
    said = facts.get("summary") or facts.get("status")
    return str(said or ", ".join(f"{k} {v}" for k, v in list(facts.items())[:6]))


def _short(value: Any) -> Any:
    text = str(value)
    return text if len(text) <= 500 else text[:497] + "..."
