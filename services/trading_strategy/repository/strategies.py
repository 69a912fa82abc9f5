"""Strategies, their versions, errors and days."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_strategy.models import (
    DecisionRow,
    PerformanceRow,
    SignalRow,
    StrategyErrorRow,
    StrategyRow,
    StrategyVersion,
)
from trading_system.contracts.strategy import StrategyPerformanceView
from trading_system.errors import NotFound
from trading_system.vocabulary import identity, new_id


class Strategies:
    """Strategies with the version in force, and every version before it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @staticmethod
    def id_of(name: str) -> UUID:
        """Return the id that a strategy of this name always has."""
        return identity("strategy", name)

    def find(self, name: str) -> StrategyRow | None:
        """Return a strategy, or None."""
        return self._session.get(StrategyRow, self.id_of(name))

    def get(self, name: str) -> StrategyRow:
        """Return a strategy; an unknown one is an error."""
        row = self.find(name)
        if row is None:
            known = ", ".join(one.name for one in self.all()) or "none"
            raise NotFound(f"There is no strategy {name}. There are: {known}.")
        return row

    def all(self) -> list[StrategyRow]:
        """Return every strategy, by name."""
        query = select(StrategyRow).order_by(StrategyRow.name)
        return list(self._session.scalars(query))

    def deciding(self) -> list[StrategyRow]:
        """Return the strategies that decide, by name."""
        return [row for row in self.all() if row.status != "disabled"]

    def add(self, row: StrategyRow) -> None:
        """Add a strategy; its first version follows."""
        self._session.add(row)
        self._session.flush()

    def add_version(self, row: StrategyRow, reason: str, by: str) -> None:
        """Write down what is now in force."""
        self._session.add(
            StrategyVersion(
                strategy_id=row.strategy_id,
                version=row.version,
                parameters=row.parameters,
                risk_limits=row.risk_limits,
                status=row.status,
                source=row.source,
                source_hash=row.source_hash,
                reason=reason,
                created_by=by,
            )
        )
        self._session.flush()

    def versions(self, name: str) -> list[StrategyVersion]:
        """Return what a strategy was over time, newest first."""
        query = (
            select(StrategyVersion)
            .where(StrategyVersion.strategy_id == self.id_of(name))
            .order_by(StrategyVersion.version.desc())
        )
        return list(self._session.scalars(query))

    def add_error(self, name: str, bar_end: datetime | None, error: str) -> bool:
        """Write down that a strategy failed; False when that is known."""
        added = self._session.execute(
            insert(StrategyErrorRow)
            .values(error_id=new_id(), strategy=name, bar_end=bar_end, error=error)
            .on_conflict_do_nothing()
            .returning(StrategyErrorRow.error_id)
        )
        return added.first() is not None

    def activity(self, row: StrategyRow) -> tuple[int, datetime | None]:
        """Return how many decisions a strategy made, and the end of the last bar."""
        counted = self._session.execute(
            select(func.count(), func.max(DecisionRow.bar_end)).where(
                DecisionRow.strategy == row.name
            )
        ).one()
        return counted[0], counted[1]

    def signalling(self, row: StrategyRow) -> tuple[int, datetime | None]:
        """Return how many signals a strategy gave, and when the last one."""
        counted = self._session.execute(
            select(func.count(), func.max(SignalRow.timestamp)).where(
                SignalRow.strategy == row.name
            )
        ).one()
        return counted[0], counted[1]

    def record_performance(self, rows: Iterable[StrategyPerformanceView]) -> int:
        """Store the days of strategies; equal ones change nothing."""
        values = [
            {
                "strategy_id": self.get(row.strategy).strategy_id,
                "date": row.date,
                "returns": row.returns,
                "sharpe_ratio": row.sharpe_ratio,
            }
            for row in rows
        ]
        if not values:
            return 0
        incoming = insert(PerformanceRow).values(values)
        changed = self._session.execute(
            incoming.on_conflict_do_update(
                index_elements=["strategy_id", "date"],
                set_={
                    "returns": incoming.excluded.returns,
                    "sharpe_ratio": incoming.excluded.sharpe_ratio,
                    "updated_at": func.clock_timestamp(),
                },
                where=func.row(
                    PerformanceRow.returns, PerformanceRow.sharpe_ratio
                ).is_distinct_from(
                    func.row(incoming.excluded.returns, incoming.excluded.sharpe_ratio)
                ),
            ).returning(PerformanceRow.date)
        )
        return len(changed.all())

    def performance(
        self, name: str | None, limit: int
    ) -> list[StrategyPerformanceView]:
        """Return the days of strategies, newest first."""
        query = (
            select(
                StrategyRow.name.label("strategy"),
                PerformanceRow.date,
                PerformanceRow.returns,
                PerformanceRow.sharpe_ratio,
            )
            .join(StrategyRow, StrategyRow.strategy_id == PerformanceRow.strategy_id)
            .order_by(PerformanceRow.date.desc(), StrategyRow.name)
            .limit(limit)
        )
        if name is not None:
            query = query.where(StrategyRow.name == name)
        return [
            StrategyPerformanceView.model_validate(row)
            for row in self._session.execute(query)
        ]
