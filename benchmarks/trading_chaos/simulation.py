"""Orders through execution's own operations, in memory, with a broker that lies.

One seed is one account: a number decides every approval, answer, delay, execution,
message, crash and halt. Nothing reads a clock, so that a seed is the same every time.
After every step the invariants of `docs/reliability.md` are checked.
"""

import random
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import UUID

from loguru import logger
from trading_chaos.memory import Memory, Row, Store

from trading_execution.domain.leaving import may_leave, state_in_force
from trading_execution.domain.lookup import Patience
from trading_execution.domain.order_status import (
    AT_BROKER,
    LIFE,
    LIVE,
    TERMINAL,
    UNSETTLED,
    OrderStatus,
)
from trading_execution.operations import (
    desk,
    evidence,
    fills,
    ledger,
    orders,
    resolve,
    submit,
)
from trading_execution.ports import (
    Acknowledged,
    Answer,
    BrokerFill,
    BrokerOrder,
    OrderTicket,
    Refused,
    StreamUpdate,
    Unclear,
)
from trading_risk.domain.books import Books, Holding, OpenOrder
from trading_system.clock import monotonic
from trading_system.contracts.risk import OrderApproved
from trading_system.vocabulary import (
    OrderType,
    Side,
    TimeInForce,
    identity,
    order_id,
)

ACCOUNT, SYMBOL, STRATEGY = "SIM", "AAPL", "amber"
LIMIT = Decimal(300)
"""Shares that may be held at most."""

BEGIN = datetime(2026, 9, 14, 14, tzinfo=UTC)
PATIENCE = Patience()
LATEST_ARRIVAL = 45
"""Seconds after which a call that timed out may still reach the broker."""

STEPS = 150
A_SEED = 25
"""Orders that a seed approves at most; it ends when all of them have."""


class Violation(Exception):
    """An invariant does not hold."""


