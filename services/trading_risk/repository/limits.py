"""Queries of limits."""

from collections.abc import Mapping
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_risk.models import RiskLimit, RiskLimitHistory
from trading_system.clock import utc_now


class RiskLimits:
    """The limits of one account, of every scope."""

    def __init__(self, session: Session, account_id: str) -> None:
        self._session = session
        self._account_id = account_id

    def all(self) -> list[RiskLimit]:
        """Return every limit in force, the account's first."""
        return list(
            self._session.scalars(
                select(RiskLimit)
                .where(RiskLimit.account_id == self._account_id)
                .order_by(RiskLimit.scope, RiskLimit.scope_id, RiskLimit.limit_type)
                .execution_options(populate_existing=True)
            )
        )

    def lock(self, scope: str, scope_id: str, limit_type: str) -> RiskLimit | None:
        """Return a limit, locked until the transaction ends."""
        return self._session.scalar(
            select(RiskLimit)
            .where(
                RiskLimit.account_id == self._account_id,
                RiskLimit.scope == scope,
                RiskLimit.scope_id == scope_id,
                RiskLimit.limit_type == limit_type,
            )
            .with_for_update()
            .execution_options(populate_existing=True)
        )

    def add(
        self,
        scope: str,
        scope_id: str,
        limit_type: str,
        value: Decimal,
        *,
        version: int,
        source: str,
        reason: str,
        by: str,
    ) -> None:
        """Add a limit that was not there."""
        self._session.add(
            RiskLimit(
                account_id=self._account_id,
                scope=scope,
                scope_id=scope_id,
                limit_type=limit_type,
                limit_value=value,
                version=version,
                source=source,
                reason=reason,
                updated_by=by,
            )
        )
        self._session.flush()

    def change(
        self, limit: RiskLimit, value: Decimal, *, source: str, reason: str, by: str
    ) -> None:
        """Give a locked limit another value, as its next version."""
        limit.limit_value = value
        limit.version += 1
        limit.source = source
        limit.reason = reason
        limit.updated_by = by
        limit.updated_at = utc_now()
        self._session.flush()

    def last_version(self, scope: str, scope_id: str, limit_type: str) -> int:
        """Return the highest version a limit ever had, 0 when it never was there."""
        found = self._session.scalar(
            select(func.max(RiskLimitHistory.version)).where(
                RiskLimitHistory.account_id == self._account_id,
                RiskLimitHistory.scope == scope,
                RiskLimitHistory.scope_id == scope_id,
                RiskLimitHistory.limit_type == limit_type,
            )
        )
        return found or 0

    def remove(self, limit: RiskLimit) -> None:
        """Take a limit out of force."""
        self._session.delete(limit)
        self._session.flush()

    def seed(self, values: Mapping[str, Decimal]) -> list[str]:
        """Give the account each limit that it never had, and return which."""
        known = set(
            self._session.scalars(
                select(RiskLimitHistory.limit_type).where(
                    RiskLimitHistory.account_id == self._account_id,
                    RiskLimitHistory.scope == "account",
                )
            )
        )
        rows = [
            {
                "account_id": self._account_id,
                "scope": "account",
                "scope_id": "",
                "limit_type": limit_type,
                "limit_value": value,
                "source": "seed",
                "reason": "first start",
                "updated_by": "risk",
            }
            for limit_type, value in values.items()
            if limit_type not in known
        ]
        if rows:
            self._session.execute(insert(RiskLimit).on_conflict_do_nothing(), rows)
        return [str(row["limit_type"]) for row in rows]

    def last_from(
        self, source: str, scope: str, scope_id: str, limit_type: str
    ) -> RiskLimitHistory | None:
        """Return what a source said of a limit last."""
        return self._session.scalar(
            select(RiskLimitHistory)
            .where(
                RiskLimitHistory.account_id == self._account_id,
                RiskLimitHistory.scope == scope,
                RiskLimitHistory.scope_id == scope_id,
                RiskLimitHistory.limit_type == limit_type,
                RiskLimitHistory.source == source,
            )
            .order_by(RiskLimitHistory.history_id.desc())
            .limit(1)
        )

    def of_scope(self, scope: str, scope_id: str) -> list[RiskLimit]:
        """Return the limits of one strategy or symbol."""
        return [
            limit
            for limit in self.all()
            if (limit.scope, limit.scope_id) == (scope, scope_id)
        ]

    def history(self, limit: int = 100) -> list[RiskLimitHistory]:
        """Return the latest versions of any limit, newest first."""
        return list(
            self._session.scalars(
                select(RiskLimitHistory)
                .where(RiskLimitHistory.account_id == self._account_id)
                .order_by(RiskLimitHistory.history_id.desc())
                .limit(limit)
            )
        )
