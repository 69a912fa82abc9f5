"""The loops that act on the broker, between two transactions."""

import queue
from collections.abc import Sequence
from uuid import UUID

from trading_execution.operations import (
    combos,
    contract,
    fills,
    flatten,
    marks,
    opening,
    reconcile,
    replacing,
    resolve,
    submit,
)
from trading_execution.operations.desk import Desk
from trading_execution.ports import StreamUpdate, TradeStream
from trading_system.clock import monotonic
from trading_system.contracts.execution import (
    OrderClosed,
    OrderFilled,
    OrderUnresolved,
    ReconciliationCompleted,
)
from trading_system.contracts.ingestion import BarsIngested
from trading_system.contracts.risk import OrderApproved, TradingStateChanged
from trading_system.worker import Worker

UNASKED = 5.0
"""Seconds between two looks that nobody asked for, where market time is ours."""

UNASKED_IN_A_HURRY = 1.0
"""The same where hours of the market fly by."""

IN_SESSION, AFTER_HOURS = 60.0, 600.0
"""Seconds between two reconciliations."""

MOST_AT_ONCE = 100

LISTENED = 20.0
"""Seconds between two looks at open orders while the stream stands: a mute one would
hide their end until the next comparison, after hours for ten minutes."""

UNDER_WAY = 2.0
"""Seconds that a message of the stream may be on its way."""

ORDERS_FIRST = 0.5
"""Seconds that booking waits for orders that are being handed over."""


class Prompt(Worker):
    """A worker that is woken by whoever finds it has work: lockstep waits for it."""

    def is_pending(self) -> bool:
        """Say whether this worker is at work or should be, and see that it is."""
        if self.is_at_work:
            return True
        if self._pending():
            self.wake()
            return True
        return False


class Submitting:
    """Hands ready orders over, as soon as they are written."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def run(self) -> None:
        """Send everything that may leave, then what combos and a flatten need."""
        desk = self._desk
        if not desk.in_charge() or desk.trust.doubted:
            return
        submit.submit_ready(desk)
        while combos.advance(desk):
            submit.submit_ready(desk)
        if flatten.advance(desk):
            submit.submit_ready(desk)

    def pending(self) -> bool:
        """Say whether an order should leave now."""
        desk = self._desk
        return desk.in_charge() and (
            flatten.is_due(desk) or combos.is_due(desk) or submit.has_claimable(desk)
        )


class Resolving:
    """Looks up orders whose fate is unclear; sees the end of canceled and replaced."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def run(self) -> None:
        """Ask the broker about each of them."""
        if self._desk.in_charge():
            resolve.resolve_unknown(self._desk)
            resolve.cancel_wanted(self._desk)
            replacing.settle_replaced(self._desk)

    def pending(self) -> bool:
        """Say whether an order is unclear, or its end is to be seen."""
        desk = self._desk
        return desk.in_charge() and (
            resolve.has_unresolved(desk) or replacing.has_replaced(desk)
        )


