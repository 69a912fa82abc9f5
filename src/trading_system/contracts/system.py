"""What every service answers: its health, its idleness, the event log, its runs."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from trading_system.vocabulary import Instant, Model, View

Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3)]
"""A reason that goes to the audit log."""


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


class HandlingView(View):
    """How a consumer stands to an event: it has handled it, or set it aside."""

    consumer: str
    status: str
    at: Instant


class EventDetailView(EventView):
    """An event of the log, and who has handled it."""

    event_id: UUID
    key_version: int
    schema_version: int
    causation_id: UUID | None = None
    handling: list[HandlingView] = []


class ConsumerView(View):
    """How far a service has read the log.

    `behind` are the events of its topics that it has not read, `lag_seconds` the age of
    the oldest of them, `aside` what it could not handle and nobody has decided about.
    """

    consumer: str
    position: int
    end: int
    behind: int
    lag_seconds: float
    aside: int
    paused: bool
    paused_reason: str | None = None
    topics: list[str] = []


class DeadLetterView(View):
    """An event that a consumer could not handle, or that waits behind one.

    Its `status` is retrying, held, parked, replayed or discarded.
    """

    consumer: str
    event_id: UUID
    seq: int
    topic: str
    key: str
    status: str
    attempts: int
    last_error: str | None = None
    next_attempt_at: Instant | None = None
    first_failed_at: Instant
    decided_by: str | None = None
    decided_at: Instant | None = None


class DeadLetterDetailView(DeadLetterView):
    """A letter with what its event says."""

    payload: dict[str, Any]
    correlation_id: UUID | None = None


class Decision(Model):
    """A person's word on what a consumer does."""

    reason: Why


class ReplayRequest(Decision):
    """A consumer is to look again at the log; a dry run only counts."""

    from_sequence: int = Field(ge=1)
    dry_run: bool = False


class ReplayView(View):
    """What a consumer meets when it looks again at the log.

    Of the events of its topics that it `examined`, it passes over those that it has
    `handled` and those that stay `aside`; the rest is `to_handle`. `position` is where
    it stood before.
    """

    consumer: str
    from_sequence: int
    position: int
    dry_run: bool
    examined: int
    handled: int
    aside: int
    to_handle: int


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
