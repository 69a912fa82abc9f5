"""The quality log."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_ingestion.domain.finding import Finding
from trading_ingestion.models import QualityLog


class QualityLogs:
    """What checks found, once each."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        findings: Iterable[Finding],
        *,
        timeframe: str,
        feed: str,
        market_time: datetime,
    ) -> list[Finding]:
        """Log findings; return those that were not logged before."""
        found = list(findings)
        if not found:
            return []
        rows = [
            {
                "check_type": one.check_type,
                "status": str(one.status),
                "message": one.message,
                "symbol": one.symbol,
                "bar_timestamp": one.bar_timestamp,
                "revision": one.revision,
                "timeframe": timeframe,
                "feed": feed,
                "market_time": market_time,
            }
            for one in found
        ]
        fresh = self._session.execute(
            insert(QualityLog)
            .on_conflict_do_nothing()
            .returning(
                QualityLog.check_type,
                QualityLog.symbol,
                QualityLog.bar_timestamp,
                QualityLog.revision,
            ),
            rows,
        )
        keys = {tuple(row) for row in fresh}
        return [
            one
            for one in found
            if (one.check_type, one.symbol, one.bar_timestamp, one.revision) in keys
        ]

    def listed(
        self, *, symbol: str | None, status: str | None, before: int | None, limit: int
    ) -> list[QualityLog]:
        """Return the newest rows, newest first."""
        query = select(QualityLog).order_by(QualityLog.log_id.desc()).limit(limit)
        if symbol is not None:
            query = query.where(QualityLog.symbol == symbol)
        if status is not None:
            query = query.where(QualityLog.status == status)
        if before is not None:
            query = query.where(QualityLog.log_id < before)
        return list(self._session.scalars(query))
