"""Queries of the system's log."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_notification.models import LogProgress, LogSummary
from trading_system.models import SystemLog

LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
TOLD = ("WARNING", "ERROR", "CRITICAL")
"""Levels whose messages are summed up by what they say."""

MOST_LINES = 20_000
"""Lines of one hour that patterns are made of; a flood is counted but not read."""


class Logs:
    """Lines of the log and what they were summed up to."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def recent(
        self,
        *,
        service: str | None = None,
        level: str | None = None,
        correlation_id: UUID | None = None,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[SystemLog]:
        """Return lines, newest first; `level` is the least that is shown."""
        query = select(SystemLog)
        if service:
            query = query.where(SystemLog.service == service)
        if level:
            query = query.where(SystemLog.level.in_(LEVELS[LEVELS.index(level) :]))
        if correlation_id:
            query = query.where(SystemLog.correlation_id == correlation_id)
        if after is not None:
            query = query.where(SystemLog.log_id > after)
        if before is not None:
            place = tuple_(SystemLog.timestamp, SystemLog.log_id)
            written = select(SystemLog.timestamp).where(SystemLog.log_id == before)
            query = query.where(place < (self._session.scalar(written), before))
        query = query.order_by(SystemLog.timestamp.desc(), SystemLog.log_id.desc())
        return list(self._session.scalars(query.limit(limit)))

    def first_hour(self) -> datetime | None:
        """Return the hour of the oldest line, if there is one."""
        return self._session.scalar(
            select(func.date_trunc("hour", func.min(SystemLog.timestamp)))
        )

    def summarized_until(self) -> datetime | None:
        """Return up to where the log has been summed up, locked."""
        row = self._session.scalar(select(LogProgress).with_for_update())
        return None if row is None else row.summarized_until

    def set_summarized_until(self, moment: datetime) -> None:
        """Note up to where the log has been summed up."""
        self._session.execute(
            insert(LogProgress)
            .values(one=True, summarized_until=moment)
            .on_conflict_do_update(
                index_elements=["one"], set_={"summarized_until": moment}
            )
        )

    def counts(self, start: datetime, end: datetime) -> list[tuple[Any, ...]]:
        """Return hour, service, level and number of lines, from start to before end."""
        hour = func.date_trunc("hour", SystemLog.timestamp)
        rows = self._session.execute(
            select(hour, SystemLog.service, SystemLog.level, func.count())
            .where(SystemLog.timestamp >= start, SystemLog.timestamp < end)
            .group_by(hour, SystemLog.service, SystemLog.level)
            .order_by(hour, SystemLog.service, SystemLog.level)
        )
        return [tuple(row) for row in rows]

    def messages(
        self, start: datetime, end: datetime, service: str, level: str
    ) -> Iterable[str]:
        """Return the messages of a service and level."""
        return self._session.scalars(
            select(SystemLog.message)
            .where(
                SystemLog.timestamp >= start,
                SystemLog.timestamp < end,
                SystemLog.service == service,
                SystemLog.level == level,
            )
            .limit(MOST_LINES)
        ).all()

    def add_summary(self, **values: Any) -> bool:
        """Store the sum of an hour; say whether it was new."""
        added = self._session.scalar(
            insert(LogSummary)
            .values(**values)
            .on_conflict_do_nothing()
            .returning(LogSummary.hour)
        )
        return added is not None

    def summaries(self, since: datetime, limit: int = 1000) -> list[LogSummary]:
        """Return sums of hours, newest first."""
        return list(
            self._session.scalars(
                select(LogSummary)
                .where(LogSummary.hour >= since)
                .order_by(LogSummary.hour.desc(), LogSummary.service, LogSummary.level)
                .limit(limit)
            )
        )

    def keep(self, days: int) -> dict[str, Any]:
        """Make the months to come, drop what is too old, and return what was done."""
        kept = self._session.scalar(
            text("select notification.keep_logs(:days)"), {"days": days}
        )
        return dict(kept or {})
