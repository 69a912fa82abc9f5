"""Orders that are one intent: placed leg by leg, or taken back in reverse order.

Each leg and each order that takes one back goes through the same claim, call and
answer as any order. What is to be done next follows from the rows alone, so that a
process that dies between two legs is continued by the next.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from loguru import logger

from trading_core.money import ZERO
from trading_execution.domain.combo import (
    MOST_TRIES,
    UNWIND,
    ComboStatus,
    Leg,
    are_placed,
    failure_of,
    to_take_back,
)
from trading_execution.domain.leaving import may_leave, state_in_force
from trading_execution.domain.order_status import TERMINAL, OrderStatus
from trading_execution.models import Combo, Order
from trading_execution.operations.desk import Desk
from trading_execution.operations.orders import (
    create,
    ended_for_sure,
    request_cancel,
)
from trading_execution.repository import ACCOUNT, ExecutionTransaction
from trading_system.clock import utc_now
from trading_system.contracts.execution import ComboChanged
from trading_system.contracts.risk import ComboLeg, OrderApproved
from trading_system.crash import crash_point
from trading_system.vocabulary import (
    Side,
    TradingState,
    identity,
    new_id,
    order_id,
    plain,
)

VALID = timedelta(days=7)
"""How long an order that takes a leg back may wait, in market time."""


def write(tx: ExecutionTransaction, approved: Iterable[OrderApproved]) -> None:
    """Write down the combos that approved orders are legs of."""
    for event in approved:
        if event.combo is not None:
            tx.combos.add(
                {
                    "combo_id": event.combo.combo_id,
                    "account_id": tx.account_id,
                    "strategy": event.strategy,
                    "legs": event.combo.legs,
                    "status": ComboStatus.PLACING,
                    "reason": "approved by risk",
                    "market_time": event.market_time,
                }
            )


def advance(desk: Desk) -> int:
    """Take each combo a step further where one is due; return how many were."""
    with desk.database.read_only() as tx:
        if not tx.combos.unsettled(desk.account_id):
            return 0
    now = desk.clock.now()
    with desk.database.transaction() as tx:
        tx.fence(desk.epoch)
        state = state_in_force(tx.trading_state(desk.account_id), desk.killed)
        stepped = 0
        for combo in tx.combos.unsettled(desk.account_id, lock=True):
            plan = _plan(tx, combo, state)
            if plan.changes(combo):
                _carry_out(tx, combo, plan, now)
                stepped += 1
    if stepped:
        crash_point("after_combo")
    return stepped


def is_due(desk: Desk) -> bool:
    """Say whether a combo could be taken further now."""
    with desk.database.read_only() as tx:
        if not tx.combos.unsettled(desk.account_id):
            return False
    with desk.database.transaction() as tx:
        state = state_in_force(tx.trading_state(desk.account_id), desk.killed)
        return any(
            _plan(tx, combo, state).changes(combo)
            for combo in tx.combos.unsettled(desk.account_id)
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done about a combo now.

    `back` are legs with the shares to take back of each, and the number of the try.
    """

    status: ComboStatus
    reason: str = ""
    cancel: list[Order] = field(default_factory=list)
    back: list[tuple[Order, Decimal, int]] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)

    def changes(self, combo: Combo) -> bool:
        return bool(self.status != combo.status or self.cancel or self.back)


@dataclass(slots=True)
class _LegRows:
    """The orders of a leg: as approved and in its place, and those that undo it."""

    placed: list[Order] = field(default_factory=list)
    back: list[Order] = field(default_factory=list)

    def is_live(self) -> bool:
        rows = (*self.placed, *self.back)
        return any(OrderStatus(row.status) not in TERMINAL for row in rows)


def _plan(tx: ExecutionTransaction, combo: Combo, state: TradingState) -> _Plan:
    legs: dict[int, _LegRows] = {}
    for row in tx.combos.orders(combo.combo_id):
        leg = legs.setdefault(row.combo_leg or 0, _LegRows())
        (leg.back if row.tag == UNWIND else leg.placed).append(row)
    if combo.status == ComboStatus.PLACING:
        return _placing(tx, combo, legs, state)
    return _unwinding(tx, combo, legs, state)


def _placing(
    tx: ExecutionTransaction,
    combo: Combo,
    rows: dict[int, _LegRows],
    state: TradingState,
) -> _Plan:
    if len(rows) < combo.legs:
        return _Plan(ComboStatus.PLACING)
    held = {hold.symbol for hold in tx.reconciliations.holds(combo.account_id)}
    legs = [
        Leg(
            number,
            OrderStatus(rows[number].placed[-1].status),
            rows[number].placed[-1].reason,
            _blocked(rows[number].placed[-1], state, held),
        )
        for number in sorted(rows)
    ]
    if failure := failure_of(legs):
        return _Plan(ComboStatus.UNWINDING, failure)
    if are_placed(legs):
        return _Plan(ComboStatus.PLACED, "the broker has taken every leg")
    return _Plan(ComboStatus.PLACING)


