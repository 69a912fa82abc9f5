"""Queries of the symbols that a person has locked."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_risk.models import SymbolLock


class SymbolLocks:
    """The symbols of an account in which nothing may be entered."""

    def __init__(self, session: Session, account_id: str) -> None:
        self._session = session
        self._account_id = account_id

    def in_force(self, market_time: datetime) -> list[SymbolLock]:
        """Return the locks that have not run out, by symbol."""
        return list(
            self._session.scalars(
                select(SymbolLock)
                .where(
                    SymbolLock.account_id == self._account_id,
                    or_(SymbolLock.until.is_(None), SymbolLock.until > market_time),
                )
                .order_by(SymbolLock.symbol)
                .execution_options(populate_existing=True)
            )
        )

    def reasons(self, market_time: datetime) -> Mapping[str, str]:
        """Return why each locked symbol is locked."""
        return {lock.symbol: lock.reason for lock in self.in_force(market_time)}

    def put(
        self,
        symbol: str,
        until: datetime | None,
        reason: str,
        by: str,
        market_time: datetime,
    ) -> SymbolLock:
        """Lock a symbol, or say anew until when and why."""
        values = {
            "until": until,
            "reason": reason,
            "locked_by": by,
            "market_time": market_time,
            "locked_at": func.clock_timestamp(),
        }
        statement = (
            insert(SymbolLock)
            .values(account_id=self._account_id, symbol=symbol, **values)
            .on_conflict_do_update(index_elements=["account_id", "symbol"], set_=values)
            .returning(SymbolLock)
            .execution_options(populate_existing=True)
        )
        return self._session.scalars(statement).one()

    def remove(self, symbol: str) -> bool:
        """Release a symbol; say whether it was locked."""
        removed = self._session.scalar(
            delete(SymbolLock)
            .where(
                SymbolLock.account_id == self._account_id, SymbolLock.symbol == symbol
            )
            .returning(SymbolLock.symbol)
        )
        return removed is not None
