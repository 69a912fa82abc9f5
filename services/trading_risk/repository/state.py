"""Queries of the trading state and of what it depends on."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_risk.models import (
    AccountLock,
    BooksState,
    TradingStateHistory,
    TradingStateRow,
)
from trading_system.vocabulary import TradingState


class TradingStates:
    """What may leave for the broker, and who may decide now."""

    def __init__(self, session: Session, account_id: str) -> None:
        self._session = session
        self._account_id = account_id

    def lock_account(self) -> None:
        """Wait until nobody else decides about the account, and keep others waiting."""
        query = (
            select(AccountLock)
            .where(AccountLock.account_id == self._account_id)
            .with_for_update()
        )
        if self._session.scalar(query) is None:
            self._session.execute(
                insert(AccountLock)
                .values(account_id=self._account_id)
                .on_conflict_do_nothing()
            )
            self._session.scalars(query).one()

    def tradable(self) -> str:
        """Return the state in force, which nobody changes until this commits."""
        return str(
            self._session.scalar(
                text("select risk_management.tradable_state(:account)"),
                {"account": self._account_id},
            )
        )

    def shown(self) -> TradingState:
        """Return the state in force without holding it; no record is HALTED."""
        row = self.get()
        if row is None or row.state not in tuple(TradingState):
            return TradingState.HALTED
        return TradingState(row.state)

    def get(self) -> TradingStateRow | None:
        """Return the record of the state, if there is one."""
        return self._session.get(
            TradingStateRow, self._account_id, populate_existing=True
        )

    def lock(self) -> TradingStateRow | None:
        """Return the record, waiting for everyone who acts on it."""
        return self._session.scalar(
            select(TradingStateRow)
            .where(TradingStateRow.account_id == self._account_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )

    def set(
        self, state: TradingState, level: int, reason: str, by: str
    ) -> TradingStateRow:
        """Record a state. The row must be locked, so that the stamp comes after."""
        values: dict[str, Any] = {
            "state": state,
            "level": level,
            "reason": reason,
            "set_by": by,
            "set_at": func.clock_timestamp(),
        }
        self._session.execute(
            insert(TradingStateRow)
            .values(account_id=self._account_id, version=self._next(), **values)
            .on_conflict_do_update(
                index_elements=["account_id"],
                set_={**values, "version": TradingStateRow.version + 1},
            )
        )
        row = self.get()
        assert row is not None
        return row

    def _next(self) -> int:
        # A row that was deleted and comes back goes on counting.
        last = self._session.scalar(
            select(func.max(TradingStateHistory.version)).where(
                TradingStateHistory.account_id == self._account_id
            )
        )
        return (last or 0) + 1

    def is_new(self) -> bool:
        """Say whether the account never had a trading state."""
        found = self._session.scalar(
            select(TradingStateHistory.history_id)
            .where(TradingStateHistory.account_id == self._account_id)
            .limit(1)
        )
        return found is None

    def history(self, limit: int = 100) -> list[TradingStateHistory]:
        """Return the latest states, newest first."""
        return list(
            self._session.scalars(
                select(TradingStateHistory)
                .where(TradingStateHistory.account_id == self._account_id)
                .order_by(TradingStateHistory.history_id.desc())
                .limit(limit)
            )
        )

    def books(self) -> BooksState | None:
        """Return the last complete comparison of the books, if there was one."""
        return self._session.get(BooksState, self._account_id, populate_existing=True)

    def books_compared(
        self,
        run_id: UUID,
        clean: bool,
        summary: str,
        completed_at: datetime,
        market_time: datetime,
    ) -> None:
        """Record a complete comparison of the books."""
        values = {
            "run_id": run_id,
            "clean": clean,
            "summary": summary,
            "completed_at": completed_at,
            "market_time": market_time,
        }
        self._session.execute(
            insert(BooksState)
            .values(account_id=self._account_id, **values)
            .on_conflict_do_update(index_elements=["account_id"], set_=values)
        )
