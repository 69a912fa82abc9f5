"""What risk does when it hears an event: it only writes."""

from itertools import groupby
from operator import attrgetter

from trading_risk import operations
from trading_risk.ports import Surroundings
from trading_risk.repository import RiskTransaction
from trading_system.clock import utc_now
from trading_system.contracts.execution import (
    AccountUpdated,
    OrderAccepted,
    OrderClosed,
    ReconciliationCompleted,
)
from trading_system.contracts.strategy import (
    DecisionsRecorded,
    SignalGenerated,
    StrategyChanged,
)
from trading_system.messaging import EventHandlers
from trading_system.vocabulary import ServiceName

_BAR = attrgetter("bar_end", "market_time")


def handlers(surroundings: Surroundings) -> EventHandlers[RiskTransaction]:
    """Return what is done at each event, in these surroundings."""
    on = EventHandlers[RiskTransaction](ServiceName.RISK)

    @on.many(SignalGenerated)
    def answer_signals(events: list[SignalGenerated], tx: RiskTransaction) -> None:
        """Approve or deny what strategies ask for, bar by bar."""
        for (_, market_time), signals in groupby(events, _BAR):
            requests = [operations.request_of(signal) for signal in signals]
            operations.decide_all(tx, requests, surroundings, market_time)

    @on(DecisionsRecorded)
    def mark_at_the_bar(event: DecisionsRecorded, tx: RiskTransaction) -> None:
        """Mark account and strategies at the bar's closes; warn of limits."""
        at = event.bar_end
        operations.mark_books(tx, surroundings, at, event.strategies)
        operations.monitor(tx, surroundings, at, at_closes=True)
        operations.announce(tx)

    @on(AccountUpdated)
    def mark_at_the_account(event: AccountUpdated, tx: RiskTransaction) -> None:
        """Mark account and strategies at the broker's prices."""
        if event.account_id == tx.account:
            operations.mark_account(tx, surroundings, event.equity, event.market_time)

    @on(ReconciliationCompleted)
    def remember_books(event: ReconciliationCompleted, tx: RiskTransaction) -> None:
        """Remember how the books were; a comparison that broke off says nothing."""
        if event.complete:
            tx.sitting = None
            tx.states.books_compared(
                event.run_id,
                event.clean,
                event.summary,
                tx.written_at(event.event_id) or utc_now(),
                event.market_time,
            )

    @on(StrategyChanged)
    def adopt_limits(event: StrategyChanged, tx: RiskTransaction) -> None:
        """Put a strategy's own limits in force."""
        operations.adopt_strategy_limits(tx, event)

    @on(OrderAccepted)
    def release_accepted(event: OrderAccepted, tx: RiskTransaction) -> None:
        """Stop reserving for an approval that is an order now."""
        tx.reservations.release(event.order_id)

    @on(OrderClosed)
    def release_closed(event: OrderClosed, tx: RiskTransaction) -> None:
        """Stop reserving for an approval whose order has ended."""
        tx.reservations.release(event.order_id)

    return on
