"""Orders that stand in the place of others, whoever put them there.

A replacement of ours is an order of its own, sent once under an id of its own. When its
answer is lost it is looked up by that id, which names the broker's new order. The
broker, or a person there, can replace an order too: what takes its place is followed
and stays the same intent. Either way the old order ends by the broker's word alone.
"""

from typing import Any
from uuid import UUID

from loguru import logger

from trading_execution.domain.order_status import OrderStatus
from trading_execution.models import Order
from trading_execution.operations.desk import Desk
from trading_execution.operations.evidence import adopt
from trading_execution.operations.orders import say_accepted
from trading_execution.operations.resolve import refresh
from trading_execution.ports import BrokerOrder
from trading_execution.repository import ExecutionTransaction
from trading_system.crash import crash_point
from trading_system.errors import Unavailable
from trading_system.vocabulary import order_id

LONGEST_CHAIN = 100

# A wish to cancel goes on to what stands in an order's place.
_KEPT = (
    "account_id signal_id correlation_id leg strategy symbol side decision_price tag"
    " reduces valid_until market_time as_of extended_hours cancel_requested_at"
    " cancel_reason combo_id combo_leg"
).split()


def settle_replaced(desk: Desk) -> tuple[int, int]:
    """Ask what became of the orders that others stand in the place of now.

    Returns how many were asked about and how many have ended.
    """
    follow(desk)
    with desk.database.read_only() as tx:
        rows = tx.orders.replaced(desk.account_id)
    ended, waiting = 0, set()
    for row in rows:
        assert row.broker_order_id is not None
        try:
            seen = desk.broker.order(row.broker_order_id)
        except Unavailable as error:
            logger.warning("the end of {} is unclear: {}", row.order_id, error)
            continue
        if seen is not None and seen.replaced_by is None:
            waiting.add(row.order_id)
        ended += refresh(desk, row, seen)
    desk.being_replaced = frozenset(waiting)
    return len(rows), ended


def has_replaced(desk: Desk) -> bool:
    """Say whether an order that was replaced has not ended here yet.

    One that the broker has not replaced yet is no work: its market decides that, and
    where market time waits for idle services it would wait for ever.
    """
    with desk.database.read_only() as tx:
        rows = tx.orders.replaced(desk.account_id)
        return bool(
            {row.order_id for row in rows} - desk.being_replaced
            or tx.orders.unfollowed(desk.account_id)
        )


def follow(desk: Desk) -> int:
    """Take in what the broker has put in the place of orders of ours.

    Returns how many orders of the broker's have become known.
    """
    known = 0
    for _ in range(LONGEST_CHAIN):
        with desk.database.read_only() as tx:
            rows = tx.orders.unfollowed(desk.account_id)
        before = known
        for row in rows:
            assert row.replaced_by is not None
            seen = desk.broker.order(row.replaced_by)
            if seen is not None:
                _take_in(desk, row.order_id, seen)
                known += 1
        if known == before:
            break
    return known


def trace(desk: Desk, seen: BrokerOrder) -> bool:
    """Take an order in that goes back to one of ours; say whether it does."""
    chain, origin = [seen], None
    while (earlier := chain[-1].replaces) is not None and len(chain) < LONGEST_CHAIN:
        with desk.database.read_only() as tx:
            origin = tx.orders.id_by_broker(earlier)
        before = None if origin is not None else desk.broker.order(earlier)
        if before is None:
            break
        chain.append(before)
    if origin is None:
        return False
    for each in reversed(chain):
        origin = _take_in(desk, origin, each)
    return True


def _take_in(desk: Desk, old_id: UUID, seen: BrokerOrder) -> UUID:
    """Write down what stands in the place of an order; return our id of it."""
    now = desk.clock.now()
    crash_point("before_followed")
    with desk.booking, desk.database.transaction() as tx:
        tx.fence(desk.epoch)
        old = tx.orders.lock(old_id)
        old.replaced_by = old.replaced_by or seen.broker_order_id
        tx.session.flush()
        new_id = tx.orders.id_by_broker(seen.broker_order_id) or tx.orders.id_by_client(
            seen.client_order_id
        )
        if new_id is None:
            new_id = _write(tx, old, seen)
            logger.warning("order {} was replaced at the broker", old_id)
        if not adopt(tx, tx.orders.lock(new_id), seen, now):
            desk.ask_for_fills()
    return new_id


def _write(tx: ExecutionTransaction, old: Order, seen: BrokerOrder) -> UUID:
    generation = tx.orders.next_generation(old.signal_id, old.leg)
    new_id = order_id(old.signal_id, old.leg, generation)
    row: dict[str, Any] = {name: getattr(old, name) for name in _KEPT} | {
        "order_id": new_id,
        "generation": generation,
        "client_order_id": seen.client_order_id,
        "broker_order_id": seen.broker_order_id,
        "quantity": seen.quantity or old.quantity - old.filled_quantity,
        "price": seen.limit_price or seen.stop_price,
        "order_type": seen.order_type,
        "time_in_force": seen.time_in_force or old.time_in_force,
        "limit_price": seen.limit_price,
        "stop_price": seen.stop_price,
        "parent_order_id": old.parent_order_id or old.order_id,
        "replaces_order_id": old.order_id,
        "status": OrderStatus.ACCEPTED,
        "reason": f"the broker put it in the place of {old.order_id}",
    }
    tx.orders.add([row])
    say_accepted(tx, tx.orders.get(new_id), old.as_of)
    return new_id
