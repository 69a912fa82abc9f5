"""What every service answers: its health, its idleness, the event log, its runs."""

from datetime import date
from typing import Any
from uuid import UUID

from trading_system.vocabulary import Instant, Model, View


class CheckView(View):
    """One thing a service depends on, or does, and how it is."""

    component: str
    status: str
    output: str
    time: Instant


class HealthView(View):
    """How a service is: pass, warn or fail, with what was looked at."""

    status: str
    service: str
    version: str
    instance: str
    checks: list[CheckView]


class IdleView(View):
    """Whether a service has nothing to do, at which point of the event log."""

    idle: bool
    sequence: int
    waiting_for: list[str]


class IdentityView(View):
    """Something that must hold in a service's books, and what breaks it.

    `counted` is what it was asked of, `broken` how many of them break it, `examples`
    the first few of those.
    """

    name: str
    counted: int
    broken: int
    examples: list[str] = []
    remedy: str


class EventView(View):
    """An event of the log."""

    seq: int
    topic: str
    key: str
    payload: dict[str, Any]
    correlation_id: UUID | None = None
    producer: str
    occurred_at: Instant


class JobClaim(Model):
    """A run that asks for its slot.

    `interval` is the timetable's, in seconds, and `now` the time of the clock that the
    timetable goes by: with both, a slot that has been followed by another is told so.
    """

    job: str
    scheduled_for: Instant
    owner: str
    interval: float | None = None
    now: Instant | None = None


class JobFinish(Model):
    """A run that is over."""

    job: str
    scheduled_for: Instant
    owner: str
    status: str
    summary: str = ""


class JobView(View):
    """A slot, and whether the asking run may act on it."""

    job: str
    scheduled_for: Instant
    status: str
    attempt: int
    claimed: bool = True
    summary: str | None = None


class AuditView(View):
    """One line of the audit log: who did what to which row, and why."""

    audit_id: int
    at: Instant
    user_id: str
    db_role: str
    table_name: str
    operation: str
    old_values: dict[str, Any] | None
    new_values: dict[str, Any] | None
    reason: str | None


class SessionView(View):
    """A session of the exchange: its date in New York, its open and its close."""

    day: date
    open: Instant
    close: Instant
