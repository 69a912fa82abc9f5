"""Queries of outcomes, their checks, reservations and manual orders."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Table,
    literal_column,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_risk.domain.books import OpenOrder
from trading_risk.models import ManualOrder, Reservation, RiskCheck, RiskOutcome
from trading_system.contracts.strategy import SignalGenerated
from trading_system.errors import NotFound
from trading_system.models import LoggedEvent

# Compiled once, and run for every bar.
_ADD_OUTCOME, _ADD_RESERVATION = (
    insert(cast(Table, model.__table__)) for model in (RiskOutcome, Reservation)
)
# A bar has hundreds of checks: as one value they take a quarter of the time that they
# take as rows of parameters.
_ADD_CHECKS = text(
    "insert into risk_management.risk_checks select * from json_populate_recordset("
    "null::risk_management.risk_checks, cast(:checks as json))"
)

_APPROVED = text(
    "select count(*) as orders, json_agg(json_build_array(strategy, symbol, side))"
    "  filter (where bar_end = :bar_end) as of_bar"
    " from risk_management.risk_outcomes"
    " where account_id = :account and session_day = :day and outcome = 'approved'"
)


class Outcomes:
    """One answer to each signal, with the checks behind it."""

    def __init__(self, session: Session, account_id: str) -> None:
        self._session = session
        self._account_id = account_id

    def find(self, signal_id: UUID) -> RiskOutcome | None:
        """Return the answer to a signal, if there is one."""
        return self._session.get(RiskOutcome, signal_id)

    def known(self, signal_ids: Sequence[UUID]) -> dict[UUID, RiskOutcome]:
        """Return the answers to those signals that have one."""
        found = self._session.scalars(
            select(RiskOutcome).where(RiskOutcome.signal_id.in_(signal_ids))
        )
        return {outcome.signal_id: outcome for outcome in found}

    def get(self, signal_id: UUID) -> RiskOutcome:
        """Return the answer to a signal."""
        outcome = self.find(signal_id)
        if outcome is None:
            raise NotFound(f"Risk has not answered to signal {signal_id}.")
        return outcome

    def add(
        self, outcomes: Sequence[dict[str, Any]], checks: Sequence[dict[str, Any]]
    ) -> dict[UUID, RiskOutcome]:
        """Store answers with their checks; return them by signal, as stored."""
        values = [{"account_id": self._account_id, **each} for each in outcomes]
        self._session.execute(_ADD_OUTCOME, values)
        self._session.execute(_ADD_CHECKS, {"checks": json.dumps(checks, default=str)})
        return {each["signal_id"]: RiskOutcome(**each) for each in values}

    def recent(
        self,
        *,
        strategy: str | None = None,
        symbol: str | None = None,
        outcome: str | None = None,
        correlation_id: UUID | None = None,
        before: UUID | None = None,
        limit: int = 100,
    ) -> list[RiskOutcome]:
        """Return the latest answers, newest first; go on `before` the last one."""
        query = select(RiskOutcome).where(RiskOutcome.account_id == self._account_id)
        if strategy:
            query = query.where(RiskOutcome.strategy == strategy)
        if symbol:
            query = query.where(RiskOutcome.symbol == symbol)
        if outcome:
            query = query.where(RiskOutcome.outcome == outcome)
        if correlation_id:
            query = query.where(RiskOutcome.correlation_id == correlation_id)
        place = tuple_(RiskOutcome.created_at, RiskOutcome.outcome_id)
        if before is not None:
            last = self._session.get(RiskOutcome, before)
            if last is None:
                return []
            query = query.where(place < (last.created_at, last.outcome_id))
        query = query.order_by(
            RiskOutcome.created_at.desc(), RiskOutcome.outcome_id.desc()
        )
        return list(self._session.scalars(query.limit(limit)))

    def checks(self, outcome_ids: Sequence[UUID]) -> dict[UUID, list[RiskCheck]]:
        """Return the checks of several outcomes, each in their order."""
        found: dict[UUID, list[RiskCheck]] = {each: [] for each in outcome_ids}
        rows = self._session.scalars(
            select(RiskCheck)
            .where(RiskCheck.outcome_id.in_(outcome_ids))
            .order_by(RiskCheck.outcome_id, RiskCheck.position)
        )
        for check in rows:
            found[check.outcome_id].append(check)
        return found

    def approved(
        self, day: date, bar_end: datetime
    ) -> tuple[int, list[tuple[str, str, str]]]:
        """Return how many orders were approved in a session, and those of a bar.

        Of these strategy, symbol and side.
        """
        values = {"account": self._account_id, "day": day, "bar_end": bar_end}
        row = self._session.execute(_APPROVED, values).one()
        return row.orders, [(each[0], each[1], each[2]) for each in row.of_bar or ()]

    def unanswered(self, limit: int = 500) -> list[SignalGenerated]:
        """Return the signals of the event log that have no answer, oldest first."""
        signal: ColumnElement[UUID] = literal_column(
            "(events.payload->>'signal_id')::uuid"
        )
        answered = (
            select(RiskOutcome.signal_id)
            .where(RiskOutcome.signal_id == signal)
            .correlate(LoggedEvent)
            .exists()
        )
        rows = self._session.scalars(
            select(LoggedEvent)
            .where(LoggedEvent.topic == SignalGenerated.topic, ~answered)
            .order_by(LoggedEvent.seq)
            .limit(limit)
        )
        return [SignalGenerated.loaded(row) for row in rows]


class Reservations:
    """Approvals that count in exposure until execution has written its order."""

    def __init__(self, session: Session, account_id: str) -> None:
        self._session = session
        self._account_id = account_id

    def add(self, orders: Sequence[OpenOrder]) -> None:
        """Reserve what approvals may use."""
        rows = [{"account_id": self._account_id, **asdict(order)} for order in orders]
        if rows:
            self._session.execute(_ADD_RESERVATION, rows)

    def release(self, order_id: UUID) -> bool:
        """Drop the reservation of an order that execution has; say if there was one."""
        return bool(self._drop("and r.order_id = :order", {"order": order_id}))

    def release_written(self) -> int:
        """Drop every reservation whose order execution has, and return how many."""
        return self._drop("", {})

    def _drop(self, condition: str, values: dict[str, Any]) -> int:
        # Only what execution has on its books is dropped: anything else would free
        # exposure that an order on its way still uses.
        dropped = self._session.execute(
            text(
                "delete from risk_management.reservations r"
                " where r.account_id = :account and exists (select 1"
                "   from execution.orders o where o.order_id = r.order_id)"
                f" {condition} returning r.order_id"
            ),
            {"account": self._account_id, **values},
        )
        return len(dropped.all())

    def all(self) -> list[Reservation]:
        """Return every reservation."""
        return list(
            self._session.scalars(
                select(Reservation).where(Reservation.account_id == self._account_id)
            )
        )


class ManualOrders:
    """What people asked for, once for each idempotency key."""

    def __init__(self, session: Session, account_id: str) -> None:
        self._session = session
        self._account_id = account_id

    def claim(self, key: str, values: dict[str, Any]) -> tuple[ManualOrder, bool]:
        """Return the order of a key, and whether it was asked for just now.

        A second request with the same key waits here until the first has committed.
        """
        inserted = self._session.execute(
            insert(ManualOrder)
            .values(account_id=self._account_id, idempotency_key=key, **values)
            .on_conflict_do_nothing(index_elements=["account_id", "idempotency_key"])
            .returning(ManualOrder.signal_id)
        ).first()
        order = self._session.scalars(
            select(ManualOrder).where(
                ManualOrder.account_id == self._account_id,
                ManualOrder.idempotency_key == key,
            )
        ).one()
        return order, inserted is not None
