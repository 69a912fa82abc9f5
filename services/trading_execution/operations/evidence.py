"""What the broker says of an order is believed, from whatever source, exactly once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from loguru import logger
from sqlalchemy.exc import SQLAlchemyError

from trading_core.money import QUANTITY_STEP, ZERO
from trading_execution.domain.order_status import TERMINAL, OrderStatus
from trading_execution.models import Order, Trade
from trading_execution.operations import ledger
from trading_execution.operations.orders import become, facts
from trading_execution.operations.relatives import write_exits
from trading_execution.ports import BrokerFill, BrokerOrder
from trading_execution.repository import ExecutionTransaction
from trading_system.clock import utc_now
from trading_system.contracts.execution import OrderFilled
from trading_system.database import connection_lost
from trading_system.errors import Conflict, TradingError
from trading_system.vocabulary import identity, plain

_ENDS = TERMINAL - {OrderStatus.NOT_SENT}


_ONE_IS_WRONG = (TradingError, SQLAlchemyError, ArithmeticError)


class Booked(StrEnum):
    """What became of an execution that was reported."""

    NEW = "new"
    KNOWN = "known"
    GAP = "gap"
    """An earlier execution of the order is missing: ask for all of them."""
    CORRECTED = "corrected"
    """Known under the same identity with another price or quantity."""


def adopt(
    tx: ExecutionTransaction, order: Order, seen: BrokerOrder, market_time: datetime
) -> bool:
    """Take over what the broker reports of a locked order.

    False when the broker has executions that are not booked, or has put an order in
    its place that is not known: the order's end is noted only after they are.
    """
    booked = seen.filled_quantity <= order.filled_quantity
    if seen.replaced_by is not None:
        order.replaced_by = order.replaced_by or seen.replaced_by
        booked &= tx.orders.id_by_broker(seen.replaced_by) is not None
    if seen.symbol != order.symbol or seen.side != order.side:
        raise Conflict(
            f"Order {order.order_id} is {order.side} {order.symbol} here and"
            f" {seen.side} {seen.symbol} at the broker."
        )
    if seen.legs:
        write_exits(tx, order, seen.legs)
    ended = OrderStatus(order.status) in TERMINAL
    if ended and order.broker_order_id == seen.broker_order_id:
        return booked
    reached = seen.status if seen.status in _ENDS and booked else None
    if reached is None:
        part = OrderStatus.PARTIALLY_FILLED
        reached = part if order.filled_quantity else OrderStatus.ACCEPTED
    reason = seen.reason or f"the broker says {seen.said}"
    become(tx, order, reached, reason, market_time, seen.broker_order_id)
    return booked


def book(tx: ExecutionTransaction, order: Order, fill: BrokerFill) -> Booked:
    """Book an execution of a locked order, unless it is booked already.

    An execution is named by the broker's order and its cumulative quantity, which the
    stream and the activities agree on.
    """
    known = tx.trades.find(fill.broker_order_id, fill.cumulative_quantity)
    if known is not None:
        same = (known.quantity, known.price) == (fill.quantity, fill.price)
        return Booked.KNOWN if same else Booked.CORRECTED
    if fill.cumulative_quantity - fill.quantity != order.filled_quantity:
        return Booked.GAP
    if fill.symbol != order.symbol or fill.side != order.side:
        raise Conflict(
            f"Order {order.order_id} is {order.side} {order.symbol}, and the broker"
            f" reports an execution: {fill.side} {fill.symbol}."
        )
    trade = Trade(
        trade_id=identity(
            "trade", fill.broker_order_id, plain(fill.cumulative_quantity)
        ),
        order_id=order.order_id,
        account_id=order.account_id,
        strategy=order.strategy,
        symbol=order.symbol,
        side=order.side,
        quantity=fill.quantity,
        price=fill.price,
        timestamp=fill.time,
        broker_order_id=fill.broker_order_id,
        cumulative_quantity=fill.cumulative_quantity,
        execution_id=fill.execution_id,
        activity_id=fill.activity_id,
        source=fill.source,
    )
    tx.session.add(trade)
    tx.session.flush()
    _advance(tx, order, fill)
    ledger.post(
        tx,
        ledger.fill_entry(
            fill,
            order.account_id,
            order.strategy,
            trade_id=trade.trade_id,
            order_id=order.order_id,
            correlation_id=order.correlation_id,
        ),
    )
    tx.publish(
        OrderFilled(
            **facts(order, fill.time),
            trade_id=trade.trade_id,
            fill_quantity=fill.quantity,
            price=fill.price,
            filled_quantity=order.filled_quantity,
            complete=order.status == OrderStatus.FILLED,
            source=fill.source,
        )
    )
    return Booked.NEW


def _advance(tx: ExecutionTransaction, order: Order, fill: BrokerFill) -> None:
    total = fill.cumulative_quantity
    trades = tx.trades.of_order(order.order_id)
    paid = sum((trade.quantity * trade.price for trade in trades), ZERO)
    order.filled_quantity = total
    order.average_fill_price = (paid / total).quantize(QUANTITY_STEP)
    order.first_fill_at = order.first_fill_at or utc_now()
    status = OrderStatus(order.status)
    # An order that ended at the broker stays ended: this execution came late.
    if status in TERMINAL and order.broker_order_id is not None:
        become(tx, order, status, "", fill.time, fill.broker_order_id)
        return
    # Of what was netted, or is counted in dollars, the broker knows best.
    complete = total == order.quantity if fill.is_last is None else fill.is_last
    become(
        tx,
        order,
        OrderStatus.FILLED if complete else OrderStatus.PARTIALLY_FILLED,
        f"filled {plain(total)} of {plain(order.quantity)}",
        fill.time,
        fill.broker_order_id,
    )


@dataclass(frozen=True, slots=True)
class Step:
    """What is to happen to one order."""

    order_id: UUID
    symbol: str
    take: Callable[[Order], None]


def take_steps(
    tx: ExecutionTransaction, account_id: str, steps: Sequence[Step]
) -> None:
    """Let each step happen to its order, locked.

    All at once when that works. When it does not, each in a savepoint of its own: one
    order that cannot be stepped must not stop the others. Its symbol is put on hold,
    and the next reconciliation shows what is wrong with it.
    """
    if not steps:
        return
    try:
        with tx.session.begin_nested():
            orders = tx.orders.lock_all({step.order_id for step in steps})
            for step in steps:
                step.take(orders[step.order_id])
            tx.session.flush()
        return
    except _ONE_IS_WRONG as error:
        if connection_lost(error):
            raise
    for step in steps:
        try:
            with tx.session.begin_nested():
                step.take(tx.orders.lock(step.order_id))
                tx.session.flush()
        except _ONE_IS_WRONG as error:
            if connection_lost(error):
                raise
            logger.exception("order {} could not be stepped", step.order_id)
            tx.reconciliations.hold(
                account_id,
                step.symbol,
                "impossible_step",
                f"order {step.order_id}: {error}"[:500],
            )
