"""Putting an order in the place of another one: the same claim, call and answer.

A replacement is an order of its own, sent once under an id of its own. When its answer
is lost it is looked up by that id, which names the broker's new order. The old order
ends by the broker's word alone.
"""

from loguru import logger

from trading_execution.operations.desk import Desk
from trading_execution.operations.resolve import refresh
from trading_system.errors import Unavailable


def settle_replaced(desk: Desk) -> tuple[int, int]:
    """Ask what became of the orders that others stand in the place of now.

    Returns how many were asked about and how many have ended.
    """
    with desk.database.read_only() as tx:
        rows = tx.orders.replaced(desk.account_id)
    ended = 0
    for row in rows:
        assert row.broker_order_id is not None
        try:
            seen = desk.broker.order(row.broker_order_id)
        except Unavailable as error:
            logger.warning("the end of {} is unclear: {}", row.order_id, error)
            continue
        ended += refresh(desk, row, seen)
    return len(rows), ended


def has_replaced(desk: Desk) -> bool:
    """Say whether an order that was replaced has not ended here yet."""
    with desk.database.read_only() as tx:
        return bool(tx.orders.replaced(desk.account_id))
