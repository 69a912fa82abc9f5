"""Looking up what is unclear: orders without an answer, and cancellations."""

from datetime import datetime, timedelta

from loguru import logger

from trading_execution.domain.leaving import may_leave, state_in_force
from trading_execution.domain.lookup import REFUSED, Next, Silence, after_silence
from trading_execution.domain.order_status import AT_BROKER, UNSETTLED, OrderStatus
from trading_execution.models import Order, SubmitAttempt
from trading_execution.operations.desk import Desk
from trading_execution.operations.evidence import adopt
from trading_execution.operations.orders import become, may_replace
from trading_execution.ports import BrokerOrder
from trading_execution.repository import EndedAttempt, ExecutionTransaction
from trading_system.clock import utc_now
from trading_system.crash import crash_point
from trading_system.errors import Unavailable

CALL_TIME = timedelta(seconds=20)
"""Longer than any call can take: a claim of this process that is older has no call."""


def resolve_unknown(desk: Desk) -> tuple[int, int]:
    """Ask the broker about every order whose fate is unclear.

    Returns how many were looked at and how many became clear.
    """
    with desk.database.read_only() as tx:
        rows = tx.orders.unresolved(desk.account_id, desk.epoch, utc_now(), CALL_TIME)
    desk.unclear.note(rows)
    if not rows:
        return 0, 0
    # A lookup that fails to find counts only while the broker answers at all.
    now = desk.clock.refresh().now
    clear = 0
    for row in rows:
        seen = desk.broker.by_client_order_id(row.client_order_id)
        crash_point("after_lookup")
        with desk.booking, desk.database.transaction() as tx:
            tx.fence(desk.epoch)
            order = tx.orders.lock(row.order_id)
            if OrderStatus(order.status) not in UNSETTLED:
                continue
            clear += _looked_up(tx, desk, order, seen, now)
    return len(rows), clear


def has_unresolved(desk: Desk) -> bool:
    """Say whether the fate of an order is unclear, or a cancellation is due."""
    with desk.database.read_only() as tx:
        return bool(
            tx.orders.with_status(desk.account_id, UNSETTLED)
            or tx.orders.to_cancel(desk.account_id)
        )


def cancel_wanted(desk: Desk) -> tuple[int, int]:
    """Ask the broker to cancel what is to be canceled, until the orders have ended.

    Returns how many were asked for and how many have ended.
    """
    with desk.database.read_only() as tx:
        rows = tx.orders.to_cancel(desk.account_id)
    ended = 0
    for row in rows:
        assert row.broker_order_id is not None
        try:
            desk.broker.cancel(row.broker_order_id)
            crash_point("after_cancel")
            seen = desk.broker.order(row.broker_order_id)
        except Unavailable as error:
            logger.warning("cancellation of {} is unclear: {}", row.order_id, error)
            continue
        ended += refresh(desk, row, seen)
    return len(rows), ended


def refresh(desk: Desk, row: Order, seen: BrokerOrder | None) -> bool:
    """Believe what the broker reports of an order; say whether that ended it."""
    if seen is None:
        # Never "canceled" from silence: reconciliation counts it as a difference.
        return False
    now = desk.clock.now()
    with desk.booking, desk.database.transaction() as tx:
        tx.fence(desk.epoch)
        order = tx.orders.lock(row.order_id)
        if not adopt(tx, order, seen, now):
            desk.ask_for_fills()
        return order.closed_at is not None


def moved_on(desk: Desk) -> list[tuple[Order, BrokerOrder | None]]:
    """Return the orders at the broker that are not where we think, as it has them."""
    with desk.database.read_only() as tx:
        rows = tx.orders.with_status(desk.account_id, AT_BROKER)
    if not rows:
        return []
    open_there = {seen.broker_order_id: seen for seen in desk.broker.open_orders()}
    moved: list[tuple[Order, BrokerOrder | None]] = []
    for row in rows:
        assert row.broker_order_id is not None
        seen = open_there.get(row.broker_order_id)
        if seen is None:
            moved.append((row, desk.broker.order(row.broker_order_id)))
        elif seen.filled_quantity != row.filled_quantity:
            moved.append((row, seen))
    return moved


def follow(desk: Desk) -> int:
    """Ask where the orders at the broker are; return how many had moved on.

    For when the stream cannot be waited for: it is away, or market time stands still
    until everything is known.
    """
    moved = moved_on(desk)
    for row, seen in moved:
        refresh(desk, row, seen)
    return len(moved)


def _looked_up(
    tx: ExecutionTransaction,
    desk: Desk,
    order: Order,
    seen: BrokerOrder | None,
    now: datetime,
) -> bool:
    if seen is not None:
        found = EndedAttempt(order.order_id, order.attempts, "found")
        tx.orders.end_attempts([found])
        if not adopt(tx, order, seen, now):
            desk.ask_for_fills()
        return True
    order.misses, order.last_miss_at = order.misses + 1, utc_now()
    if order.status == OrderStatus.SUBMITTING:
        reason = "no answer was recorded, and the broker does not know it yet"
        become(tx, order, OrderStatus.UNKNOWN, reason, now)
    return _concluded(tx, desk, order, now)


def _why_it_ended(order: Order, attempt: SubmitAttempt | None) -> str:
    if order.cancel_reason:
        return order.cancel_reason
    told = attempt.detail if attempt is not None else None
    return f"never reached the broker: {told or 'the attempt was cut short'}"


def _has_its_place(tx: ExecutionTransaction, order: Order) -> bool:
    if order.replaces_order_id is None:
        return True
    return may_replace(tx.orders.lock(order.replaces_order_id))


def _concluded(
    tx: ExecutionTransaction, desk: Desk, order: Order, now: datetime
) -> bool:
    state = state_in_force(tx.trading_state(desk.account_id), desk.killed)
    attempt = tx.orders.attempt(order)
    silence = Silence(
        misses=order.misses,
        lasted=desk.unclear.lasted(order),
        may_still_leave=(
            now <= order.valid_until
            and order.cancel_requested_at is None
            and may_leave(state, reduces=order.reduces, tag=order.tag)
            and _has_its_place(tx, order)
        ),
        refused=attempt is not None and attempt.outcome == REFUSED,
    )
    step = after_silence(silence, desk.patience)
    if step is Next.WAIT:
        return False
    if step is Next.SEND_AGAIN:
        reason = "the broker does not have it: to be sent again under the same id"
        become(tx, order, OrderStatus.READY, reason, now)
    elif step is Next.REJECT:
        assert attempt is not None
        become(tx, order, OrderStatus.REJECTED, attempt.detail or "refused", now)
    else:
        become(tx, order, OrderStatus.EXPIRED, _why_it_ended(order, attempt), now)
    return True
