"""Decisions and signals."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, insert, select
from sqlalchemy.orm import Session

from trading_strategy.models import DecisionRow, SignalRow, StrategyVersion
from trading_system.errors import NotFound


class Decisions:
    """What strategies decided, and the signals that came of it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def deciders(self, timeframe: str, bar_end: datetime) -> set[UUID]:
        """Return the strategies that have decided on a bar."""
        query = select(DecisionRow.strategy_id.distinct()).where(
            DecisionRow.timeframe == timeframe, DecisionRow.bar_end == bar_end
        )
        return set(self._session.scalars(query))

    def add(
        self, decisions: Sequence[dict[str, Any]], signals: Sequence[dict[str, Any]]
    ) -> None:
        """Write decisions and their signals, one statement each."""
        if decisions:
            self._session.execute(insert(DecisionRow), decisions)
        if signals:
            self._session.execute(insert(SignalRow), signals)

    def get(self, decision_id: UUID) -> Row[Any]:
        """Return a decision with the parameters that were in force."""
        row = self._session.execute(
            self._with_parameters().where(DecisionRow.decision_id == decision_id)
        ).first()
        if row is None:
            raise NotFound(f"There is no decision {decision_id}.")
        return row

    def of_correlation(self, correlation_id: UUID) -> Sequence[Row[Any]]:
        """Return what every strategy decided on one bar of one symbol."""
        return self._session.execute(
            self._with_parameters()
            .where(DecisionRow.correlation_id == correlation_id)
            .order_by(DecisionRow.strategy)
        ).all()

    def listed(
        self,
        *,
        symbol: str | None,
        strategy: str | None,
        outcome: str | None,
        start: datetime | None,
        end: datetime | None,
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[Row[Any]]:
        """Return decisions, newest bar first; go on `before` the last one seen."""
        query = self._with_parameters()
        if symbol is not None:
            query = query.where(DecisionRow.symbol == symbol)
        if strategy is not None:
            query = query.where(DecisionRow.strategy == strategy)
        if outcome is not None:
            query = query.where(DecisionRow.outcome == outcome)
        if start is not None:
            query = query.where(DecisionRow.bar_end >= start)
        if end is not None:
            query = query.where(DecisionRow.bar_end < end)
        if before is not None:
            at, decision = before
            query = query.where(
                (DecisionRow.bar_end < at)
                | ((DecisionRow.bar_end == at) & (DecisionRow.decision_id < decision))
            )
        order = (DecisionRow.bar_end.desc(), DecisionRow.decision_id.desc())
        return self._session.execute(query.order_by(*order).limit(limit)).all()

    def signal(self, signal_id: UUID) -> SignalRow:
        """Return a signal."""
        row = self._session.get(SignalRow, signal_id)
        if row is None:
            raise NotFound(f"There is no signal {signal_id}.")
        return row

    def signals(
        self,
        *,
        symbol: str | None,
        strategy: str | None,
        start: datetime | None,
        end: datetime | None,
        limit: int,
    ) -> list[SignalRow]:
        """Return signals, newest first."""
        query = select(SignalRow)
        if symbol is not None:
            query = query.where(SignalRow.symbol == symbol)
        if strategy is not None:
            query = query.where(SignalRow.strategy == strategy)
        if start is not None:
            query = query.where(SignalRow.timestamp >= start)
        if end is not None:
            query = query.where(SignalRow.timestamp < end)
        order = (SignalRow.timestamp.desc(), SignalRow.signal_id.desc())
        return list(self._session.scalars(query.order_by(*order).limit(limit)))

    def _with_parameters(self) -> Select[Any]:
        return select(*DecisionRow.__table__.columns, StrategyVersion.parameters).join(
            StrategyVersion,
            (StrategyVersion.strategy_id == DecisionRow.strategy_id)
            & (StrategyVersion.version == DecisionRow.strategy_version),
        )
