"""Handing orders to the broker: claim, call, classify.

The claim is committed before the call, the call is made once, and the answer decides
between accepted, refused and unclear. What is unclear is looked up, never repeated
blindly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from loguru import logger
from sqlalchemy import Connection

from trading_execution.domain.contract import ENTRIES
from trading_execution.domain.leaving import FLATTEN, may_leave, state_in_force
from trading_execution.domain.lookup import REFUSED
from trading_execution.domain.order_status import OrderStatus
from trading_execution.models import Order, SubmitAttempt
from trading_execution.operations import netting
from trading_execution.operations.desk import Desk
from trading_execution.operations.evidence import Step, adopt, take_steps
from trading_execution.operations.orders import become, facts, give_up, may_replace
from trading_execution.ports import Acknowledged, Answer, OrderTicket, Refused, Unclear
from trading_execution.repository import (
    EndedAttempt,
    ExecutionTransaction,
    epoch_and_state,
)
from trading_system.clock import monotonic, utc_now
from trading_system.contracts.execution import OrderSubmitted, OrderUnresolved
from trading_system.crash import crash_point
from trading_system.vocabulary import plain

BATCH = 32
"""The most orders claimed in one transaction; each is still called for alone."""

AT_ONCE = 1.0
"""Seconds in which those claimed together should have left: far within the deadline."""

DEADLINE = 5.0
"""Seconds after its claim in which an order may leave."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An order that this process has committed to send once."""

    ticket: OrderTicket
    attempt: int
    at: float
    reduces: bool
    tag: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What a claimed order was answered, and when, by the machine's clock.

    `sent_at` is None when it was withheld.
    """

    claim: Claim
    sent_at: datetime | None
    answer: Answer
    at: datetime

    @property
    def ended(self) -> EndedAttempt:
        """How the attempt ended."""
        order_id, attempt = self.claim.ticket.order_id, self.claim.attempt
        status = self.answer.http_status
        if isinstance(self.answer, Acknowledged):
            return EndedAttempt(order_id, attempt, "accepted", status)
        outcome = REFUSED if isinstance(self.answer, Refused) else "unclear"
        return EndedAttempt(order_id, attempt, outcome, status, self.answer.reason)


def submit_ready(desk: Desk) -> int:
    """Send every order that may leave, oldest first; return how many were sent."""
    sent = 0
    with desk.submitting:
        while claims := claim(desk):
            began, answers = monotonic(), []
            with _looks(desk) as look:
                for claimed in claims:
                    crash_point("before_call")
                    answers.append(_send(desk, claimed, look))
                    crash_point("after_call")
            # A clock may be too coarse to see the time that a quick broker takes.
            a_call = max((monotonic() - began) / len(claims), 0.001)
            desk.room = max(1, int(AT_ONCE / a_call))
            record(desk, answers)
            crash_point("after_record")
            sent += len(claims)
    if sent:
        # Orders may be executed by now: the record is asked, not the answers.
        desk.ask_for_fills()
    return sent


def _looks(desk: Desk) -> Connection:
    """Return a connection on which every look is a transaction of its own.

    None is held during a call: the state's lock would keep a halt waiting.
    """
    connection = desk.database.engine.connect()
    return connection.execution_options(isolation_level="AUTOCOMMIT")


def claim(desk: Desk) -> list[Claim]:
    """Commit to sending the oldest orders that may leave now."""
    if desk.trust.doubted:
        return []
    now = desk.clock.now()
    room = min(BATCH, desk.room, desk.broker.capacity())
    with desk.database.transaction() as tx:
        tx.fence(desk.epoch)
        for order in tx.orders.overdue(desk.account_id, now):
            _give_up_late(tx, order, now)
        state = state_in_force(tx.trading_state(desk.account_id), desk.killed)
        allowed = partial(
            tx.orders.claimable,
            desk.account_id,
            state,
            entries=desk.trust.covers_entries and _are_readable(tx, desk),
            tag=FLATTEN,
            lock=True,
        )
        orders = allowed(limit=room)
        if len(orders) < room:
            netting.cross(tx, orders)
            orders = [each for each in orders if each.status == OrderStatus.READY]
        else:
            # What it would meet may be beyond those there is room for.
            netting.cross(tx, allowed(opposed=True, limit=None))
            orders = allowed(limit=room)
        claims = [
            _less_netted(order, _claim(tx, order, desk.epoch, now))
            for order in orders
            if not _has_lost_its_place(tx, order, now)
        ]
    if claims:
        crash_point("after_claim")
    return claims


def has_claimable(desk: Desk) -> bool:
    """Say whether an order should leave, or be given up, now."""
    now = desk.clock.now()
    with desk.database.transaction() as tx:
        if tx.orders.overdue(desk.account_id, now):
            return True
        state = state_in_force(tx.trading_state(desk.account_id), desk.killed)
        entries = desk.trust.covers_entries or desk.trust.doubted
        entries = entries and _are_readable(tx, desk)
        return bool(
            tx.orders.claimable(
                desk.account_id, state, entries=entries, tag=FLATTEN, limit=1
            )
        )


def _are_readable(tx: ExecutionTransaction, desk: Desk) -> bool:
    """Say whether the broker still answers everything that an entry rests on."""
    return ENTRIES not in tx.contracts.stopped(desk.account_id)


def record(desk: Desk, answers: Sequence[Answered]) -> None:
    """Write down what the broker answered, each order in a savepoint of its own."""
    now = desk.clock.now()
    with desk.booking, desk.database.transaction() as tx:
        tx.fence(desk.epoch)
        tx.orders.end_attempts([answered.ended for answered in answers])
        take_steps(
            tx,
            desk.account_id,
            [
                Step(
                    answered.claim.ticket.order_id,
                    answered.claim.ticket.symbol,
                    _classified(tx, answered, now),
                )
                for answered in answers
            ],
        )


def _less_netted(order: Order, claimed: Claim) -> Claim:
    if not order.netted_quantity:
        return claimed
    ticket = replace(claimed.ticket, quantity=order.left_to_send)
    return replace(claimed, ticket=ticket)


def _claim(tx: ExecutionTransaction, order: Order, epoch: int, now: datetime) -> Claim:
    order.attempts += 1
    order.misses, order.last_miss_at = 0, None
    order.claimed_at, order.epoch = utc_now(), epoch
    reason = f"attempt {order.attempts} to hand it to the broker"
    become(tx, order, OrderStatus.SUBMITTING, reason, now)
    tx.session.add(
        SubmitAttempt(order_id=order.order_id, attempt=order.attempts, epoch=epoch)
    )
    tx.publish(OrderSubmitted(**facts(order, now), attempt=order.attempts))
    ticket = _ticket(tx, order)
    return Claim(ticket, order.attempts, monotonic(), order.reduces, order.tag)


def _ticket(tx: ExecutionTransaction, order: Order) -> OrderTicket:
    old = None
    if order.replaces_order_id is not None:
        old = tx.orders.get(order.replaces_order_id)
    return OrderTicket(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_price=order.trail_price,
        trail_percent=order.trail_percent,
        notional=order.notional,
        extended_hours=order.extended_hours,
        order_class=order.order_class,
        take_profit_price=order.take_profit_price,
        stop_loss_price=order.stop_loss_price,
        stop_loss_limit_price=order.stop_loss_limit_price,
        replaces=None if old is None else old.broker_order_id,
        keeps_quantity=old is not None and old.quantity == order.quantity,
    )


def _has_lost_its_place(tx: ExecutionTransaction, order: Order, now: datetime) -> bool:
    """Give a replacement up whose old order has ended, or been filled in part."""
    if order.replaces_order_id is None:
        return False
    old = tx.orders.lock(order.replaces_order_id)
    if may_replace(old):
        return False
    filled = plain(old.filled_quantity)
    reason = f"the order to be replaced is {old.status}, {filled} of it filled"
    give_up(tx, order, reason, now)
    return True


def _give_up_late(tx: ExecutionTransaction, order: Order, now: datetime) -> None:
    late = f"its reason had passed at {order.valid_until.isoformat()}"
    give_up(tx, order, order.cancel_reason or late, now)


def _send(desk: Desk, claimed: Claim, look: Connection) -> Answered:
    """Call the broker once, unless something has happened since the claim."""
    withheld = _withheld(desk, claimed, look)
    if withheld is not None:
        logger.warning("order {} withheld: {}", claimed.ticket.order_id, withheld)
        return Answered(claimed, None, Unclear(f"withheld: {withheld}"), utc_now())
    sent_at = utc_now()
    return Answered(claimed, sent_at, desk.broker.submit(claimed.ticket), utc_now())


def _withheld(desk: Desk, claimed: Claim, look: Connection) -> str | None:
    """Return why a claimed order must not leave after all.

    It is asked before every single call, so that after a halt has committed no more
    than the one call under way can still land.
    """
    if monotonic() - claimed.at > DEADLINE:
        return f"more than {DEADLINE:.0f} seconds passed since it was claimed"
    epoch, recorded = epoch_and_state(look, desk.account_id)
    if epoch != desk.epoch:
        return "another executor took over"
    state = state_in_force(recorded, desk.killed)
    if not may_leave(state, reduces=claimed.reduces, tag=claimed.tag):
        return f"trading is {state}"
    return None


def _classified(
    tx: ExecutionTransaction, answered: Answered, now: datetime
) -> Callable[[Order], None]:
    claimed, answer = answered.claim, answered.answer

    def step(order: Order) -> None:
        order.submitted_at = order.submitted_at or answered.sent_at
        if isinstance(answer, Acknowledged):
            order.accepted_at = order.accepted_at or answered.at
            adopt(tx, order, answer.order, now)
            return
        if order.status != OrderStatus.SUBMITTING:
            # The stream has proved meanwhile that the broker has it.
            return
        # Only a first attempt can be refused for good: after an unclear one, "no" may
        # be said of the second order while the first one lives.
        if isinstance(answer, Refused) and claimed.attempt == 1:
            become(tx, order, OrderStatus.REJECTED, answer.reason, now)
            return
        become(tx, order, OrderStatus.UNKNOWN, answer.reason, now)
        tx.publish(OrderUnresolved(**facts(order, now), reason=answer.reason))

    return step
