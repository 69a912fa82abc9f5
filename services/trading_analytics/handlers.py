"""What analytics does when it hears an event."""

from trading_analytics import operations
from trading_analytics.repository import AnalyticsTransaction
from trading_system.contracts.execution import (
    AccountUpdated,
    OrderFilled,
    OrdersCrossed,
)
from trading_system.messaging import EventHandlers
from trading_system.vocabulary import ServiceName


def handlers(feed: str) -> EventHandlers[AnalyticsTransaction]:
    """Return the handlers of a process that measures trades by a feed's bars."""
    on = EventHandlers[AnalyticsTransaction](ServiceName.ANALYTICS)

    @on(OrderFilled)
    def follow_an_execution(event: OrderFilled, tx: AnalyticsTransaction) -> None:
        """Open, extend or close the round trip that an execution belongs to."""
        operations.follow_round_trips(tx, feed, event.strategy, event.symbol)

    @on(OrdersCrossed)
    def follow_a_cross(event: OrdersCrossed, tx: AnalyticsTransaction) -> None:
        """Follow the round trips of both strategies whose orders met."""
        for strategy in (event.buyer, event.seller):
            operations.follow_round_trips(tx, feed, strategy, event.symbol)

    @on(AccountUpdated)
    def follow_the_account(event: AccountUpdated, tx: AnalyticsTransaction) -> None:
        """Keep the portfolio by symbol."""
        operations.summarize_portfolio(tx, event.market_time)

    return on
