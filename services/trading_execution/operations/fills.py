"""Executions: from the stream as they happen, and from the activities as the record."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from loguru import logger

from trading_execution.domain.client_id import is_ours
from trading_execution.domain.order_status import AT_BROKER, OrderStatus
from trading_execution.models import Order
from trading_execution.operations import ledger, relatives, replacing
from trading_execution.operations.desk import Desk
from trading_execution.operations.evidence import (
    Booked,
    Step,
    adopt,
    book,
    take_steps,
)
from trading_execution.ports import BrokerFill, BrokerOrder, StreamUpdate
from trading_execution.repository import ExecutionTransaction
from trading_system.crash import crash_point
from trading_system.errors import Unavailable

ACCEPTED = OrderStatus.ACCEPTED

OVERLAP = timedelta(minutes=15)
"""How far behind the newest booked execution each look begins again."""

LOOK_BACK = timedelta(days=3)
"""Fees and dividends carry a date only, and are booked up to days after it."""


def take_updates(desk: Desk, updates: Sequence[StreamUpdate]) -> None:
    """Believe what the stream tells; ask for the record where it skipped something."""
    now = desk.clock.now()
    crash_point("before_told")
    with desk.booking, desk.database.transaction() as tx:
        tx.fence(desk.epoch)
        ours = tx.orders.known({update.order.client_order_id for update in updates})
        steps = []
        for update in updates:
            order = ours.get(update.order.client_order_id)
            if order is None:
                # Someone else's, or not ours to know yet: the record will tell.
                desk.fills_due.set()
            elif _is_news(order, update):
                take = _told(tx, desk, update, now)
                steps.append(Step(order.order_id, order.symbol, take))
        take_steps(tx, desk.account_id, steps)


def _is_news(order: Order, update: StreamUpdate) -> bool:
    if update.fill is not None or order.broker_order_id is None:
        return True
    return order.status not in AT_BROKER or update.order.status is not ACCEPTED


def _told(
    tx: ExecutionTransaction, desk: Desk, update: StreamUpdate, now: datetime
) -> Callable[[Order], None]:
    def take(order: Order) -> None:
        if update.fill is not None:
            _book(tx, desk, order, update.fill)
        if not adopt(tx, order, update.order, now):
            desk.fills_due.set()

    return take


def catch_up(desk: Desk, since: datetime | None = None) -> int:
    """Book every execution that the broker has on record and we have not.

    Looks from `since`, by default from shortly before the newest one booked, and
    returns how many were new.
    """
    desk.fills_due.clear()
    now = desk.clock.now()
    start = _start(desk, since)
    try:
        relatives.learn(desk)
        replacing.follow(desk)
        fills = _unbooked(desk, desk.broker.fills_after(start))
        orders = _orders_of(desk, fills)
    except Unavailable:
        desk.fills_due.set()
        raise
    crash_point("before_booked")
    with desk.booking, desk.database.transaction() as tx:
        tx.fence(desk.epoch)
        booked = _enter(tx, desk, fills, orders, now)
        if not desk.fills_due.is_set():
            _move_cursor(tx, desk, fills)
    if booked:
        crash_point("after_booked")
    desk.booked_until = now
    return booked


def catch_up_activities(desk: Desk, since: datetime | None = None) -> int:
    """Enter fees, dividends, splits and transfers that are not in the ledger yet."""
    entered = 0
    activities = desk.broker.activities_after(since or desk.clock.now() - LOOK_BACK)
    with desk.booking, desk.database.transaction() as tx:
        tx.fence(desk.epoch)
        for activity in activities:
            if activity.kind is None:
                # Never guessed: reconciliation will show what it did to the cash.
                logger.warning("activity {} is not known", activity.said)
                continue
            entered += ledger.post_activity(tx, desk.account_id, activity)
    return entered


def _enter(
    tx: ExecutionTransaction,
    desk: Desk,
    fills: Sequence[BrokerFill],
    orders: dict[str, BrokerOrder | None],
    now: datetime,
) -> int:
    steps, new = [], Counter[Booked]()
    for seen in orders.values():
        if seen is not None and seen.legs:
            _know_exits(tx, seen)
    for fill in fills:
        seen = orders.get(fill.broker_order_id)
        order_id = tx.orders.id_by_broker(fill.broker_order_id)
        if order_id is None and seen is not None:
            order_id = tx.orders.id_by_client(seen.client_order_id)
        if order_id is None:
            new[Booked.NEW] += _set_aside(tx, desk, fill, seen)
            continue
        take = _recorded(tx, desk, fill, seen, now, new)
        steps.append(Step(order_id, fill.symbol, take))
    take_steps(tx, desk.account_id, steps)
    return new[Booked.NEW]


def _know_exits(tx: ExecutionTransaction, seen: BrokerOrder) -> None:
    order_id = tx.orders.id_by_client(seen.client_order_id)
    if order_id is not None:
        relatives.write_exits(tx, tx.orders.lock(order_id), seen.legs)


def _recorded(
    tx: ExecutionTransaction,
    desk: Desk,
    fill: BrokerFill,
    seen: BrokerOrder | None,
    now: datetime,
    count: Counter[Booked],
) -> Callable[[Order], None]:
    def take(order: Order) -> None:
        count[_book(tx, desk, order, fill)] += 1
        tx.trades.settle_orphan(fill.broker_order_id, fill.cumulative_quantity)
        if seen is not None:
            adopt(tx, order, seen, now)

    return take


def _book(
    tx: ExecutionTransaction, desk: Desk, order: Order, fill: BrokerFill
) -> Booked:
    result = book(tx, order, fill)
    if result is Booked.GAP:
        desk.fills_due.set()
    elif result is Booked.CORRECTED:
        tx.reconciliations.hold(
            desk.account_id,
            order.symbol,
            "trade_corrected",
            f"The broker changed an execution of order {order.order_id}: post an"
            " adjustment by hand.",
        )
    return result


def _unbooked(desk: Desk, fills: Sequence[BrokerFill]) -> list[BrokerFill]:
    with desk.database.read_only() as tx:
        known = tx.trades.known(
            [(fill.broker_order_id, fill.cumulative_quantity) for fill in fills]
        )
    return [
        fill
        for fill in fills
        if (fill.broker_order_id, fill.cumulative_quantity) not in known
    ]


def _orders_of(
    desk: Desk, fills: Sequence[BrokerFill]
) -> dict[str, BrokerOrder | None]:
    """Ask the broker about orders that we do not know by the broker's id yet."""
    with desk.database.read_only() as tx:
        unknown = {
            fill.broker_order_id
            for fill in fills
            if tx.orders.id_by_broker(fill.broker_order_id) is None
        }
    found = {name: desk.broker.order(name) for name in sorted(unknown)}
    if any(seen and not seen.is_simple for seen in found.values()):
        # Exits go by names of the broker's: whose they are, their entry tells.
        relatives.learn(desk)
    for seen in found.values():
        if seen is not None and seen.replaces is not None:
            replacing.trace(desk, seen)
    return found


