"""Our books against the broker's. Differences are shown, never traded away."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from loguru import logger

from trading_core.money import ZERO
from trading_execution.domain.client_id import is_ours
from trading_execution.domain.comparison import (
    Action,
    Found,
    Kind,
    compare_books,
    compare_cash,
    compare_positions,
    summary,
)
from trading_execution.domain.contract import RECONCILIATION
from trading_execution.domain.order_status import AT_BROKER, TERMINAL, OrderStatus
from trading_execution.models import Difference, Order, ReconciliationRun
from trading_execution.operations import contract, relatives, replacing
from trading_execution.operations.desk import Desk
from trading_execution.operations.fills import catch_up, catch_up_activities
from trading_execution.operations.opening import require_account
from trading_execution.operations.resolve import refresh
from trading_execution.ports import BrokerAccount, BrokerOrder, BrokerPosition
from trading_execution.repository import ACCOUNT, ExecutionTransaction
from trading_system.clock import sleep, utc_now
from trading_system.contracts.execution import ReconciliationCompleted
from trading_system.crash import crash_point
from trading_system.errors import Unavailable
from trading_system.vocabulary import Severity, new_id

WATCH = timedelta(days=4)
"""How long an order we gave up is asked for: past the next session's first run."""

FRESH = timedelta(seconds=30)
"""How old an order must be before silence about it means that the stream is deaf."""

HELD_BY = {
    Kind.POSITION: "position_differs",
    Kind.CASH: "cash_differs",
    Kind.BOOKS: "books_differ",
}
"""Holds that end by themselves once the difference is gone."""

BY = "reconciliation"


@dataclass(frozen=True, slots=True)
class Result:
    """What one comparison came to."""

    run_id: UUID
    complete: bool
    clean: bool
    differences: list[Found]
    summary: str


def reconcile(desk: Desk, trigger: str) -> Result:
    """Compare orders, executions, positions and cash with the broker's, and record it.

    When the broker does not answer every question, nothing is concluded.
    """
    run_id, began = new_id(), desk.trust.began
    started = utc_now()
    try:
        found = _differences(desk)
    except Unavailable as error:
        result = Result(run_id, False, False, [], f"incomplete: {error.detail}")
    else:
        bad = [f for f in found if f.severity is not Severity.INFO]
        result = Result(run_id, True, not bad, found, summary(found))
    crash_point("before_reconciled")
    _record(desk, result, trigger, started)
    if result.complete:
        desk.trust.compared(began, clean=result.clean)
    level = "INFO" if result.clean else "WARNING"
    logger.log(level, "reconciliation ({}): {}", trigger, result.summary)
    if _shows_deaf_stream(result):
        logger.warning("the trade stream missed something: connecting again")
        desk.on_deaf_stream()
    return result


def _differences(desk: Desk) -> list[Found]:
    with desk.database.read_only() as tx:
        contract.require(tx, desk.account_id, RECONCILIATION)
    desk.clock.refresh()
    require_account(desk, desk.broker.account())
    found = _orders(desk)
    catch_up(desk)
    catch_up_activities(desk)
    return found + _books(desk) + _orphans(desk)


def _orders(desk: Desk) -> list[Found]:
    relatives.learn(desk)
    with desk.database.read_only() as tx:
        at_broker = tx.orders.with_status(desk.account_id, AT_BROKER)
        watched = tx.orders.watched(desk.account_id, utc_now() - WATCH)
    found: list[Found] = []
    open_there = {seen.broker_order_id: seen for seen in desk.broker.open_orders()}
    for row in at_broker:
        assert row.broker_order_id is not None
        seen = open_there.get(row.broker_order_id)
        if seen is None:
            seen = desk.broker.order(row.broker_order_id)
        found += _known_order(desk, row, seen)
    for row in watched:
        seen = desk.broker.by_client_order_id(row.client_order_id)
        if seen is not None:
            found.append(_given_up(desk, row, seen))
    ours = {row.broker_order_id for row in at_broker}
    for name in sorted(set(open_there) - ours):
        found += _other_order(desk, open_there[name])
    return found


