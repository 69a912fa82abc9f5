"""Queries of the system's health."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_notification.domain.health import Seen
from trading_notification.models import HealthCheck, HealthState
from trading_system.models import ConsumerCursor, DeadLetter, JobRun, LoggedEvent

KEEP = timedelta(days=30)


class Skipped(NamedTuple):
    """Slots that no run of a job acted for, because it came too late on a day."""

    job: str
    day: date
    runs: int
    first: datetime
    last: datetime


class Health:
    """How each part is now, and each change of that."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def now(self) -> datetime:
        """Return the database's clock."""
        now: datetime = self._session.scalars(select(func.clock_timestamp())).one()
        return now

    def consumers(self) -> list[tuple[str, int, int, bool]]:
        """Return each consumer, how far it is behind, what it set aside, if paused.

        What waits behind are events of any topic: a consumer passes over those that
        are not its own, so one that keeps up is not behind.
        """
        end = self._session.scalar(select(func.max(LoggedEvent.seq))) or 0
        aside = dict(
            self._session.execute(
                select(DeadLetter.consumer, func.count())
                .where(DeadLetter.status.in_(("parked", "held", "retrying")))
                .group_by(DeadLetter.consumer)
            )
            .tuples()
            .all()
        )
        cursors = self._session.scalars(
            select(ConsumerCursor)
            .order_by(ConsumerCursor.consumer)
            .execution_options(populate_existing=True)
        )
        return [
            (
                each.consumer,
                max(end - each.last_seq, 0),
                aside.get(each.consumer, 0),
                each.paused,
            )
            for each in cursors
        ]

    def skipped(self, within: timedelta) -> list[Skipped]:
        """Return the slots that runs came too late for lately, by job and their day.

        One alone is a run that another overtook; several are an outage's.
        """
        day = func.date(func.timezone("America/New_York", JobRun.started_at))
        rows = self._session.execute(
            select(
                JobRun.job,
                day,
                func.count(),
                func.min(JobRun.scheduled_for),
                func.max(JobRun.scheduled_for),
            )
            .where(
                JobRun.status == "superseded",
                JobRun.started_at > func.clock_timestamp() - within,
            )
            .group_by(JobRun.job, day)
            .having(func.count() > 1)
            .order_by(JobRun.job, day)
        )
        return [Skipped(*row) for row in rows.tuples()]

    def state(self, component: str) -> HealthState | None:
        """Return how a part was when it was looked at last."""
        return self._session.get(HealthState, component, populate_existing=True)

    def states(self) -> list[HealthState]:
        """Return every part, in order of names."""
        return list(
            self._session.scalars(
                select(HealthState)
                .order_by(HealthState.component)
                .execution_options(populate_existing=True)
            )
        )

    def save(
        self,
        seen: Seen,
        *,
        since: datetime,
        now: datetime,
        failures: int,
        alerted: bool,
    ) -> None:
        """Store how a part is now."""
        values = {
            "status": seen.status,
            "detail": seen.detail,
            "observed_value": seen.observed_value,
            "since": since,
            "checked_at": now,
            "failures": failures,
            "alerted": alerted,
        }
        self._session.execute(
            insert(HealthState)
            .values(component=seen.component, **values)
            .on_conflict_do_update(index_elements=["component"], set_=values)
        )

    def add_change(self, seen: Seen, now: datetime) -> None:
        """Store that a part is otherwise than before, and drop what is old."""
        self._session.execute(
            delete(HealthCheck).where(HealthCheck.checked_at < now - KEEP)
        )
        self._session.add(
            HealthCheck(
                component=seen.component,
                status=seen.status,
                detail=seen.detail,
                observed_value=seen.observed_value,
                checked_at=now,
            )
        )

    def changes(self, limit: int = 100) -> list[HealthCheck]:
        """Return the latest changes, newest first."""
        return list(
            self._session.scalars(
                select(HealthCheck).order_by(HealthCheck.check_id.desc()).limit(limit)
            )
        )
