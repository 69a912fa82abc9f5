"""Queries of the account's value over market time."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_execution.models import AccountSnapshot


class Snapshots:
    """The account's value over market time."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def latest(self, account_id: str) -> AccountSnapshot | None:
        """Return the newest snapshot."""
        return self._session.scalar(
            select(AccountSnapshot)
            .where(AccountSnapshot.account_id == account_id)
            .order_by(AccountSnapshot.market_time.desc())
            .limit(1)
        )

    def first(self, account_id: str) -> Decimal | None:
        """Return the equity of the oldest snapshot."""
        return self._session.scalar(
            select(AccountSnapshot.equity)
            .where(AccountSnapshot.account_id == account_id)
            .order_by(AccountSnapshot.market_time)
            .limit(1)
        )

    def last_close(self, account_id: str, before: datetime) -> AccountSnapshot | None:
        """Return the newest snapshot of a session's end before a market time."""
        return self._session.scalar(
            select(AccountSnapshot)
            .where(
                AccountSnapshot.account_id == account_id,
                AccountSnapshot.session_closed,
                AccountSnapshot.market_time < before,
            )
            .order_by(AccountSnapshot.market_time.desc())
            .limit(1)
        )

    def put(self, values: dict[str, object]) -> None:
        """Record the account's value at a market time, or correct it."""
        statement = insert(AccountSnapshot).values(**values)
        kept = {"account_id", "market_time"}
        self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["account_id", "market_time"],
                set_={
                    name: statement.excluded[name]
                    for name in values
                    if name not in kept
                }
                | {"taken_at": func.clock_timestamp()},
            )
        )

    def between(
        self, account_id: str, start: datetime | None, end: datetime | None, limit: int
    ) -> list[AccountSnapshot]:
        """Return snapshots in time order, the newest `limit` of them."""
        query = select(AccountSnapshot).where(AccountSnapshot.account_id == account_id)
        if start is not None:
            query = query.where(AccountSnapshot.market_time >= start)
        if end is not None:
            query = query.where(AccountSnapshot.market_time <= end)
        query = query.order_by(AccountSnapshot.market_time.desc()).limit(limit)
        return list(self._session.scalars(query))[::-1]