def _known_order(desk: Desk, row: Order, seen: BrokerOrder | None) -> list[Found]:
    if seen is None:
        return [
            Found(
                Kind.MISSING,
                Action.LOOKED_UP,
                Severity.WARNING,
                row.symbol,
                row.order_id,
                ours=row.status,
                broker="not found",
            )
        ]
    missed = seen.filled_quantity > row.filled_quantity or seen.status in TERMINAL
    if seen.filled_quantity > row.filled_quantity:
        catch_up(desk, since=row.market_time)
    refresh(desk, row, seen)
    if seen.replaced_by is not None and replacing.follow(desk):
        refresh(desk, row, seen)
        return [_replaced(row, seen)]
    if not missed or _is_fresh(row):
        return []
    return [
        Found(
            Kind.MISSED,
            Action.BOOKED,
            Severity.INFO,
            row.symbol,
            row.order_id,
            ours=row.status,
            broker=seen.said,
        )
    ]


def _replaced(row: Order | None, seen: BrokerOrder) -> Found:
    return Found(
        Kind.REPLACED,
        Action.BOOKED,
        Severity.INFO,
        seen.symbol,
        None if row is None else row.order_id,
        ours=None if row is None else row.status,
        broker=seen.said,
    )


def _is_fresh(row: Order) -> bool:
    """Say whether the stream may still be telling of an order."""
    return row.accepted_at is None or utc_now() - row.accepted_at < FRESH


def _given_up(desk: Desk, row: Order, seen: BrokerOrder) -> Found:
    """Take a zombie in: its executions count, what is left of it is canceled."""
    if seen.status in AT_BROKER:
        desk.broker.cancel(seen.broker_order_id)
    catch_up(desk, since=row.market_time)
    refresh(desk, row, desk.broker.order(seen.broker_order_id))
    return Found(
        Kind.GIVEN_UP,
        Action.HOLD_SYMBOL,
        Severity.CRITICAL,
        row.symbol,
        row.order_id,
        ours=row.status,
        broker=seen.said,
    )


def _other_order(desk: Desk, seen: BrokerOrder) -> list[Found]:
    with desk.database.read_only() as tx:
        order_id = tx.orders.id_by_broker(
            seen.broker_order_id
        ) or tx.orders.id_by_client(seen.client_order_id)
        row = tx.orders.get(order_id) if order_id is not None else None
    if row is None and not is_ours(seen.client_order_id):
        if replacing.trace(desk, seen):
            return [_replaced(None, seen)]
        return [
            Found(
                Kind.EXTERNAL,
                Action.SHOWN,
                Severity.INFO,
                seen.symbol,
                broker=f"{seen.side} {seen.said}",
            )
        ]
    if row is None:
        desk.broker.cancel(seen.broker_order_id)
        return [
            Found(
                Kind.UNKNOWN_OURS,
                Action.HOLD_ACCOUNT,
                Severity.CRITICAL,
                seen.symbol,
                broker=f"{seen.client_order_id} {seen.said}",
            )
        ]
    if OrderStatus(row.status) in TERMINAL and row.broker_order_id is None:
        return [_given_up(desk, row, seen)]
    refresh(desk, row, seen)
    return []


def _books(desk: Desk) -> list[Found]:
    """Compare shares and cash; look again when something may still be moving."""
    account, found = _compared(desk)
    for _ in range(2):
        if not found or not _is_moving(desk):
            break
        sleep(desk.recheck.total_seconds())
        catch_up(desk)
        account, found = _compared(desk)
    return found


def _compared(desk: Desk) -> tuple[BrokerAccount, list[Found]]:
    for _ in range(3):
        account, positions = desk.broker.account(), desk.broker.positions()
        if not catch_up(desk):
            break
    with desk.database.read_only() as tx:
        found = _compare(tx, desk.account_id, account, positions)
    return account, found


