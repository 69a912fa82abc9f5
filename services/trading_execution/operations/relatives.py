"""Orders that the broker made of one of ours: exits, and what replaced it."""

from collections.abc import Sequence
from typing import Any

from trading_execution.domain.order_status import OrderStatus
from trading_execution.models import Order
from trading_execution.operations.desk import Desk
from trading_execution.operations.orders import say_accepted
from trading_execution.ports import BrokerOrder
from trading_execution.repository import ExecutionTransaction
from trading_system.vocabulary import order_id


def learn(desk: Desk) -> int:
    """Write down the exits of our orders that no answer has named yet.

    Returns how many orders of the broker's have become known.
    """
    with desk.database.read_only() as tx:
        rows = tx.orders.without_exits(desk.account_id)
    known = 0
    for row in rows:
        assert row.broker_order_id is not None
        seen = desk.broker.order(row.broker_order_id)
        if seen is None or not seen.legs:
            continue
        with desk.booking, desk.database.transaction() as tx:
            tx.fence(desk.epoch)
            known += write_exits(tx, tx.orders.lock(row.order_id), seen.legs)
    return known


def write_exits(
    tx: ExecutionTransaction, entry: Order, legs: Sequence[BrokerOrder]
) -> int:
    """Write down the exits that the broker keeps for an order; return the new ones."""
    return sum(
        _write(tx, entry, leg, number) for number, leg in enumerate(legs, start=1)
    )


def _write(
    tx: ExecutionTransaction, entry: Order, leg: BrokerOrder, number: int
) -> bool:
    if tx.orders.id_by_broker(leg.broker_order_id) is not None:
        return False
    market_time = entry.as_of
    row: dict[str, Any] = {
        "order_id": order_id(entry.signal_id, number, entry.generation),
        "account_id": entry.account_id,
        "signal_id": entry.signal_id,
        "correlation_id": entry.correlation_id,
        "leg": number,
        "generation": entry.generation,
        "client_order_id": leg.client_order_id,
        "broker_order_id": leg.broker_order_id,
        "strategy": entry.strategy,
        "symbol": leg.symbol,
        "side": leg.side,
        "quantity": leg.quantity or entry.quantity,
        "price": leg.limit_price or leg.stop_price,
        "order_type": leg.order_type,
        "time_in_force": leg.time_in_force or entry.time_in_force,
        "limit_price": leg.limit_price,
        "stop_price": leg.stop_price,
        "parent_order_id": entry.parent_order_id or entry.order_id,
        "tag": entry.tag,
        "reduces": True,
        "valid_until": entry.valid_until,
        "status": OrderStatus.ACCEPTED,
        "reason": f"the broker keeps it as an exit of {entry.order_id}",
        "market_time": entry.market_time,
        "as_of": market_time,
    }
    if not tx.orders.add([row]):
        return False
    say_accepted(tx, tx.orders.get(row["order_id"]), market_time)
    return True
