"""Queries of comparisons with the broker, and of holds."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_execution.models import Difference, Hold, ReconciliationRun


class Reconciliations:
    """Comparisons with the broker, and the holds they placed."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, run_id: UUID) -> ReconciliationRun:
        """Return a run."""
        return self._session.get_one(ReconciliationRun, run_id)

    def latest(self, limit: int = 1) -> list[ReconciliationRun]:
        """Return runs, newest first."""
        return list(
            self._session.scalars(
                select(ReconciliationRun)
                .order_by(ReconciliationRun.started_at.desc())
                .limit(limit)
            )
        )

    def differences(self, run_ids: Iterable[UUID]) -> dict[UUID, list[Difference]]:
        """Return the differences of each run."""
        found: dict[UUID, list[Difference]] = {}
        rows = self._session.scalars(
            select(Difference)
            .where(Difference.run_id.in_(list(run_ids)))
            .order_by(Difference.difference_id)
        )
        for row in rows:
            found.setdefault(row.run_id, []).append(row)
        return found

    def hold(self, account_id: str, symbol: str, kind: str, reason: str) -> bool:
        """Stop claims of a symbol, or of the account; say whether that is new."""
        placed = self._session.execute(
            insert(Hold)
            .values(account_id=account_id, symbol=symbol, kind=kind, reason=reason)
            .on_conflict_do_nothing()
            .returning(Hold.hold_id)
        )
        return placed.first() is not None

    def holds(self, account_id: str) -> list[Hold]:
        """Return the holds in force."""
        return list(
            self._session.scalars(
                select(Hold)
                .where(Hold.account_id == account_id, Hold.released_at.is_(None))
                .order_by(Hold.hold_id)
            )
        )

    def release(
        self,
        account_id: str,
        symbol: str,
        *,
        by: str,
        reason: str,
        kind: str | None = None,
        only: Iterable[int] | None = None,
    ) -> int:
        """Let a symbol, or the account, trade again; return how many holds ended.

        With a `kind`, or `only` some holds' ids, the others stay.
        """
        query = update(Hold).where(
            Hold.account_id == account_id,
            Hold.symbol == symbol,
            Hold.released_at.is_(None),
        )
        if kind is not None:
            query = query.where(Hold.kind == kind)
        if only is not None:
            query = query.where(Hold.hold_id.in_(only))
        ended = self._session.execute(
            query.values(
                released_at=func.clock_timestamp(),
                released_by=by,
                release_reason=reason,
            ).returning(Hold.hold_id)
        )
        return len(ended.all())