def _compare(
    tx: ExecutionTransaction,
    account_id: str,
    account: BrokerAccount,
    positions: list[BrokerPosition],
) -> list[Found]:
    ledger = tx.books.quantities(account_id)
    parts: dict[str, Decimal] = {}
    for part in tx.books.parts(account_id):
        parts[part.symbol] = parts.get(part.symbol, ZERO) + part.quantity
    held = {p.symbol: p.quantity for p in tx.books.positions(account_id)}
    return (
        compare_books(ledger, held, parts)
        + compare_positions(ledger, {p.symbol: p.quantity for p in positions})
        + compare_cash(tx.books.cash(account_id), account.cash, account.equity)
    )


def _is_moving(desk: Desk) -> bool:
    with desk.database.read_only() as tx:
        if tx.orders.live_symbols(desk.account_id):
            return True
        latest = tx.trades.latest(1)
    return bool(latest) and utc_now() - latest[0].recorded_at < timedelta(seconds=10)


def _orphans(desk: Desk) -> list[Found]:
    with desk.database.read_only() as tx:
        return [
            Found(
                Kind.ORPHAN,
                Action.HOLD_SYMBOL,
                Severity.CRITICAL,
                orphan.symbol,
                broker=f"order {orphan.broker_order_id}",
            )
            for orphan in tx.trades.open_orphans(desk.account_id)
        ]


def _record(desk: Desk, result: Result, trigger: str, started: datetime) -> None:
    market_time = desk.clock.now() if result.complete else None
    with desk.database.transaction() as tx:
        tx.fence(desk.epoch)
        tx.session.add(
            ReconciliationRun(
                run_id=result.run_id,
                account_id=desk.account_id,
                trigger=trigger,
                epoch=desk.epoch,
                started_at=started,
                finished_at=utc_now(),
                complete=result.complete,
                clean=result.clean,
                summary=result.summary,
                market_time=market_time,
            )
        )
        tx.session.flush()
        for found in result.differences:
            tx.session.add(_row(result.run_id, found))
        if market_time is None:
            return
        _apply_holds(tx, desk.account_id, result)
        tx.publish(
            ReconciliationCompleted(
                run_id=result.run_id,
                clean=result.clean,
                complete=result.complete,
                differences=len(result.differences),
                summary=result.summary,
                market_time=market_time,
            )
        )


def _row(run_id: UUID, found: Found) -> Difference:
    return Difference(
        run_id=run_id,
        kind=found.kind,
        symbol=found.symbol,
        order_id=found.order_id,
        ours=found.ours,
        broker=found.broker,
        action=found.action,
        severity=found.severity,
    )


def _apply_holds(tx: ExecutionTransaction, account_id: str, result: Result) -> None:
    wanted: set[tuple[str, str]] = set()
    for found in result.differences:
        if found.action not in (Action.HOLD_SYMBOL, Action.HOLD_ACCOUNT):
            continue
        whole = found.action is Action.HOLD_ACCOUNT or found.symbol is None
        symbol = ACCOUNT if whole else str(found.symbol)
        kind = HELD_BY.get(found.kind, found.kind)
        wanted.add((symbol, kind))
        reason = f"{found.kind}: ours {found.ours}, broker {found.broker}"
        if tx.reconciliations.hold(account_id, symbol, kind, reason):
            logger.critical("{} is on hold: {}", symbol, reason)
    for hold in tx.reconciliations.holds(account_id):
        # What stopped the symbol is gone, by the broker's own word.
        if hold.kind in HELD_BY.values() and (hold.symbol, hold.kind) not in wanted:
            tx.reconciliations.release(
                account_id, hold.symbol, kind=hold.kind, by=BY, reason="it agrees again"
            )


def _shows_deaf_stream(result: Result) -> bool:
    """Say whether a comparison found what the stream should have told."""
    return any(found.kind is Kind.MISSED for found in result.differences)