def _blocked(order: Order, state: TradingState, held: set[str]) -> str | None:
    if not may_leave(state, reduces=order.reduces, tag=order.tag):
        return f"trading is {state}"
    if held & {order.symbol, ACCOUNT}:
        return f"{order.symbol if order.symbol in held else 'the account'} is on hold"
    return None


def _unwinding(
    tx: ExecutionTransaction,
    combo: Combo,
    rows: dict[int, _LegRows],
    state: TradingState,
) -> _Plan:
    live = [r for leg in rows.values() for r in leg.placed if not r.closed_at]
    if cancel := [row for row in live if row.cancel_requested_at is None]:
        return _Plan(ComboStatus.UNWINDING, cancel=cancel)
    held = {
        part.symbol: part.quantity
        for part in tx.books.parts(combo.account_id)
        if part.strategy == combo.strategy
    }
    back, stuck = [], []
    closed = dict(combo.closed_elsewhere or {})
    for number in sorted(rows, reverse=True):
        leg = rows[number]
        if leg.is_live():
            continue
        first, tries = leg.placed[0], len(leg.back)
        filled = sum((row.filled_quantity for row in leg.placed), ZERO)
        undone = sum((row.filled_quantity for row in leg.back), ZERO)
        sign = 1 if first.side == Side.BUY else -1
        known = Decimal(closed.get(str(number), 0))
        had = sign * held.get(first.symbol, ZERO)
        shares = to_take_back(filled, undone, known, had)
        if not shares:
            closed[str(number)] = plain(filled - undone)
        elif tries >= MOST_TRIES or (leg.back and not ended_for_sure(leg.back[-1])):
            stuck.append(f"{plain(shares)} {first.symbol}")
        else:
            back.append((first, shares, tries))
    if state is TradingState.HALTED:
        # Only a flatten leaves then: what it closes needs not be taken back.
        return _Plan(ComboStatus.UNWINDING)
    if back or any(leg.is_live() for leg in rows.values()):
        return _Plan(ComboStatus.UNWINDING, back=back)
    if stuck:
        left = ", ".join(stuck)
        return _Plan(ComboStatus.FAILED, f"{combo.reason}; not taken back: {left}")
    return _Plan(ComboStatus.UNWOUND, combo.reason, closed=closed)


def _carry_out(
    tx: ExecutionTransaction, combo: Combo, plan: _Plan, now: datetime
) -> None:
    for row in plan.cancel:
        if OrderStatus(tx.orders.lock(row.order_id).status) not in TERMINAL:
            request_cancel(tx, row.order_id, combo.reason, now)
    for leg, shares, tries in plan.back:
        create(tx, [_taking_back(combo, leg, shares, tries, now)], tries)
    if plan.status == combo.status:
        return
    was, combo.status = combo.status, plan.status
    combo.reason = plan.reason or combo.reason
    if plan.status in (ComboStatus.UNWOUND, ComboStatus.FAILED):
        combo.closed_elsewhere = plan.closed
        combo.settled = tx.combos.filled(combo.combo_id)
    finished = plan.status not in (ComboStatus.PLACING, ComboStatus.UNWINDING)
    combo.finished_at = utc_now() if finished else None
    level = "INFO" if plan.status is ComboStatus.PLACED else "WARNING"
    logger.log(
        level, "combo {}: {} -> {}: {}", combo.combo_id, was, plan.status, combo.reason
    )
    tx.publish(
        ComboChanged(
            combo_id=combo.combo_id,
            strategy=combo.strategy,
            legs=combo.legs,
            status=plan.status,
            reason=combo.reason,
            market_time=now,
        )
    )


def _taking_back(
    combo: Combo, leg: Order, shares: Decimal, tries: int, now: datetime
) -> OrderApproved:
    number = leg.combo_leg or 0
    signal = identity(UNWIND, combo.combo_id, number)
    return OrderApproved(
        correlation_id=leg.correlation_id,
        outcome_id=new_id(),
        signal_id=signal,
        order_id=order_id(signal, generation=tries),
        strategy=combo.strategy,
        symbol=leg.symbol,
        side=Side.SELL if leg.side == Side.BUY else Side.BUY,
        quantity=shares,
        decision_price=leg.average_fill_price or leg.decision_price or Decimal(1),
        reduces=True,
        tag=UNWIND,
        combo=ComboLeg(combo_id=combo.combo_id, leg=number, legs=combo.legs),
        valid_until=now + VALID,
        market_time=now,
    )
