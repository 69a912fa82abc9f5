"""Every query of risk, and its unit of work."""

from datetime import UTC, date, datetime
from functools import cached_property
from uuid import UUID

from sqlalchemy import event, func, select, text
from sqlalchemy.orm import Session

from trading_core.calendar import NEW_YORK
from trading_risk.domain.sitting import Sitting
from trading_risk.repository.books import BookKeeping
from trading_risk.repository.limits import RiskLimits
from trading_risk.repository.locks import SymbolLocks
from trading_risk.repository.losses import Breakers, LossDays, RiskEvents
from trading_risk.repository.outcomes import ManualOrders, Outcomes, Reservations
from trading_risk.repository.placed import PlacedOrders
from trading_risk.repository.state import TradingStates
from trading_system.clock import utc_now
from trading_system.contracts.execution import (
    AccountUpdated,
    OrderAccepted,
    ReconciliationCompleted,
)
from trading_system.contracts.ingestion import BarsIngested
from trading_system.contracts.strategy import SignalGenerated
from trading_system.database import Transaction
from trading_system.models import DeadLetter, LoggedEvent, TradingSession
from trading_system.vocabulary import ServiceName

_TELL_THE_TIME = tuple(
    each.topic
    for each in (
        AccountUpdated,
        BarsIngested,
        OrderAccepted,
        ReconciliationCompleted,
        SignalGenerated,
    )
)
_PAUSED = "select name from strategy_engine.strategies where status = 'paused'"
_DECIDING = (str(ServiceName.RISK), str(ServiceName.EXECUTION))


class RiskTransaction(Transaction):
    """A unit of work on limits, trading state, outcomes and losses of one account."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._days: dict[datetime, date] = {}
        self.sitting: Sitting | None = None
        # A savepoint that is rolled back gives up the locks that were taken in it.
        event.listen(session, "after_soft_rollback", self._forget)

    def _forget(self, *_: object) -> None:
        """Leave what was read: from here on it may be another."""
        self.sitting = None
        for kept in ("loss_days", "breakers"):
            self.__dict__.pop(kept, None)

    @cached_property
    def account(self) -> str:
        """The account that all of it is about."""
        return self.account_id

    @cached_property
    def limits(self) -> RiskLimits:
        """Limits in force."""
        return RiskLimits(self.session, self.account)

    @cached_property
    def states(self) -> TradingStates:
        """The trading state, and the lock of the account."""
        return TradingStates(self.session, self.account)

    @cached_property
    def outcomes(self) -> Outcomes:
        """Answers to signals."""
        return Outcomes(self.session, self.account)

    @cached_property
    def reservations(self) -> Reservations:
        """Approvals that execution has not written down yet."""
        return Reservations(self.session, self.account)

    @cached_property
    def manual_orders(self) -> ManualOrders:
        """Orders that people asked for."""
        return ManualOrders(self.session, self.account)

    @cached_property
    def placed(self) -> PlacedOrders:
        """Single orders on execution's books."""
        return PlacedOrders(self.session, self.account)

    @cached_property
    def books(self) -> BookKeeping:
        """What is held, ordered and last priced."""
        return BookKeeping(self.session, self.account)

    @cached_property
    def loss_days(self) -> LossDays:
        """Loss days of the account and of strategies."""
        return LossDays(self.session, self.account)

    @cached_property
    def breakers(self) -> Breakers:
        """Breakers that have tripped."""
        return Breakers(self.session, self.account)

    @cached_property
    def locks(self) -> SymbolLocks:
        """Symbols that nothing may be entered in."""
        return SymbolLocks(self.session, self.account)

    @cached_property
    def events(self) -> RiskEvents:
        """Warnings, breaches and halts."""
        return RiskEvents(self.session, self.account)

    def lock_account(self) -> None:
        """Be the only one who decides about the account, until the transaction ends."""
        self.states.lock_account()
        self._forget()

    def session_day(self, market_time: datetime) -> date:
        """Return the day of the session that has opened last.

        Losses of a night, a weekend or a holiday belong to the session before.
        """
        if market_time not in self._days:
            day = self.session.scalar(
                select(func.max(TradingSession.day)).where(
                    TradingSession.open <= market_time
                )
            )
            self._days[market_time] = day or market_time.astimezone(NEW_YORK).date()
        return self._days[market_time]

    def is_session_open(self, market_time: datetime) -> bool:
        """Say whether the regular session is on, by the stored calendar."""
        found = self.session.scalar(
            select(TradingSession.day).where(
                TradingSession.open <= market_time, market_time < TradingSession.close
            )
        )
        return found is not None

    def market_time(self) -> datetime:
        """Return the newest market time that was told; the machine's before that.

        Risk has no connection to the broker: it knows the market's clock from events,
        of those who have one. What others say may be about the past, or about no
        market time at all.
        """
        told = self.session.scalar(
            select(LoggedEvent.payload["market_time"].astext)
            .where(LoggedEvent.topic.in_(_TELL_THE_TIME))
            .order_by(LoggedEvent.seq.desc())
            .limit(1)
        )
        return datetime.fromisoformat(told) if told else utc_now()

    def written_at(self, event_id: UUID | None) -> datetime | None:
        """Return the machine's time at which an event was published."""
        if event_id is None:
            return None
        if event_id.version == 7:
            # The id begins with the millisecond in which it was made.
            return datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC)
        return self.session.scalar(
            select(LoggedEvent.occurred_at).where(LoggedEvent.event_id == event_id)
        )

    def paused(self) -> frozenset[str]:
        """Return the strategies whose entries a person has paused."""
        return frozenset(self.session.scalars(text(_PAUSED)))

    def parked(self) -> frozenset[tuple[str, UUID]]:
        """Return key and id of the events that failed here or in execution."""
        rows = self.session.execute(
            select(DeadLetter.key, DeadLetter.event_id).where(
                DeadLetter.consumer.in_(_DECIDING),
                DeadLetter.status.in_(("retrying", "held", "parked")),
            )
        )
        return frozenset(rows.tuples())
