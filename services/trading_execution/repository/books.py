"""Queries of the ledger and the positions."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_execution.models import Cross, LedgerEntry, Position, StrategyPosition


class Books:
    """The ledger and what follows from it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, values: dict[str, object]) -> int | None:
        """Add an entry; None when its reference is in the ledger already."""
        return self._session.scalar(
            insert(LedgerEntry)
            .values(**values)
            .on_conflict_do_nothing(index_elements=["kind", "reference"])
            .returning(LedgerEntry.entry_id)
        )

    def get(self, kind: str, reference: str) -> LedgerEntry:
        """Return an entry."""
        return self._session.scalars(
            select(LedgerEntry).where(
                LedgerEntry.kind == kind, LedgerEntry.reference == reference
            )
        ).one()

    def has(self, kind: str, reference: str) -> bool:
        """Say whether an entry is there."""
        return (
            self._session.scalar(
                select(LedgerEntry.entry_id).where(
                    LedgerEntry.kind == kind, LedgerEntry.reference == reference
                )
            )
            is not None
        )

    def has_activity(self, activity_id: str) -> bool:
        """Say whether an activity of the broker's was entered, whole or in parts."""
        return (
            self._session.scalar(
                select(LedgerEntry.entry_id)
                .where(
                    or_(
                        LedgerEntry.reference == activity_id,
                        LedgerEntry.reference.startswith(
                            f"{activity_id}/", autoescape=True
                        ),
                    )
                )
                .limit(1)
            )
            is not None
        )

    def entries(
        self, limit: int, before: int | None = None, symbol: str | None = None
    ) -> list[LedgerEntry]:
        """Return entries, newest first."""
        query = select(LedgerEntry)
        if before is not None:
            query = query.where(LedgerEntry.entry_id < before)
        if symbol is not None:
            query = query.where(LedgerEntry.symbol == symbol)
        query = query.order_by(LedgerEntry.entry_id.desc()).limit(limit)
        return list(self._session.scalars(query))

    def crosses(self, order_id: UUID) -> list[Cross]:
        """Return what of an order was netted, oldest first."""
        return list(
            self._session.scalars(
                select(Cross)
                .where(Cross.order_id == order_id)
                .order_by(Cross.recorded_at)
            )
        )

    def last_entry(self, account_id: str) -> int:
        """Return the number of the newest entry, 0 before the opening."""
        return (
            self._session.scalar(
                select(func.max(LedgerEntry.entry_id)).where(
                    LedgerEntry.account_id == account_id
                )
            )
            or 0
        )

    def cash(self, account_id: str) -> Decimal:
        """Return the account's cash by the ledger."""
        total = self._session.scalar(
            select(func.coalesce(func.sum(LedgerEntry.cash_delta), 0)).where(
                LedgerEntry.account_id == account_id
            )
        )
        return Decimal(total or 0)

    def quantities(self, account_id: str) -> dict[str, Decimal]:
        """Return the shares of each symbol by the ledger, flat ones left out."""
        total = func.sum(LedgerEntry.quantity_delta)
        rows = self._session.execute(
            select(LedgerEntry.symbol, total)
            .where(
                LedgerEntry.account_id == account_id, LedgerEntry.symbol.is_not(None)
            )
            .group_by(LedgerEntry.symbol)
            .having(total != 0)
        )
        return {str(symbol): quantity for symbol, quantity in rows}

    def lock_position(self, account_id: str, symbol: str) -> Position:
        """Return the account's position, made when new, locked."""
        self._session.execute(
            insert(Position)
            .values(account_id=account_id, symbol=symbol)
            .on_conflict_do_nothing()
        )
        return self._session.scalars(
            select(Position)
            .where(Position.account_id == account_id, Position.symbol == symbol)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one()

    def lock_strategy_position(
        self, account_id: str, strategy: str, symbol: str
    ) -> StrategyPosition:
        """Return a strategy's part of a position, made when new, locked."""
        self._session.execute(
            insert(StrategyPosition)
            .values(account_id=account_id, strategy=strategy, symbol=symbol)
            .on_conflict_do_nothing()
        )
        return self._session.scalars(
            select(StrategyPosition)
            .where(
                StrategyPosition.account_id == account_id,
                StrategyPosition.strategy == strategy,
                StrategyPosition.symbol == symbol,
            )
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one()

    def positions(self, account_id: str, *, flat: bool = False) -> list[Position]:
        """Return the account's positions by symbol; those closed too when asked."""
        query = select(Position).where(Position.account_id == account_id)
        if not flat:
            query = query.where(Position.quantity != 0)
        return list(self._session.scalars(query.order_by(Position.symbol)))

    def parts(self, account_id: str) -> list[StrategyPosition]:
        """Return what each strategy holds of each symbol."""
        return list(
            self._session.scalars(
                select(StrategyPosition)
                .where(
                    StrategyPosition.account_id == account_id,
                    StrategyPosition.quantity != 0,
                )
                .order_by(StrategyPosition.symbol, StrategyPosition.strategy)
            )
        )

    def realized(self, account_id: str) -> Decimal:
        """Return the profit realized over all symbols."""
        total = self._session.scalar(
            select(func.coalesce(func.sum(Position.realized_pnl), 0)).where(
                Position.account_id == account_id
            )
        )
        return Decimal(total or 0)
