"""Queries of executions, ours and those of unknown orders."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_execution.models import OrphanFill, Trade
from trading_system.errors import NotFound


class Trades:
    """Executions, ours and those of unknown orders."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, trade_id: UUID) -> Trade:
        """Return an execution."""
        trade = self._session.get(Trade, trade_id)
        if trade is None:
            raise NotFound(f"There is no execution {trade_id}.")
        return trade

    def find(self, broker_order_id: str, cumulative: Decimal) -> Trade | None:
        """Return the execution of this identity."""
        return self._session.scalar(
            select(Trade).where(
                Trade.broker_order_id == broker_order_id,
                Trade.cumulative_quantity == cumulative,
            )
        )

    def of_order(self, order_id: UUID) -> list[Trade]:
        """Return the executions of an order, oldest first."""
        return list(
            self._session.scalars(
                select(Trade)
                .where(Trade.order_id == order_id)
                .order_by(Trade.cumulative_quantity)
            )
        )

    def latest(
        self,
        limit: int,
        symbol: str | None = None,
        before: tuple[datetime, UUID] | None = None,
    ) -> list[Trade]:
        """Return executions, newest first."""
        query = select(Trade)
        if symbol is not None:
            query = query.where(Trade.symbol == symbol)
        if before is not None:
            query = query.where(tuple_(Trade.timestamp, Trade.trade_id) < before)
        query = query.order_by(Trade.timestamp.desc(), Trade.trade_id.desc())
        return list(self._session.scalars(query.limit(limit)))

    def known(self, fills: Sequence[tuple[str, Decimal]]) -> set[tuple[str, Decimal]]:
        """Return which executions are booked, or set aside for good."""
        if not fills:
            return set()
        booked = self._session.execute(
            select(Trade.broker_order_id, Trade.cumulative_quantity).where(
                tuple_(Trade.broker_order_id, Trade.cumulative_quantity).in_(fills)
            )
        )
        external = self._session.execute(
            select(OrphanFill.broker_order_id, OrphanFill.cumulative_quantity).where(
                tuple_(OrphanFill.broker_order_id, OrphanFill.cumulative_quantity).in_(
                    fills
                ),
                OrphanFill.resolution == "external",
            )
        )
        return {(name, total) for name, total in (*booked, *external)}

    def set_aside(self, values: dict[str, object]) -> None:
        """Keep an execution of an order that is not ours, or not known yet."""
        statement = insert(OrphanFill).values(**values)
        self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["broker_order_id", "cumulative_quantity"],
                set_={
                    "resolution": statement.excluded.resolution,
                    "client_order_id": statement.excluded.client_order_id,
                },
            )
        )

    def settle_orphan(self, broker_order_id: str, cumulative: Decimal) -> None:
        """Note that an execution set aside turned out to be of an order of ours."""
        self._session.execute(
            update(OrphanFill)
            .where(
                OrphanFill.broker_order_id == broker_order_id,
                OrphanFill.cumulative_quantity == cumulative,
            )
            .values(resolution="ours")
        )

    def open_orphans(self, account_id: str) -> list[OrphanFill]:
        """Return the executions whose order is still not known."""
        return list(
            self._session.scalars(
                select(OrphanFill).where(
                    OrphanFill.account_id == account_id,
                    OrphanFill.resolution == "open",
                )
            )
        )