@dataclass
class FakeBroker:
    """The truth: what was taken, what was executed, and what it says of both."""

    dice: random.Random
    taken: dict[str, BrokerOrder] = field(default_factory=dict)
    fills: list[BrokerFill] = field(default_factory=list)
    hidden: dict[str, datetime] = field(default_factory=dict)
    coming: list[tuple[datetime, OrderTicket]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    told: list[StreamUpdate] = field(default_factory=list)

    def submit(self, ticket: OrderTicket, now: datetime) -> Answer:
        """Answer a call, truly or not."""
        self.calls[ticket.client_order_id] += 1
        way = self.dice.random()
        if way < 0.45:
            return self._taken(ticket, now)
        if way < 0.60:
            self._taken(ticket, now)
            return Unclear("no answer: ReadTimeout")
        if way < 0.72:
            late = timedelta(seconds=self.dice.uniform(1, LATEST_ARRIVAL))
            self.coming.append((now + late, ticket))
            return Unclear("no answer: ReadTimeout")
        if way < 0.90:
            return Unclear("HTTP 503", 503)
        return Refused("insufficient buying power", 403)

    def _taken(self, ticket: OrderTicket, now: datetime) -> Answer:
        if ticket.client_order_id in self.taken:
            return Unclear("client_order_id must be unique", 422)
        placed = BrokerOrder(
            broker_order_id=f"b-{ticket.client_order_id}",
            client_order_id=ticket.client_order_id,
            symbol=ticket.symbol,
            side=ticket.side,
            status=OrderStatus.ACCEPTED,
            said="new",
            quantity=ticket.quantity,
            filled_quantity=Decimal(0),
            average_price=None,
        )
        self.taken[ticket.client_order_id] = placed
        if self.dice.random() < 0.3:
            hide = timedelta(seconds=self.dice.uniform(0, 5))
            self.hidden[ticket.client_order_id] = now + hide
        self._tell("new", placed, None)
        return Acknowledged(placed, 200)

    def arrive(self, now: datetime) -> None:
        """Take what was on its way."""
        due = [each for each in self.coming if each[0] <= now]
        self.coming = [each for each in self.coming if each[0] > now]
        for _, ticket in due:
            self._taken(ticket, now)

    def trade(self, now: datetime) -> None:
        """Execute a part of an order, or all that is left."""
        working = self.working()
        if not working:
            return
        order = self.dice.choice(working)
        assert order.quantity is not None
        left = order.quantity - order.filled_quantity
        part = (
            left
            if self.dice.random() < 0.5
            else Decimal(self.dice.randint(1, int(left)))
        )
        total = order.filled_quantity + part
        whole = total == order.quantity
        status = OrderStatus.FILLED if whole else OrderStatus.PARTIALLY_FILLED
        seen = replace(order, filled_quantity=total, status=status, said=status.lower())
        self.taken[order.client_order_id] = seen
        fill = BrokerFill(
            broker_order_id=order.broker_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=part,
            price=Decimal(self.dice.randint(90, 110)),
            cumulative_quantity=total,
            time=now,
            source="activities",
            activity_id=f"{order.broker_order_id}:{total}",
        )
        self.fills.append(fill)
        told = replace(fill, source="stream", activity_id=None, execution_id="x")
        self._tell("fill" if whole else "partial_fill", seen, told)

    def cancel(self, broker_order_id: str) -> None:
        """Cancel an order, unless it has ended."""
        for name, order in self.taken.items():
            if order.broker_order_id == broker_order_id:
                if order.status not in TERMINAL:
                    ended = replace(order, status=OrderStatus.CANCELED, said="canceled")
                    self.taken[name] = ended
                    self._tell("canceled", ended, None)

    def working(self) -> list[BrokerOrder]:
        """Return the orders that may still trade."""
        return [each for each in self.taken.values() if each.status not in TERMINAL]

    def look(self, client_order_id: str, now: datetime) -> BrokerOrder | None:
        """Return an order by our name for it, unless it is hidden still."""
        if self.hidden.get(client_order_id, now) > now:
            return None
        return self.taken.get(client_order_id)

    def held(self) -> Decimal:
        """Return the shares that the broker holds for us."""
        return sum(
            (f.quantity if f.side == "buy" else -f.quantity for f in self.fills),
            Decimal(0),
        )

    def _tell(self, event: str, order: BrokerOrder, fill: BrokerFill | None) -> None:
        way = self.dice.random()
        if way < 0.25:
            return
        update = StreamUpdate(event, order, fill)
        self.told += [update] * (3 if way > 0.8 else 1)


class Account:
    """One seed: an account, its broker, and an executor that may die at any step."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.store = Store()
        self.broker = FakeBroker(self.dice)
        self.now = BEGIN
        self.clock_is_off = timedelta(0)
        self.epoch = 1
        self.approved = 0
        self.seed = seed
        self.before: dict[UUID, tuple[OrderStatus, Decimal]] = {}
        self.desk: Any = SimpleNamespace(
            account_id=ACCOUNT,
            patience=PATIENCE,
            unclear=desk.Unclear(),
            killed=False,
            fills_due=SimpleNamespace(set=lambda: None),
            ask_for_fills=lambda: None,
            clock=SimpleNamespace(now=lambda: self.now),
        )
        self.acts = (
            (self._approve, 8),
            (self._claim, 6),
            (self._trade, 5),
            (self._hear, 6),
            (self._record, 2),
            (self._look_up, 4),
            (self._want_canceled, 1),
            (self._cancel, 2),
            (self._halt, 1),
            (self._jump, 1),
            (self._die, 1),
        )

    @property
    def tx(self) -> Any:
        """A transaction."""
        return Memory(self.store, ACCOUNT)

    def run(self) -> int:
        """Live through a seed; return how many orders it had."""
        whats, weights = zip(*self.acts, strict=True)
        for act in self.dice.choices(whats, weights, k=STEPS):
            self._pass(self.dice.uniform(0, 4))
            act()
            self.check()
        self._come_to_rest()
        return self.approved

    def _pass(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.broker.arrive(self.now)

    # What happens -----------------------------------------------------------------

    def _approve(self) -> None:
        """Approve an order as risk does: at worst the limit is kept."""
        if self.approved >= A_SEED or self.store.state != "ACTIVE":
            return
        side = self.dice.choice((Side.BUY, Side.BUY, Side.SELL))
        worst = self._worst(str(side))
        room = LIMIT - worst if side is Side.BUY else worst
        if room < 1:
            return
        self.approved += 1
        signal = identity("simulated", self.seed, self.approved)
        approved = OrderApproved.model_construct(
            outcome_id=signal,
            signal_id=signal,
            order_id=order_id(signal),
            correlation_id=signal,
            strategy=STRATEGY,
            symbol=SYMBOL,
            side=side,
            quantity=Decimal(self.dice.randint(1, min(int(room), 60))),
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.DAY,
            limit_price=None,
            stop_price=None,
            decision_price=Decimal(100),
            reduces=side is Side.SELL,
            tag="",
            valid_until=self.now + timedelta(seconds=self.dice.choice((30, 300, 900))),
            market_time=self.now,
        )
        self.store.orders[approved.order_id] = _row(approved)

    def _worst(self, side: str) -> Decimal:
        held = self.tx.lock_position(ACCOUNT, SYMBOL).quantity
        still_open = tuple(
            OpenOrder(
                row.order_id,
                row.strategy,
                SYMBOL,
                row.side,
                row.quantity - row.filled_quantity,
                None,
                row.reduces,
            )
            for row in self.store.orders.values()
            if OrderStatus(row.status) in LIVE
        )
        holding = Holding(STRATEGY, SYMBOL, held, Decimal(0))
        return Books((holding,), still_open).worst(SYMBOL, side)

    def _claim(self) -> None:
        """Claim the oldest order that may leave, call, and record, unless it dies."""
        self._give_up_late()
        state = state_in_force(self.store.state, False)
        for row in self._with(OrderStatus.READY):
            if row.cancel_requested_at is None and may_leave(
                state, reduces=row.reduces, tag=row.tag
            ):
                break
        else:
            return
        claimed = submit._claim(self.tx, row, self.epoch, self.now)
        if self.dice.random() < 0.1:
            return self._die()
        sent_at: datetime | None = self.now
        if self.dice.random() < 0.05:
            answer: Answer = Unclear("withheld: more than 5 seconds passed")
            sent_at = None
        else:
            answer = self.broker.submit(claimed.ticket, self.now)
        self._pass(self.dice.uniform(0, 10))
        if self.dice.random() < 0.3:
            self._trade()
        if self.dice.random() < 0.3:
            self._hear()
        if self.dice.random() < 0.15:
            return self._die()
        answered = submit.Answered(claimed, sent_at, answer, self.now)
        tx = self.tx
        tx.orders.end_attempts([answered.ended])
        self._step(row, submit._classified(tx, answered, self.now))
        return None

    def _give_up_late(self) -> None:
        for row in self._with(OrderStatus.READY):
            if row.valid_until < self.now or row.cancel_requested_at is not None:
                submit._give_up_late(self.tx, row, self.now)

    def _trade(self) -> None:
        self.broker.trade(self.now)

    def _hear(self) -> None:
        """Hear a message, in any order."""
        if not self.broker.told:
            return
        told = self.broker.told
        update = told.pop(self.dice.randrange(min(3, len(told))))
        order_id = self.tx.id_by_client(update.order.client_order_id)
        row: Any = self.store.orders[order_id]
        if fills._is_news(row, update):
            self._step(row, fills._told(self.tx, self.desk, update, self.now))

    def _record(self) -> None:
        """Read the broker's record of executions, and book what is new."""
        booked = self.store.trades.keys()
        new = [
            fill
            for fill in self.broker.fills
            if (fill.broker_order_id, fill.cumulative_quantity) not in booked
        ]
        by_id = {each.broker_order_id: each for each in self.broker.taken.values()}
        seen: dict[str, BrokerOrder | None] = {
            fill.broker_order_id: by_id[fill.broker_order_id]
            for fill in new
            if self.tx.id_by_broker(fill.broker_order_id) is None
        }
        fills._enter(self.tx, self.desk, new, seen, self.now)

    def _look_up(self) -> None:
        """Ask the broker about each order whose fate is unclear."""
        rows: list[Any] = [
            row
            for row in self._with(*UNSETTLED)
            if row.status == OrderStatus.UNKNOWN or row.epoch != self.epoch
        ]
        self.desk.unclear.note(rows)
        for row in rows:
            seen = self.broker.look(row.client_order_id, self.now)
            resolve._looked_up(self.tx, self.desk, row, seen, self.now)

    def _want_canceled(self) -> None:
        if rows := self._with(*LIVE):
            row = self.dice.choice(rows)
            orders._want_canceled(self.tx, row, "changed its mind", self.now)

    def _cancel(self) -> None:
        """Cancel what is to be canceled, and believe what the order then says."""
        for row in self._with(*AT_BROKER):
            if row.cancel_requested_at is not None:
                self.broker.cancel(row.broker_order_id)
                self._refresh(row)

    def _refresh(self, row: Row) -> None:
        seen = self.broker.taken[row.client_order_id]
        evidence.adopt(self.tx, row, seen, self.now)  # type: ignore[arg-type]

    def _halt(self) -> None:
        states = ("ACTIVE", "ACTIVE", "REDUCING", "HALTED", "nonsense")
        self.store.state = self.dice.choice(states)

    def _jump(self) -> None:
        """Set the machine's clock; the market's and the one that never jumps go on."""
        self.clock_is_off = timedelta(seconds=self.dice.choice((-60, 0, 60, 3600)))

    def _die(self) -> None:
        """Lose everything that was not committed: messages, and answers under way."""
        self.epoch += 1
        self.broker.told.clear()
        self.desk.unclear = desk.Unclear()

    # The end ----------------------------------------------------------------------

    def _come_to_rest(self) -> None:
        """Let recovery work without further trouble, and close the day."""
        self.epoch += 1
        self.store.state = "ACTIVE"
        # Sent again while its reason holds, and then patience once more.
        for _ in range(16):
            self._pass(120)
            self._give_up_late()
            self._look_up()
            self._record()
            for row in self._with(*AT_BROKER):
                self._refresh(row)
            self._zombies()
            self.check()
        for working in self.broker.working():
            self.broker.cancel(working.broker_order_id)
        self._record()
        for row in self._with(*AT_BROKER):
            self._refresh(row)
        self._give_up_late()
        self.check()
        self._judge()

    def _zombies(self) -> None:
        """Take in what lived at the broker after we had given it up."""
        for row in self._with(OrderStatus.EXPIRED, OrderStatus.REJECTED):
            if row.broker_order_id is None and row.attempts:
                if row.client_order_id in self.broker.taken:
                    self.broker.cancel(f"b-{row.client_order_id}")
                    self._record()
                    self._refresh(row)

    def _judge(self) -> None:
        for row in self.store.orders.values():
            truth = self.broker.taken.get(row.client_order_id)
            if OrderStatus(row.status) not in TERMINAL:
                raise Violation(f"{row.client_order_id} ends as {row.status}")
            if (truth is None) != (row.broker_order_id is None):
                raise Violation(f"{row.client_order_id}: {row.status}, and {truth}")
            if truth is not None and (row.status, row.filled_quantity) != (
                truth.status,
                truth.filled_quantity,
            ):
                raise Violation(f"{row.client_order_id}: {row.status}, and {truth}")
            sent = self.broker.calls[row.client_order_id]
            if sent > row.attempts:
                raise Violation(f"{sent} calls in {row.attempts} attempts")
        if unbooked := len(self.broker.fills) - len(self.store.trades):
            raise Violation(f"{unbooked} executions are not booked")
        held = self.tx.lock_position(ACCOUNT, SYMBOL).quantity
        if held != self.broker.held():
            raise Violation(f"{held} here and {self.broker.held()} at the broker")

    # Invariants -------------------------------------------------------------------

    def check(self) -> None:
        """Look at everything that holds at every instant."""
        store, broker = self.store, self.broker
        if store.holds or store.orphans:
            raise Violation(f"set aside: {store.holds} {store.orphans}")
        for row in store.orders.values():
            status, filled = row.status, row.filled_quantity
            old, had = self.before.get(row.order_id, (OrderStatus.READY, Decimal(0)))
            rejected = status is OrderStatus.REJECTED
            if (status, filled) == (old, had) and not rejected:
                continue
            if status is not old and not _reachable(old, status):
                raise Violation(f"{old} became {status}")
            if not had <= filled <= row.quantity:
                raise Violation(f"filled {filled} of {row.quantity} after {had}")
            if status is OrderStatus.NOT_SENT and row.attempts:
                raise Violation("attempted, and NOT_SENT")
            if rejected and self._lives(row.client_order_id):
                raise Violation(f"{row.client_order_id} is REJECTED and lives")
            self.before[row.order_id] = status, filled
        booked = sum(
            (entry["quantity_delta"] for entry in store.entries.values()), Decimal(0)
        )
        position = self.tx.lock_position(ACCOUNT, SYMBOL)
        part = self.tx.lock_strategy_position(ACCOUNT, STRATEGY, SYMBOL)
        if not booked == position.quantity == part.quantity:
            raise Violation(f"ledger {booked}, position {position}, part {part}")
        cash = sum((e["cash_delta"] for e in store.entries.values()), Decimal(0))
        if cash + position.cost != position.realized_pnl:
            raise Violation(f"cash {cash}, {position}")
        coming: dict[str, Decimal] = {"buy": Decimal(0), "sell": Decimal(0)}
        for order in broker.working():
            assert order.quantity is not None
            coming[str(order.side)] += order.quantity - order.filled_quantity
        for _, ticket in broker.coming:
            if ticket.client_order_id not in broker.taken:
                coming[str(ticket.side)] += ticket.quantity
        held = broker.held()
        if held + coming["buy"] > LIMIT or held - coming["sell"] < 0:
            raise Violation(f"{held} held and {coming} coming, of {LIMIT}")

    def _lives(self, client_order_id: str) -> bool:
        on_its_way = (ticket.client_order_id for _, ticket in self.broker.coming)
        return client_order_id in {*self.broker.taken, *on_its_way}

    def _with(self, *statuses: OrderStatus) -> list[Any]:
        return [row for row in self.store.orders.values() if row.status in statuses]

    def _step(self, row: Row, take: Any) -> None:
        step = evidence.Step(row.order_id, row.symbol, take)
        evidence.take_steps(self.tx, ACCOUNT, [step])


def _row(approved: OrderApproved) -> Row:
    return Row(
        order_id=approved.order_id,
        account_id=ACCOUNT,
        signal_id=approved.signal_id,
        correlation_id=approved.correlation_id,
        client_order_id=f"ts1s-{approved.signal_id.hex[:26]}",
        broker_order_id=None,
        strategy=approved.strategy,
        symbol=approved.symbol,
        side=str(approved.side),
        quantity=approved.quantity,
        order_type="market",
        time_in_force="day",
        limit_price=None,
        stop_price=None,
        trail_price=None,
        trail_percent=None,
        notional=None,
        extended_hours=False,
        order_class="simple",
        take_profit_price=None,
        stop_loss_price=None,
        stop_loss_limit_price=None,
        parent_order_id=None,
        replaces_order_id=None,
        tag=approved.tag,
        reduces=approved.reduces,
        valid_until=approved.valid_until,
        market_time=approved.market_time,
        as_of=approved.market_time,
        status=OrderStatus.READY,
        reason="approved",
        filled_quantity=Decimal(0),
        average_fill_price=None,
        attempts=0,
        misses=0,
        last_miss_at=None,
        epoch=None,
        claimed_at=None,
        submitted_at=None,
        accepted_at=None,
        first_fill_at=None,
        closed_at=None,
        cancel_requested_at=None,
        cancel_reason=None,
    )


def _steps(old: OrderStatus) -> frozenset[OrderStatus]:
    """Return every status that can follow in any number of steps."""
    found, ahead = {old}, [old]
    while ahead:
        for each in LIFE[ahead.pop()] - found:
            found.add(each)
            ahead.append(each)
    return frozenset(found)


_AFTER = {status: _steps(status) for status in OrderStatus}


def _reachable(old: OrderStatus, new: OrderStatus) -> bool:
    return new in _AFTER[old]


@contextmanager
def virtual_time(account: Account) -> Iterator[None]:
    """Have the operations read the simulation's clock for the machine's."""

    def utc_now() -> datetime:
        return account.now + account.clock_is_off

    def uptime() -> float:
        return (account.now - BEGIN).total_seconds()

    with ExitStack() as stack:
        for module in (submit, resolve, orders, evidence, ledger):
            stack.enter_context(patch.object(module, "utc_now", utc_now))
        stack.enter_context(patch.object(desk, "monotonic", uptime))
        yield


def run_seed(seed: int) -> tuple[int, str | None]:
    """Return how many orders a seed had, and what it violated."""
    account = Account(seed)
    with virtual_time(account):
        try:
            return account.run(), None
        except Violation as violation:
            return account.approved, f"seed {seed}: {violation}"


def run_seeds(first: int, count: int) -> tuple[int, list[str]]:
    """Return how many orders some seeds had, and what they violated."""
    logger.remove()
    flows, violations = 0, []
    for seed in range(first, first + count):
        orders_of_seed, violated = run_seed(seed)
        flows += orders_of_seed
        if violated is not None:
            violations.append(violated)
    return flows, violations


A_CHUNK = 500


def main(flows: int, first: int, jobs: int) -> int:
    """Run seeds until so many orders have lived; 0 when nothing was violated."""
    began, done, seeds = monotonic(), 0, 0
    violations: list[str] = []
    with ProcessPoolExecutor(jobs) as pool:
        while done < flows:
            starts = range(first + seeds, first + seeds + A_CHUNK * jobs, A_CHUNK)
            for made, found in pool.map(run_seeds, starts, [A_CHUNK] * jobs):
                done += made
                violations += found
            seeds += A_CHUNK * jobs
            if violations:
                break
    print(f"{done} orders of {seeds} seeds in {monotonic() - began:.0f} s")
    print(*violations[:10], sep="\n")
    print(f"{len(violations)} violations")
    return int(bool(violations))


if __name__ == "__main__":
    sys.exit(main(10_000, 0, 1))
