"""Orders: written when approved, stepped through their life, given up or canceled."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict
from uuid import UUID

from trading_execution.domain.client_id import client_order_id
from trading_execution.domain.order_status import (
    AT_BROKER,
    LIVE,
    TERMINAL,
    OrderStatus,
    may_become,
)
from trading_execution.models import Order
from trading_execution.repository import ExecutionTransaction
from trading_system.clock import utc_now
from trading_system.contracts.execution import OrderAccepted, OrderClosed
from trading_system.contracts.risk import OrderApproved
from trading_system.errors import Conflict
from trading_system.vocabulary import Side

SALT = "installation_salt"
"""The fact of an installation that keeps the order ids of two installations apart."""


def create(
    tx: ExecutionTransaction, approved: Iterable[OrderApproved], generation: int = 0
) -> int:
    """Write down approved orders; return how many were not there yet."""
    return tx.orders.add([_row(tx, each, generation) for each in approved])


def _row(
    tx: ExecutionTransaction, approved: OrderApproved, generation: int
) -> dict[str, Any]:
    account_id = tx.account_id
    salt = str(tx.config(SALT) or "")
    profit, loss = approved.take_profit, approved.stop_loss
    # The limit of an `oco` is its take-profit.
    limit = approved.limit_price or (
        approved.named_price if approved.order_type == "limit" else None
    )
    return {
        "order_id": approved.order_id,
        "account_id": account_id,
        "signal_id": approved.signal_id,
        "correlation_id": approved.correlation_id,
        "generation": generation,
        "client_order_id": client_order_id(
            tx.mode, account_id, approved.signal_id, 0, generation, salt
        ),
        "strategy": approved.strategy,
        "symbol": approved.symbol,
        "side": approved.side,
        "quantity": approved.quantity,
        "price": limit or approved.stop_price,
        "order_type": approved.order_type,
        "time_in_force": approved.time_in_force,
        "limit_price": limit,
        "stop_price": approved.stop_price,
        "trail_price": approved.trail_price,
        "trail_percent": approved.trail_percent,
        "notional": approved.notional,
        "extended_hours": approved.extended_hours,
        "order_class": approved.order_class,
        "take_profit_price": profit and profit.limit_price,
        "stop_loss_price": loss and loss.stop_price,
        "stop_loss_limit_price": loss and loss.limit_price,
        "parent_order_id": _origin(tx, approved.replaces),
        "replaces_order_id": approved.replaces,
        "combo_id": approved.combo and approved.combo.combo_id,
        "combo_leg": approved.combo and approved.combo.leg,
        "decision_price": approved.decision_price,
        "tag": approved.tag,
        "reduces": approved.reduces,
        "valid_until": approved.valid_until,
        "status": OrderStatus.READY,
        "reason": "approved by risk",
        "market_time": approved.market_time,
        "as_of": approved.market_time,
    }


def _origin(tx: ExecutionTransaction, replaces: UUID | None) -> UUID | None:
    """Return the first order of the family that a replacement belongs to."""
    if replaces is None:
        return None
    return tx.orders.get(replaces).parent_order_id or replaces


def become(
    tx: ExecutionTransaction,
    order: Order,
    status: OrderStatus,
    reason: str,
    market_time: datetime,
    broker_order_id: str | None = None,
) -> None:
    """Take one step of an order's life, and tell when it is accepted or over.

    The order must be locked. `broker_order_id` names the broker's order that the step
    rests on.
    """
    old, had = OrderStatus(order.status), order.broker_order_id is not None
    if broker_order_id is not None:
        if order.broker_order_id not in (None, broker_order_id):
            raise Conflict(
                f"Order {order.order_id} is {order.broker_order_id} at the broker,"
                f" and now also {broker_order_id}."
            )
        order.broker_order_id = broker_order_id
    if status is not old:
        has = order.broker_order_id is not None
        if not may_become(old, status, broker_had_it=had, broker_has_it=has):
            raise Conflict(f"Order {order.order_id} is {old}: it cannot be {status}.")
        order.status, order.reason = status, reason
        order.as_of = max(order.as_of, market_time)
        order.closed_at = utc_now() if status in TERMINAL else None
    if broker_order_id is not None and not had:
        say_accepted(tx, order, market_time)
    if status is not old and status in TERMINAL - {OrderStatus.FILLED}:
        _say_closed(tx, order, market_time)


def request_cancel(
    tx: ExecutionTransaction, order_id: UUID, reason: str, market_time: datetime
) -> Order:
    """Note that an order is to be canceled; one that was never sent ends at once."""
    order = tx.orders.lock(tx.orders.get(order_id).order_id)
    status = OrderStatus(order.status)
    if status in TERMINAL:
        raise Conflict(f"Order {order_id} is {status} already.")
    _want_canceled(tx, order, reason, market_time)
    return order


def cancel_open(
    tx: ExecutionTransaction,
    account_id: str,
    reason: str,
    market_time: datetime,
    statuses: Iterable[OrderStatus] = LIVE,
    spare_tag: str | None = None,
) -> list[UUID]:
    """Note that every order that may still trade is to be canceled."""
    canceled = []
    found = tx.orders.with_status(account_id, statuses)
    for order_id in sorted(order.order_id for order in found):
        order = tx.orders.lock(order_id)
        wanted = order.cancel_requested_at is None and order.tag != spare_tag
        if wanted and OrderStatus(order.status) not in TERMINAL:
            _want_canceled(tx, order, reason, market_time)
            canceled.append(order_id)
    return canceled


def may_replace(old: Order) -> bool:
    """Say whether an order can still be put in another's place.

    When a part of it has been filled, the quantity of another would be one too many.
    """
    return OrderStatus(old.status) in AT_BROKER and not old.filled_quantity


def give_up(
    tx: ExecutionTransaction, order: Order, reason: str, market_time: datetime
) -> None:
    """End an order that must not leave any more.

    One that was never attempted was not sent. Of one that was, the broker may know
    more than we do: it is looked up until that is certain.
    """
    unsent = order.attempts == 0
    status = OrderStatus.NOT_SENT if unsent else OrderStatus.UNKNOWN
    become(tx, order, status, reason, market_time)


def ended_for_sure(order: Order) -> bool:
    """Say whether another order may follow: the broker itself has ended this one."""
    if OrderStatus(order.status) not in TERMINAL:
        return False
    known = order.broker_order_id is not None
    return known or order.status in (OrderStatus.NOT_SENT, OrderStatus.REJECTED)


def _want_canceled(
    tx: ExecutionTransaction, order: Order, reason: str, market_time: datetime
) -> None:
    order.cancel_requested_at, order.cancel_reason = utc_now(), reason
    if order.status == OrderStatus.READY:
        give_up(tx, order, reason, market_time)


def say_accepted(tx: ExecutionTransaction, order: Order, market_time: datetime) -> None:
    """Tell that the broker has an order."""
    if order.status == OrderStatus.REJECTED:
        return
    order.accepted_at = order.accepted_at or utc_now()
    tx.publish(
        OrderAccepted(
            **facts(order, market_time), broker_order_id=str(order.broker_order_id)
        )
    )


def _say_closed(tx: ExecutionTransaction, order: Order, market_time: datetime) -> None:
    tx.publish(
        OrderClosed(
            **facts(order, market_time),
            status=order.status.lower(),
            reason=order.reason,
            filled_quantity=order.filled_quantity,
        )
    )


class Facts(TypedDict):
    """What every event about an order says."""

    correlation_id: UUID | None
    order_id: UUID
    signal_id: UUID
    client_order_id: str
    strategy: str
    symbol: str
    side: Side
    quantity: Decimal
    market_time: datetime


def facts(order: Order, market_time: datetime) -> Facts:
    """Return what every event about an order says."""
    return {
        "correlation_id": order.correlation_id,
        "order_id": order.order_id,
        "signal_id": order.signal_id,
        "client_order_id": order.client_order_id,
        "strategy": order.strategy,
        "symbol": order.symbol,
        "side": Side(order.side),
        "quantity": order.quantity,
        "market_time": market_time,
    }