def _set_aside(
    tx: ExecutionTransaction, desk: Desk, fill: BrokerFill, seen: BrokerOrder | None
) -> bool:
    """Keep an execution of an order that has no row here.

    A foreign one (by a person, or another program) is entered in a book of its own. One
    that names itself ours, or that the broker cannot explain, stops the symbol.
    """
    external = seen is not None and not is_ours(seen.client_order_id)
    tx.trades.set_aside(
        {
            "broker_order_id": fill.broker_order_id,
            "cumulative_quantity": fill.cumulative_quantity,
            "account_id": desk.account_id,
            "symbol": fill.symbol,
            "side": fill.side,
            "quantity": fill.quantity,
            "price": fill.price,
            "timestamp": fill.time,
            "source": fill.source,
            "client_order_id": seen.client_order_id if seen else None,
            "resolution": "external" if external else "open",
        }
    )
    if external:
        entry = ledger.fill_entry(fill, desk.account_id, ledger.EXTERNAL)
        return ledger.post(tx, entry)
    tx.reconciliations.hold(
        desk.account_id,
        fill.symbol,
        "orphan_fill",
        f"An execution of order {fill.broker_order_id} at the broker, which is not"
        " known here.",
    )
    return False


def _start(desk: Desk, since: datetime | None) -> datetime:
    with desk.database.read_only() as tx:
        state = tx.stream_state(desk.account_id)
    if state is None:
        raise Unavailable(
            "The books are not opened yet.", remedy="They are at the first contact."
        )
    return max(since or state.activities_until - OVERLAP, state.opened_at)


def _move_cursor(
    tx: ExecutionTransaction, desk: Desk, fills: Sequence[BrokerFill]
) -> None:
    state = tx.stream_state(desk.account_id)
    if state is None or not fills:
        return
    newest = max(fills, key=lambda fill: fill.time)
    if newest.time > state.activities_until:
        state.activities_until = newest.time
        state.activity_id = newest.activity_id
