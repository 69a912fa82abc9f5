"""What happens, in the order in which it does: written, then taped, then told."""

import asyncio
from collections.abc import Callable
from typing import Any

from paper_exchange import instants, numbers
from paper_exchange.accounts import Account
from paper_exchange.identity import Identity
from paper_exchange.orders import Order
from paper_exchange.store import Store
from paper_exchange.tape import Tape
from paper_exchange.transaction import Pending, Update

SOON_SECONDS = 0.02
Listener = Callable[[Update], None]


class Journal:
    """Market time, and everything that changed since the last commit.

    A commit has all of it written in one piece, and only then told to the tape and the
    listeners. While `gathers` is on, the piece is shared: what is committed in one turn
    of the event loop is written together at its end, so requests that come together pay
    for one write. Their answers wait for it.
    """

    def __init__(self, store: Store, tape: Tape, seed: int, start: int) -> None:
        facts = store.facts()
        self.now = int(facts.get("now", start))
        self.identity = Identity(seed, int(facts.get("count", 0)))
        self.listeners: list[Listener] = []
        # Whether anybody hears of an account; its events are not made up otherwise.
        self.is_heard: Callable[[str], bool] = lambda _: True
        self._store = store
        self._tape = tape
        self._stamp = int(facts.get("stamp", 0))
        self._pending = Pending()
        self.gathers = False
        self._is_due = False
        self._waiting: list[asyncio.Future[None]] = []
        self._lines: list[tuple[int, bytes]] = []
        self._updates: list[Update] = []
        store.before_reading = self.settle

    def stamp(self) -> int:
        """Return now, made later by a nanosecond than anything stamped before."""
        self._stamp = max(self.now, self._stamp + 1)
        return self._stamp

    def fact(self, name: str, value: str) -> None:
        """Have a named value written."""
        self._pending.changes.facts[name] = value

    def order_changed(self, order: Order) -> None:
        """Have an order written."""
        self._pending.changes.orders[order.id] = order

    def account_changed(self, account: Account) -> None:
        """Have an account written."""
        self._pending.changes.accounts[account.id] = account

    def activity(self, account: Account, time: int, body: dict[str, Any]) -> str:
        """Add an activity to an account's; return the id of what it records."""
        identity = self.identity.next()
        body = {"id": f"{_activity_time(time)}::{identity}", **body}
        count = self.identity.count
        self._pending.changes.activities.append((account.id, time, count, body))
        kind = str(body["activity_type"]).lower()
        more = {"execution_id": identity} if kind == "fill" else {}
        self.note(kind, {"account": account.id, **more, **body})
        return identity

    def tell(
        self, order: Order, event: str | None, execution: str | None, **details: Any
    ) -> None:
        """Have an order's step taped and, when it is an event, streamed."""
        self.note(
            "order",
            {
                "event": event or order.status,
                "id": order.id,
                "account": order.account,
                "client_order_id": order.client_order_id,
                "symbol": order.symbol,
                "side": order.side,
                "type": order.type,
                "status": order.status,
                "order_qty": numbers.optional_text(order.quantity),
                "filled_qty": numbers.text(order.filled),
                **details,
            },
        )
        if event is None:
            return
        if execution is None and event != "pending_new":
            execution = self.identity.next()
        if not self.is_heard(order.account):
            return
        data = {
            "event": event,
            "execution_id": execution,
            "order": order.body(),
            "timestamp": instants.rfc3339(order.updated_at),
            **details,
        }
        self._pending.updates.append(Update(order.account, data))

    def note(self, kind: str, what: dict[str, Any]) -> None:
        """Have a line on the tape with the next commit."""
        self._pending.changes.tape.append(self._tape.line(self.now, kind, what))

    def note_only(self, kind: str, what: dict[str, Any]) -> None:
        """Put a line on the tape that changes nothing."""
        self._lines.append(self._tape.line(self.now, kind, what))
        self._settle_in_turn()

    def note_soon(self, kind: str, what: dict[str, Any]) -> None:
        """Put a line on the tape that nobody waits for, with the next ones."""
        self._lines.append(self._tape.line(self.now, kind, what))
        if not self.gathers:
            self.settle()
        elif len(self._lines) == 1:
            # Reads are most of the requests: a write for each costs more than it tells.
            asyncio.get_running_loop().call_later(SOON_SECONDS, self.settle)

    def commit(self, **facts: str) -> None:
        """Have what is pending written and told: at once, or with its turn."""
        pending, self._pending = self._pending, Pending()
        changes = pending.changes
        changes.facts |= {
            "now": str(self.now),
            "stamp": str(self._stamp),
            "count": str(self.identity.count),
            **facts,
        }
        self._store.add(changes)
        self._lines += changes.tape
        self._updates += pending.updates
        self._settle_in_turn()

    def _settle_in_turn(self) -> None:
        if not self.gathers:
            self.settle()
        elif not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self.settle)

    def settle(self) -> None:
        """Write what was committed and not written yet; tape and tell it."""
        self._is_due = False
        waiting, self._waiting = self._waiting, []
        lines, self._lines = self._lines, []
        updates, self._updates = self._updates, []
        try:
            if self._store.has_added:
                self._store.keep(lines)
            if lines:
                self._tape.write([line for _, line in lines])
        except BaseException as error:  # whoever waits for the write must hear of it
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_exception(error)
            raise
        for update in updates:
            for listener in self.listeners:
                listener(update)
        for waiter in waiting:
            # One whose client went away has ended already.
            if not waiter.done():
                waiter.set_result(None)

    async def settled(self) -> None:
        """Wait until everything that was committed is written."""
        if self._is_due:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    @property
    def has_changes(self) -> bool:
        """Whether something waits to be written."""
        return not self._pending.is_empty

    def close(self) -> None:
        """Write what is left and let go of the files."""
        if not self._tape.is_closed:
            self.gathers = False
            self.commit()
            self._tape.close()
            self._store.close()


def _activity_time(instant: int) -> str:
    moment = instants.to_datetime(instant).astimezone(instants.NEW_YORK)
    return moment.strftime("%Y%m%d%H%M%S") + f"{moment.microsecond // 1000:03d}"
