"""What execution does when it hears an event: it only writes."""

from trading_execution.operations import combos, flatten, orders
from trading_execution.repository import ExecutionTransaction
from trading_system.contracts.risk import OrderApproved, TradingStateChanged
from trading_system.messaging import EventHandlers
from trading_system.vocabulary import ServiceName

CANCEL, FLATTEN = 2, 3
"""Halt levels: from the first on open orders are canceled, from the second also
positions are closed."""

on = EventHandlers[ExecutionTransaction](ServiceName.EXECUTION)


@on.many(OrderApproved)
def write_orders(events: list[OrderApproved], tx: ExecutionTransaction) -> None:
    """Write approved orders down, ready to leave."""
    combos.write(tx, events)
    orders.create(tx, events)


@on(TradingStateChanged)
def obey_trading_state(event: TradingStateChanged, tx: ExecutionTransaction) -> None:
    """Cancel open orders, and close positions, as far as the halt level asks."""
    tx.act_as(event.by, event.reason)
    reason = f"halted by {event.by}: {event.reason}"
    if event.level >= FLATTEN:
        flatten.request(
            tx,
            event.event_id,
            event.account_id,
            reason,
            event.by,
            event.market_time,
        )
        return
    flatten.withdraw(tx, event.account_id, f"level {event.level}: {event.reason}")
    if event.level >= CANCEL:
        orders.cancel_open(tx, event.account_id, reason, event.market_time)