class Booking:
    """Books executions: from the stream as they come, from REST for the record."""

    def __init__(self, desk: Desk, stream: TradeStream) -> None:
        self._desk = desk
        self._stream = stream
        self._updates: queue.SimpleQueue[StreamUpdate] = queue.SimpleQueue()
        self._look_at = monotonic() + LISTENED
        self._unheard: set[UUID] = set()

    def listen(self, booker: Worker, comparer: Worker) -> None:
        """Begin to hear the stream: a message is booked, a connection compared."""

        def heard(update: StreamUpdate) -> None:
            self._updates.put(update)
            booker.wake()

        def connected() -> None:
            # What happened while it was away is not told again.
            self._desk.trust.doubt("the stream has just connected")
            self._desk.ask_for_fills()
            comparer.wake()

        self._stream.start(heard, connected)

    def run(self) -> None:
        """Book what was told, then what the record has beyond it."""
        desk = self._desk
        # Orders first: the market does not wait for them, our books can.
        if desk.submitting.acquire(timeout=ORDERS_FIRST):
            desk.submitting.release()
        updates = self._drained()
        if not desk.in_charge() or not opening.are_open(desk):
            return
        if updates:
            fills.take_updates(desk, updates)
        blind = not self._stream.connected
        if desk.fills_due.is_set() or blind or self._has_moved():
            fills.catch_up(desk)
            if blind or desk.lockstep:
                resolve.follow(desk)
            if desk.lockstep:
                fills.catch_up_activities(desk)
        elif monotonic() >= self._look_at:
            self._look_for_what_was_not_told()

    def _look_for_what_was_not_told(self) -> None:
        """Believe the broker's record where the stream keeps silent about an order."""
        moved = resolve.moved_on(self._desk)
        silent = [each for each in moved if each[0].order_id in self._unheard]
        for row, seen in silent:
            resolve.refresh(self._desk, row, seen)
        if silent:
            self._desk.on_deaf_stream()
        self._unheard = set() if silent else {row.order_id for row, _ in moved}
        pause = UNDER_WAY if self._unheard else LISTENED
        self._look_at = monotonic() + pause

    def pending(self) -> bool:
        """Say whether the broker may have told, or know, what is not booked."""
        desk = self._desk
        if not desk.in_charge():
            return False
        waiting = not self._updates.empty() or desk.fills_due.is_set()
        return waiting or self._has_moved()

    def _has_moved(self) -> bool:
        """In lockstep: say whether market time has moved since the last look."""
        desk = self._desk
        if not desk.lockstep:
            return False
        return desk.booked_until is None or desk.clock.now() > desk.booked_until

    def _drained(self) -> list[StreamUpdate]:
        updates: list[StreamUpdate] = []
        while not self._updates.empty() and len(updates) < MOST_AT_ONCE:
            updates.append(self._updates.get())
        return updates


class Reconciling:
    """Opens the books, and compares them with the broker's."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def run(self) -> None:
        """Compare when it is time, or when our books are in doubt."""
        desk = self._desk
        if not desk.in_charge():
            return
        opening.open_books(desk)
        contract.check_when_due(desk)
        if desk.trust.doubted:
            reconcile.reconcile(desk, desk.trust.why)
        elif desk.trust.age >= self._interval():
            reconcile.reconcile(desk, "timetable")

    def pending(self) -> bool:
        """Say whether nothing can be claimed before the books are compared."""
        return self._desk.in_charge() and self._desk.trust.doubted

    def _interval(self) -> float:
        return IN_SESSION if self._desk.clock.is_open() else AFTER_HOURS


class Marking:
    """Marks the positions and records what the account is worth."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def run(self) -> None:
        """Mark when that is due."""
        if self._desk.in_charge() and not self._desk.trust.doubted:
            marks.mark(self._desk)

    def pending(self) -> bool:
        """In lockstep: say whether the account has not been marked at this instant."""
        desk = self._desk
        return desk.lockstep and desk.in_charge() and marks.is_due(desk)


def workers(
    desk: Desk, stream: TradeStream, unasked: float = UNASKED_IN_A_HURRY
) -> Sequence[Worker]:
    """Return the loops of execution, listening to the stream.

    What is urgent wakes them; `unasked` is the pause of those that also look for what
    only the passing of time makes due.
    """
    submitting, resolving = Submitting(desk), Resolving(desk)
    booking, marking = Booking(desk, stream), Marking(desk)
    reconciling = Reconciling(desk)
    comparer = Prompt("reconcile", reconciling.run, 1.0, (), reconciling.pending)
    sender = Prompt(
        "submit",
        submitting.run,
        unasked,
        (OrderApproved, OrderClosed, TradingStateChanged, ReconciliationCompleted),
        submitting.pending,
    )
    # Not prompt: an order that the broker does not know is asked for with patience.
    resolver = Worker(
        "resolve",
        resolving.run,
        2.0,
        (TradingStateChanged, OrderUnresolved),
        resolving.pending,
    )
    booker = Prompt("book", booking.run, 2.0, (), booking.pending)
    marker = Prompt(
        "mark", marking.run, unasked, (BarsIngested, OrderFilled), marking.pending
    )
    desk.on_fills_due, desk.on_deaf_stream = booker.wake, stream.suspect
    booking.listen(booker, comparer)
    made = (comparer, sender, resolver, booker, marker)
    for worker in made:
        # The first look is at once: a start is a recovery.
        worker.wake()
    return made
