"""Every query of risk, and its unit of work."""

from datetime import date, datetime
from functools import cached_property
from uuid import UUID

from sqlalchemy import func, select

from trading_core.calendar import NEW_YORK
from trading_risk.repository.books import BookKeeping
from trading_risk.repository.limits import RiskLimits
from trading_risk.repository.losses import Breakers, LossDays, RiskEvents
from trading_risk.repository.outcomes import ManualOrders, Outcomes, Reservations
from trading_risk.repository.state import TradingStates
from trading_system.clock import utc_now
from trading_system.database import Transaction
from trading_system.models import DeadLetter, LoggedEvent, TradingSession
from trading_system.vocabulary import ServiceName

NIL = UUID(int=0)
_DECIDING = (str(ServiceName.RISK), str(ServiceName.EXECUTION))


class RiskTransaction(Transaction):
    """A unit of work on limits, trading state, outcomes and losses of one account."""

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
    def events(self) -> RiskEvents:
        """Warnings, breaches and halts."""
        return RiskEvents(self.session, self.account)

    def session_day(self, market_time: datetime) -> date:
        """Return the day of the session that has opened last.

        Losses of a night, a weekend or a holiday belong to the session before.
        """
        day = self.session.scalar(
            select(func.max(TradingSession.day)).where(
                TradingSession.open <= market_time
            )
        )
        return day or market_time.astimezone(NEW_YORK).date()

    def is_session_open(self, market_time: datetime) -> bool:
        """Say whether the regular session is on, by the stored calendar."""
        found = self.session.scalar(
            select(TradingSession.day).where(
                TradingSession.open <= market_time, market_time < TradingSession.close
            )
        )
        return found is not None

    def market_time(self) -> datetime:
        """Return the newest market time that anybody told; the machine's before that.

        Risk has no connection to the broker: it knows the market's clock from events.
        """
        told = self.session.scalar(
            select(LoggedEvent.payload["market_time"].astext)
            .where(LoggedEvent.payload.has_key("market_time"))
            .order_by(LoggedEvent.seq.desc())
            .limit(1)
        )
        return datetime.fromisoformat(told) if told else utc_now()

    def written_at(self, event_id: UUID) -> datetime | None:
        """Return the machine's time at which an event was published."""
        return self.session.scalar(
            select(LoggedEvent.occurred_at).where(LoggedEvent.event_id == event_id)
        )

    def parked(self, symbol: str, event_id: UUID | None) -> bool:
        """Say whether another event about a symbol failed here or in execution."""
        found = self.session.scalar(
            select(DeadLetter.event_id)
            .where(
                DeadLetter.consumer.in_(_DECIDING),
                DeadLetter.status.in_(("retrying", "held", "parked")),
                DeadLetter.key == symbol,
                # The event at hand may be on its second attempt.
                DeadLetter.event_id != (event_id or NIL),
            )
            .limit(1)
        )
        return found is not None
