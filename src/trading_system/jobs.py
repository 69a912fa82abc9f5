"""Scheduled runs: each slot belongs to one run, and old slots do not act.

After an outage a scheduler starts every run it missed. The newest due slot goes to one
of them; the others are told that they were superseded.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from trading_system.contracts.system import JobClaim, JobFinish, JobView
from trading_system.database import Transaction
from trading_system.errors import Conflict
from trading_system.models import JobRun

LEASE = timedelta(minutes=5)


def claim(tx: Transaction, asked: JobClaim) -> JobView:
    """Give the slot to the run, or say who has it or that it is out of date."""
    newest = tx.session.scalar(
        select(func.max(JobRun.scheduled_for)).where(JobRun.job == asked.job)
    )
    if _superseded(asked, newest):
        _record(tx, asked, "superseded")
        return _view(asked, "superseded", 0, claimed=False)
    lease = func.clock_timestamp() + LEASE
    attempt = tx.session.scalar(
        insert(JobRun)
        .values(
            job=asked.job,
            scheduled_for=asked.scheduled_for,
            owner=asked.owner,
            lease_until=lease,
        )
        .on_conflict_do_update(
            index_elements=["job", "scheduled_for"],
            set_={
                "owner": asked.owner,
                "attempt": JobRun.attempt + 1,
                "lease_until": lease,
                "status": "running",
            },
            where=(JobRun.status == "failed")
            | (
                (JobRun.status == "running")
                & (
                    (JobRun.lease_until < func.clock_timestamp())
                    | (JobRun.owner == asked.owner)
                )
            ),
        )
        .returning(JobRun.attempt)
    )
    if attempt is None:
        return _view(asked, "taken", 0, claimed=False)
    return _view(asked, "running", attempt, claimed=True)


def finish(tx: Transaction, done: JobFinish) -> JobView:
    """Record how a run ended."""
    if done.status not in ("done", "failed"):
        raise Conflict(f"A run ends done or failed, not {done.status}.")
    tx.session.execute(
        update(JobRun)
        .where(
            JobRun.job == done.job,
            JobRun.scheduled_for == done.scheduled_for,
            JobRun.owner == done.owner,
        )
        .values(
            status=done.status,
            summary=done.summary,
            finished_at=text("clock_timestamp()"),
        )
    )
    return JobView(
        job=done.job,
        scheduled_for=done.scheduled_for,
        status=done.status,
        attempt=0,
        summary=done.summary,
    )


def recent(tx: Transaction, limit: int = 50) -> list[JobRun]:
    """Return the latest runs, newest first."""
    query = select(JobRun).order_by(JobRun.started_at.desc()).limit(limit)
    return list(tx.session.scalars(query))


def _superseded(asked: JobClaim, newest: datetime | None) -> bool:
    if newest is not None and newest > asked.scheduled_for:
        return True
    if asked.interval is None or asked.now is None:
        return False
    return asked.scheduled_for + timedelta(seconds=asked.interval) <= asked.now


def _record(tx: Transaction, asked: JobClaim, status: str) -> None:
    tx.session.execute(
        insert(JobRun)
        .values(
            job=asked.job,
            scheduled_for=asked.scheduled_for,
            owner=asked.owner,
            lease_until=text("clock_timestamp()"),
            status=status,
        )
        .on_conflict_do_nothing()
    )


def _view(asked: JobClaim, status: str, attempt: int, *, claimed: bool) -> JobView:
    return JobView(
        job=asked.job,
        scheduled_for=asked.scheduled_for,
        status=status,
        attempt=attempt,
        claimed=claimed,
    )
