"""What the workers trade with: the database, the broker, the market's clock."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from trading_execution.domain.lookup import Patience
from trading_execution.models import Order
from trading_execution.operations.lease import Lease
from trading_execution.ports import Broker, BrokerContract
from trading_execution.repository import ExecutionTransaction
from trading_system.clock import MarketClock, monotonic
from trading_system.database import Database

KILL_FILE = "KILL"
TRUST = 300.0
"""Seconds for which a clean reconciliation lets entries through."""


class Trust:
    """How far our books can be relied on, by the machine's clock.

    After a start, and after the stream was away, nothing is claimed before the books
    have been compared with the broker's. Entries also need a recent clean comparison.
    """

    def __init__(self) -> None:
        self._compared_at: float | None = None
        self._clean_at: float | None = None
        self.began = 0
        self.why = "the service has just started"

    def doubt(self, why: str) -> None:
        """Compare again before the next claim."""
        self.began += 1
        self._compared_at, self.why = None, why

    def compared(self, began: int, *, clean: bool) -> None:
        """Note a complete comparison that was begun at `began`.

        A doubt that arose while it ran is not settled by it.
        """
        if began == self.began:
            self._compared_at = monotonic()
        if clean:
            self._clean_at = monotonic()

    @property
    def doubted(self) -> bool:
        """Whether nothing may be claimed."""
        return self._compared_at is None

    @property
    def age(self) -> float:
        """Seconds since the last complete comparison."""
        if self._compared_at is None:
            return float("inf")
        return monotonic() - self._compared_at

    @property
    def covers_entries(self) -> bool:
        """Whether a clean comparison is recent enough to open positions."""
        return self._clean_at is not None and monotonic() - self._clean_at <= TRUST


class Unclear:
    """Since when this process has known which attempts are without an answer.

    A process that starts begins to count anew: its patience only grows by that.
    """

    def __init__(self) -> None:
        self._since: dict[tuple[UUID, int], float] = {}

    def note(self, orders: Iterable[Order]) -> None:
        """Take note of all the orders whose last attempt is unclear now."""
        now = monotonic()
        attempts = ((order.order_id, order.attempts) for order in orders)
        self._since = {each: self._since.get(each, now) for each in attempts}

    def lasted(self, order: Order) -> timedelta:
        """Return for how long the order's last attempt has been known as unclear."""
        now = monotonic()
        since = self._since.get((order.order_id, order.attempts), now)
        return timedelta(seconds=now - since)


@dataclass
class Desk:
    """Everything the workers of one execution process share.

    `lockstep` says that market time stands still until every service is idle, so that
    idleness must take in what the broker has not told yet.
    """

    database: Database[ExecutionTransaction]
    broker: Broker
    clock: MarketClock
    lease: Lease
    kill_file: Path
    patience: Patience = field(default_factory=Patience)
    lockstep: bool = False
    contract: BrokerContract | None = None
    recheck: timedelta = timedelta(seconds=5)
    trust: Trust = field(default_factory=Trust)
    unclear: Unclear = field(default_factory=Unclear)
    booking: threading.Lock = field(default_factory=threading.Lock)
    """Held by whoever writes what the broker said; never while the broker is asked."""
    submitting: threading.Lock = field(default_factory=threading.Lock)
    room: int = 8
    """Orders to claim together, by how quickly the broker took the last ones."""
    fills_due: threading.Event = field(default_factory=threading.Event)
    """Set when the broker may have executions that are not booked."""
    on_fills_due: Callable[[], None] = lambda: None
    on_deaf_stream: Callable[[], None] = lambda: None
    """Called when the broker did what the stream should have told and did not."""
    booked_until: datetime | None = None
    """The market time up to which executions are known to be booked."""
    being_replaced: frozenset[UUID] = frozenset()
    """Orders that the broker was asked about, and has not replaced yet."""
    books_are_open: bool = False
    """Whether the books are known to be opened: that is for good."""
    _account_id: str | None = None
    _epoch: int = 0

    def in_charge(self) -> bool:
        """Say whether this process is the executor."""
        if not self.lease.held():
            return False
        if self.lease.epoch != self._epoch:
            self._epoch = self.lease.epoch
            self.trust.doubt("this process has just become the executor")
            self.booked_until = None
        return True

    def ask_for_fills(self) -> None:
        """Have the broker's record of executions read soon."""
        self.fills_due.set()
        self.on_fills_due()

    @property
    def epoch(self) -> int:
        """The epoch in which this process acts."""
        return self._epoch

    @property
    def account_id(self) -> str:
        """The broker account that the database belongs to."""
        if self._account_id is None:
            with self.database.read_only() as tx:
                self._account_id = tx.account_id
        return self._account_id

    @property
    def killed(self) -> bool:
        """Whether a KILL file lies in the data directory."""
        return self.kill_file.exists()
