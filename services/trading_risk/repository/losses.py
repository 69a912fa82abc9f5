"""Queries of loss days, breakers and risk events."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_risk.domain.losses import LossDay
from trading_risk.models import Breaker, DailyState, RiskEvent
from trading_system.errors import NotFound
from trading_system.vocabulary import new_id

# Built once: these are asked at every bar.
_LAST_DAY = (
    select(DailyState)
    .where(
        DailyState.account_id == bindparam("account"),
        DailyState.scope == bindparam("scope"),
        DailyState.scope_id == bindparam("scope_id"),
    )
    .order_by(DailyState.session_day.desc())
    .limit(1)
    .execution_options(populate_existing=True)
)
_OPEN = (
    select(Breaker)
    .where(Breaker.account_id == bindparam("account"), Breaker.reset_at.is_(None))
    .order_by(Breaker.breaker_id)
    .execution_options(populate_existing=True)
)


class LossDays:
    """The newest loss day of the account and of each strategy, and those before.

    Who has the account's lock reads each once: nobody else changes them.
    """

    def __init__(self, session: Session, account_id: str) -> None:
        self._session = session
        self._account_id = account_id
        self._read: dict[tuple[str, str], tuple[LossDay, datetime] | None] = {}

    def last(self, scope: str, scope_id: str) -> tuple[LossDay, datetime] | None:
        """Return the newest day and the market time of its last mark."""
        key = (scope, scope_id)
        if key not in self._read:
            self._read[key] = self._last(scope, scope_id)
        return self._read[key]

    def _last(self, scope: str, scope_id: str) -> tuple[LossDay, datetime] | None:
        row = self._session.scalar(
            _LAST_DAY,
            {"account": self._account_id, "scope": scope, "scope_id": scope_id},
        )
        if row is None:
            return None
        day = LossDay(
            day=row.session_day,
            base=row.base_equity,
            start=row.day_start_equity,
            equity=row.equity,
            peak=row.peak_equity,
        )
        return day, row.market_time

    def save(
        self, scope: str, scope_id: str, day: LossDay, market_time: datetime
    ) -> None:
        """Store a day as it stands now."""
        self._read.pop((scope, scope_id), None)
        values = {
            "base_equity": day.base,
            "day_start_equity": day.start,
            "equity": day.equity,
            "peak_equity": day.peak,
            "market_time": market_time,
        }
        self._session.execute(
            insert(DailyState)
            .values(
                account_id=self._account_id,
                scope=scope,
                scope_id=scope_id,
                session_day=day.day,
                **values,
            )
            .on_conflict_do_update(
                index_elements=["account_id", "scope", "scope_id", "session_day"],
                set_=values,
            )
        )

    def known(self) -> list[str]:
        """Return the strategies that have loss days."""
        return list(
            self._session.scalars(
                select(DailyState.scope_id)
                .where(
                    DailyState.account_id == self._account_id,
                    DailyState.scope == "strategy",
                )
                .distinct()
                .order_by(DailyState.scope_id)
            )
        )


class Breakers:
    """Breakers that have tripped, and how they were reset.

    Who has the account's lock reads the open ones once: nobody else changes them.
    """

    def __init__(self, session: Session, account_id: str) -> None:
        self._session = session
        self._account_id = account_id
        self._open: list[Breaker] | None = None

    def open(self) -> list[Breaker]:
        """Return the breakers that have not been reset, oldest first."""
        if self._open is None:
            found = self._session.scalars(_OPEN, {"account": self._account_id})
            self._open = list(found)
        return list(self._open)

    def get(self, breaker_id: UUID) -> Breaker:
        """Return a breaker, locked until the transaction ends."""
        breaker = self._session.scalar(
            select(Breaker)
            .where(
                Breaker.account_id == self._account_id,
                Breaker.breaker_id == breaker_id,
            )
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if breaker is None:
            raise NotFound(f"There is no breaker {breaker_id}.")
        return breaker

    def has_tripped(self, scope: str, scope_id: str, type: str, day: date) -> bool:
        """Say whether a breaker is open, or was reset in this very session."""
        found = self._session.scalar(
            select(Breaker.breaker_id)
            .where(
                Breaker.account_id == self._account_id,
                Breaker.scope == scope,
                Breaker.scope_id == scope_id,
                Breaker.type == type,
                Breaker.reset_at.is_(None) | (Breaker.session_day == day),
            )
            .limit(1)
        )
        return found is not None

    def trip(self, **values: Any) -> Breaker:
        """Store a breaker that trips now."""
        self._open = None
        breaker = Breaker(breaker_id=new_id(), account_id=self._account_id, **values)
        self._session.add(breaker)
        self._session.flush()
        return breaker

    def close(
        self, breaker: Breaker, market_time: datetime, by: str, reason: str
    ) -> None:
        """Take a breaker back."""
        self._open = None
        breaker.reset_at = market_time
        breaker.reset_by = by
        breaker.reset_reason = reason
        self._session.flush()

    def close_account(self, market_time: datetime, by: str, reason: str) -> None:
        """Take every breaker of the account back, not those of strategies."""
        for breaker in self.open():
            if breaker.scope == "account":
                self.close(breaker, market_time, by, reason)

    def recent(self, limit: int = 50) -> list[Breaker]:
        """Return the latest breakers, newest first."""
        return list(
            self._session.scalars(
                select(Breaker)
                .where(Breaker.account_id == self._account_id)
                .order_by(Breaker.breaker_id.desc())
                .limit(limit)
            )
        )


class RiskEvents:
    """Warnings, breaches and halts."""

    def __init__(self, session: Session, account_id: str) -> None:
        self._session = session
        self._account_id = account_id

    def record(
        self,
        *,
        dedup_key: str,
        type: str,
        severity: str,
        message: str,
        timestamp: datetime,
        scope: str = "account",
        scope_id: str = "",
        value: Decimal | None = None,
        limit: Decimal | None = None,
        announced: bool = False,
    ) -> RiskEvent | None:
        """Store an event unless its key is there already; return it when it is new."""
        event_id = self._session.scalar(
            insert(RiskEvent)
            .values(
                event_id=new_id(),
                account_id=self._account_id,
                type=type,
                severity=severity,
                message=message,
                timestamp=timestamp,
                scope=scope,
                scope_id=scope_id,
                dedup_key=dedup_key,
                value=value,
                limit_value=limit,
                announced_at=func.clock_timestamp() if announced else None,
            )
            .on_conflict_do_nothing(index_elements=["account_id", "dedup_key"])
            .returning(RiskEvent.event_id)
        )
        return None if event_id is None else self._session.get(RiskEvent, event_id)

    def take_unannounced(self) -> list[RiskEvent]:
        """Return events nobody was told of, oldest first, and count them as told."""
        events = list(
            self._session.scalars(
                select(RiskEvent)
                .where(
                    RiskEvent.account_id == self._account_id,
                    RiskEvent.announced_at.is_(None),
                )
                .order_by(RiskEvent.event_id)
                .with_for_update(skip_locked=True)
            )
        )
        if events:
            self._session.execute(
                update(RiskEvent)
                .where(RiskEvent.event_id.in_([event.event_id for event in events]))
                .values(announced_at=func.clock_timestamp())
                .execution_options(synchronize_session=False)
            )
        return events

    def recent(self, limit: int = 100) -> list[RiskEvent]:
        """Return the latest events, newest first."""
        return list(
            self._session.scalars(
                select(RiskEvent)
                .where(RiskEvent.account_id == self._account_id)
                .order_by(RiskEvent.timestamp.desc(), RiskEvent.event_id.desc())
                .limit(limit)
            )
        )
