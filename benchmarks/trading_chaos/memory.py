"""Execution's rows in memory, so that its operations run without a database.

Only what the operations of an order's life ask for is here, with PostgreSQL's rules:
unique keys, and a savepoint that takes back what was written in it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

ZERO = Decimal(0)


class Row(SimpleNamespace):
    """An order, or a position."""


@dataclass
class Store:
    """The tables."""

    orders: dict[UUID, Row] = field(default_factory=dict)
    attempts: list[Any] = field(default_factory=list)
    ended: dict[tuple[UUID, int], str] = field(default_factory=dict)
    trades: dict[tuple[str, Decimal], Any] = field(default_factory=dict)
    entries: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    positions: dict[tuple[str, ...], Row] = field(default_factory=dict)
    orphans: list[dict[str, Any]] = field(default_factory=list)
    holds: list[tuple[str, str, str]] = field(default_factory=list)
    events: int = 0
    state: str = "ACTIVE"

    def kept(self) -> "Store":
        """Return a copy to go back to."""
        return Store(
            {key: copy(row) for key, row in self.orders.items()},
            list(self.attempts),
            dict(self.ended),
            dict(self.trades),
            dict(self.entries),
            {key: copy(row) for key, row in self.positions.items()},
            list(self.orphans),
            list(self.holds),
            self.events,
            self.state,
        )


class Memory:
    """A transaction on the store: what execution's operations see of one."""

    def __init__(self, store: Store, account_id: str) -> None:
        self.store = store
        self.account_id = account_id
        self.orders = self.trades = self.books = self.session = self
        self.reconciliations = self

    # The session.

    def add(self, made: Any) -> None:
        """Keep a new row."""
        if hasattr(made, "cumulative_quantity"):
            key = made.broker_order_id, made.cumulative_quantity
            if key in self.store.trades:
                raise AssertionError(f"execution {key} is booked twice")
            self.store.trades[key] = made
        else:
            self.store.attempts.append(made)

    def flush(self) -> None:
        """Write at once, which everything here is."""

    @contextmanager
    def begin_nested(self) -> Iterator[None]:
        """Take back what was written when it fails."""
        before = self.store.kept()
        try:
            yield
        except Exception:  # why: whatever fails, a savepoint takes it back
            self.store.__dict__.update(before.__dict__)
            raise

    def publish(self, event: Any) -> None:
        """Count an event."""
        self.store.events += 1

    def trading_state(self, account_id: str) -> str:
        """Return the trading state."""
        return self.store.state

    # Orders.

    def lock(self, order_id: UUID) -> Row:
        """Return an order."""
        return self.store.orders[order_id]

    def lock_all(self, order_ids: Iterable[UUID]) -> dict[UUID, Row]:
        """Return orders."""
        return {each: self.store.orders[each] for each in order_ids}

    def id_by_broker(self, broker_order_id: str) -> UUID | None:
        """Return our id of an order of the broker's."""
        for row in self.store.orders.values():
            if row.broker_order_id == broker_order_id:
                found: UUID = row.order_id
                return found
        return None

    def id_by_client(self, client_order_id: str) -> UUID | None:
        """Return our id of an order by the name the broker knows it by."""
        for row in self.store.orders.values():
            if row.client_order_id == client_order_id:
                found: UUID = row.order_id
                return found
        return None

    def attempt(self, order: Row) -> Any:
        """Return how the last attempt ended."""
        outcome = self.store.ended.get((order.order_id, order.attempts))
        return SimpleNamespace(outcome=outcome, detail=outcome)

    def end_attempts(self, ended: Iterable[Any]) -> None:
        """Note how attempts ended; each ends once."""
        for each in ended:
            self.store.ended.setdefault((each.order_id, each.attempt), each.outcome)

    # Executions.

    def find(self, broker_order_id: str, cumulative: Decimal) -> Any:
        """Return an execution."""
        return self.store.trades.get((broker_order_id, cumulative))

    def of_order(self, order_id: UUID) -> list[Any]:
        """Return the executions of an order."""
        return [t for t in self.store.trades.values() if t.order_id == order_id]

    def settle_orphan(self, broker_order_id: str, cumulative: Decimal) -> None:
        """Nothing is set aside that has an order."""

    def set_aside(self, values: dict[str, Any]) -> None:
        """Keep an execution without an order."""
        self.store.orphans.append(values)

    def hold(self, account_id: str, symbol: str, kind: str, reason: str) -> bool:
        """Stop a symbol."""
        self.store.holds.append((symbol, kind, reason))
        return True

    # The ledger and positions.

    def insert(self, values: dict[str, Any]) -> int | None:
        """Add an entry unless it is there."""
        key = values["kind"], values["reference"]
        if key in self.store.entries:
            return None
        self.store.entries[key] = values
        return len(self.store.entries)

    def lock_position(self, account_id: str, symbol: str) -> Row:
        """Return the account's position."""
        return self._position(symbol)

    def lock_strategy_position(
        self, account_id: str, strategy: str, symbol: str
    ) -> Row:
        """Return a strategy's part of it."""
        return self._position(symbol, strategy)

    def _position(self, *key: str) -> Row:
        if key not in self.store.positions:
            self.store.positions[key] = Row(
                quantity=ZERO, cost=ZERO, realized_pnl=ZERO, avg_price=ZERO, version=0
            )
        return self.store.positions[key]
