"""Closing every position, strategy by strategy, until nothing is held."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from loguru import logger

from trading_execution.domain.leaving import FLATTEN
from trading_execution.models import FlattenRequest, Position, StrategyPosition
from trading_execution.operations.desk import Desk
from trading_execution.operations.orders import cancel_open, create, ended_for_sure
from trading_execution.repository import ExecutionTransaction
from trading_system.clock import utc_now
from trading_system.contracts.risk import OrderApproved
from trading_system.vocabulary import (
    OrderType,
    Side,
    TimeInForce,
    identity,
    new_id,
    order_id,
)

VALID = timedelta(days=7)
MOST_TRIES = 5


def request(
    tx: ExecutionTransaction,
    request_id: UUID,
    account_id: str,
    reason: str,
    by: str,
    market_time: datetime,
) -> None:
    """Ask for every open order to be canceled and every position to be closed."""
    if tx.session.get(FlattenRequest, request_id) is None:
        tx.session.add(
            FlattenRequest(
                request_id=request_id,
                account_id=account_id,
                reason=reason,
                requested_by=by,
                market_time=market_time,
            )
        )
    cancel_open(tx, account_id, reason, market_time, spare_tag=FLATTEN)


def withdraw(tx: ExecutionTransaction, account_id: str, why: str) -> None:
    """End the demands to close every position."""
    for asked in tx.open_flatten_requests(account_id):
        asked.finished_at, asked.outcome = utc_now(), why


def advance(desk: Desk) -> int:
    """Write the orders that the demands still need; return how many.

    A position is sold only after the other orders of its symbol have ended: they may
    hold its shares, and their executions change what there is to sell.
    """
    with desk.database.read_only() as tx:
        if not tx.open_flatten_requests(desk.account_id):
            return 0
    now = desk.clock.now()
    with desk.database.transaction() as tx:
        tx.fence(desk.epoch)
        requests = tx.open_flatten_requests(desk.account_id)
        if not requests:
            return 0
        asked = requests[-1]
        for older in requests[:-1]:
            older.finished_at, older.outcome = utc_now(), "superseded"
        return _advance(tx, asked, now)


def is_due(desk: Desk) -> bool:
    """Say whether a demand is open for which an order could be written now."""
    with desk.database.read_only() as tx:
        if not tx.open_flatten_requests(desk.account_id):
            return False
        live = tx.orders.live_symbols(desk.account_id)
        held = {position.symbol for position in tx.books.positions(desk.account_id)}
    return not held or bool(held - live)


def _advance(tx: ExecutionTransaction, asked: FlattenRequest, now: datetime) -> int:
    live = tx.orders.live_symbols(asked.account_id)
    positions = {p.symbol: p for p in tx.books.positions(asked.account_id)}
    parts = tx.books.parts(asked.account_id)
    written, failed = 0, []
    for symbol in sorted({part.symbol for part in parts} - live):
        part = _first(positions.get(symbol), [p for p in parts if p.symbol == symbol])
        if _write(tx, asked, part, positions.get(symbol), now):
            written += 1
        else:
            failed.append(symbol)
    if not written and not live & {part.symbol for part in parts}:
        asked.finished_at = utc_now()
        asked.outcome = "failed" if failed else "done"
        asked.detail = {"still_held": failed}
        if failed:
            logger.critical("positions that could not be closed: {}", failed)
    return written


def _first(
    position: Position | None, parts: list[StrategyPosition]
) -> StrategyPosition:
    """Return the part to close first: one against the account's side, if any.

    Opposing books of two strategies must not trade against each other, and a sale must
    never be larger than what the account holds.
    """
    total = position.quantity if position is not None else Decimal(0)
    against = [part for part in parts if part.quantity * total < 0]
    return (against or parts)[0]


def _signal(asked: FlattenRequest, part: StrategyPosition) -> UUID:
    return identity("flatten", asked.request_id, part.strategy, part.symbol)


def _write(
    tx: ExecutionTransaction,
    asked: FlattenRequest,
    part: StrategyPosition,
    position: Position | None,
    now: datetime,
) -> bool:
    signal = _signal(asked, part)
    before = tx.orders.by_signal(signal)
    generation = len(before)
    if generation >= MOST_TRIES or (before and not ended_for_sure(before[-1])):
        return False
    price = position.last_price if position is not None else None
    approved = OrderApproved(
        outcome_id=new_id(),
        signal_id=signal,
        order_id=order_id(signal, generation=generation),
        strategy=part.strategy,
        symbol=part.symbol,
        side=Side.SELL if part.quantity > 0 else Side.BUY,
        quantity=abs(part.quantity),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        decision_price=price or part.avg_price,
        reduces=True,
        tag=FLATTEN,
        valid_until=now + VALID,
        market_time=now,
    )
    return create(tx, [approved], generation) > 0
