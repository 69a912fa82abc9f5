"""What survives the process: a SQLite file, and a file of what it will take next."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from paper_exchange.accounts import Account
from paper_exchange.errors import StartRefused
from paper_exchange.orders import Order
from paper_exchange.redo import Redo

VERSION = 1
SCHEMA = """
create table if not exists facts (name text primary key, value text not null);
create table if not exists accounts (id text primary key, body blob not null);
create table if not exists orders (
    id text primary key, account text not null, sequence integer not null,
    client_order_id text not null, symbol text not null, side text not null,
    is_open integer not null, submitted_at integer not null, parent text,
    body blob not null, unique (account, client_order_id));
create index if not exists orders_by_time on orders (account, sequence);
create index if not exists open_orders on orders (account, sequence) where is_open = 1;
create index if not exists orders_by_parent on orders (parent) where parent is not null;
create table if not exists activities (
    id text primary key, account text not null, type text not null,
    time integer not null, sequence integer not null, body blob not null);
create index if not exists activities_by_time on activities (account, time, sequence);
"""


# So much is taken into the database at once: some 300 orders, a few milliseconds.
MOST_BYTES = 1_000_000


def _plain(value: Any) -> str:
    return str(value)


@dataclass(slots=True)
class Changes:
    """What one step has changed."""

    facts: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    activities: list[tuple[str, int, int, dict[str, Any]]] = field(default_factory=list)
    """Account, time, sequence and body."""
    tape: list[tuple[int, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class _Rows:
    """What waits to be written, as it was when its step was done."""

    facts: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, bytes] = field(default_factory=dict)
    orders: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    activities: list[tuple[Any, ...]] = field(default_factory=list)
    names: set[tuple[str, str]] = field(default_factory=set)
    """Account and client's id of each order."""

    def take(self, later: "_Rows") -> None:
        """Take what changed later."""
        self.facts |= later.facts
        self.accounts |= later.accounts
        self.orders |= later.orders
        self.names.update((row[1], row[3]) for row in later.orders.values())
        self.activities += later.activities


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders of an account are wanted; every bound is exclusive."""

    account: str
    is_open: bool | None = None
    after: int | None = None
    until: int | None = None
    after_sequence: int | None = None
    before_sequence: int | None = None
    symbols: Sequence[str] = ()
    side: str | None = None
    parents_only: bool = False
    newest_first: bool = True
    limit: int = 500


class Store:
    """The SQLite file (WAL), and beside it what was kept since its last transaction.

    `add` takes what one step has changed, and `keep` makes all that was added outlive
    the process. Whoever reads sees everything that was added: `before_reading` has it
    kept, and a transaction takes it into the database.
    """

    def __init__(self, path: Path) -> None:
        self.before_reading: Callable[[], None] = lambda: None
        self._added: _Rows | None = None
        self._kept = _Rows()
        self._unflushed: list[tuple[int, bytes]] = []
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
            run = self._connection.execute
            run("pragma journal_mode = wal")
            # A killed process loses no commit; a power cut may lose the last ones.
            run("pragma synchronous = normal")
            run("pragma busy_timeout = 2000")
            # One process owns the file; a second one must not trade on the same state.
            run("pragma locking_mode = exclusive")
            self._connection.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            raise StartRefused(
                f"{path} cannot be used: {error}. Is another exchange running on this "
                "data directory? Stop it or choose another --data-dir."
            ) from error
        self._redo = Redo(path.with_suffix(".redo"))
        for lines, *rows in self._redo.pieces():
            facts, accounts, orders, activities = rows
            self._kept.take(_Rows(facts, accounts, orders, list(activities)))
            self._unflushed = lines
        self._commit()
        named = self._connection.execute("select account, client_order_id from orders")
        self._names = {hash(name) for name in named}
        """Of all orders: what has none of these is new, and SQLite is not asked."""

    def close(self) -> None:
        """Have everything in the database, and close the files."""
        self._commit()
        self._connection.close()
        self._redo.close()

    def facts(self) -> dict[str, str]:
        """Return the named values."""
        return dict(self._read("select name, value from facts"))

    def add(self, changes: Changes) -> None:
        """Take what a step has changed."""
        if self._added is None:
            self._added = _Rows()
        added = self._added
        added.facts |= changes.facts
        for account in changes.accounts.values():
            added.accounts[account.id] = orjson.dumps(account.record())
        for order in changes.orders.values():
            added.orders[order.id] = _order_row(order)
            name = order.account, order.client_order_id
            added.names.add(name)
            self._names.add(hash(name))
        for account_id, time, sequence, body in changes.activities:
            kind = body["activity_type"]
            row = (body["id"], account_id, kind, time, sequence, orjson.dumps(body))
            added.activities.append(row)

    @property
    def has_added(self) -> bool:
        """Whether something waits to be kept."""
        return self._added is not None

    def keep(self, tape: list[tuple[int, bytes]]) -> None:
        """Let what was added, and the tape's next lines, outlive the process.

        All of it does, or nothing. Lines kept before are in their own file by now.
        """
        if self._redo.size >= MOST_BYTES:
            self._commit()
        added, self._added = self._added or _Rows(), None
        self._redo.add(
            (tape, added.facts, added.accounts, added.orders, added.activities)
        )
        self._kept.take(added)

    def _commit(self) -> None:
        """Write what was kept into the database."""
        if not self._redo.size:
            return
        kept = self._kept
        run, many = self._connection.execute, self._connection.executemany
        run("begin immediate")
        try:
            many("insert or replace into facts values (?, ?)", kept.facts.items())
            many("insert or replace into accounts values (?, ?)", kept.accounts.items())
            many(
                "insert into orders values (?,?,?,?,?,?,?,?,?,?) on conflict (id) "
                "do update set is_open = excluded.is_open, body = excluded.body, "
                "parent = excluded.parent",
                kept.orders.values(),
            )
            # A process killed right after this finds them kept, and comes here again.
            many(
                "insert or replace into activities values (?,?,?,?,?,?)",
                kept.activities,
            )
            run("commit")
        except BaseException:  # whatever it was, nothing half-written may stay
            run("rollback")
            raise
        self._redo.drop()
        self._kept = _Rows()

    def accounts(self) -> list[Account]:
        """Return every account."""
        rows = self._read("select body from accounts order by rowid")
        return [Account.from_record(orjson.loads(body)) for (body,) in rows]

    def unflushed_tape(self) -> list[tuple[int, bytes]]:
        """Return the tape lines that were kept last, which may not be in the file."""
        return self._unflushed

    def open_orders(self) -> Iterator[Order]:
        """Yield every order that is not finished, oldest first."""
        rows = self._read("select body from orders where is_open = 1 order by sequence")
        return _orders(rows)

    def order(self, account: str, order_id: str) -> Order | None:
        """Return one order of an account."""
        return self._one("id = ? and account = ?", order_id, account)

    def order_by_client_id(self, account: str, client_order_id: str) -> Order | None:
        """Return the order of an account that carries a client's id."""
        return self._one(
            "account = ? and client_order_id = ?", account, client_order_id
        )

    def is_taken(self, account: str, client_order_id: str) -> bool:
        """Whether an order of an account carries a client's id.

        Every new order asks this, so it looks at what was added instead of having it
        written.
        """
        name = account, client_order_id
        if hash(name) not in self._names:
            return False
        if name in self._kept.names:
            return True
        if self._added is not None and name in self._added.names:
            return True
        found = self._connection.execute(
            "select 1 from orders where account = ? and client_order_id = ?", name
        )
        return found.fetchone() is not None

    def legs(self, parent: str) -> list[Order]:
        """Return the orders that belong to another one, in the order they were made."""
        rows = self._read(
            "select body from orders where parent = ? order by sequence", (parent,)
        )
        return list(_orders(rows))

    def orders(self, wanted: OrderFilter) -> list[Order]:
        """Return the orders that pass a filter."""
        where, values = ["account = ?"], [wanted.account]
        conditions: Iterable[tuple[str, Any]] = (
            ("is_open = ?", None if wanted.is_open is None else int(wanted.is_open)),
            ("submitted_at > ?", wanted.after),
            ("submitted_at < ?", wanted.until),
            ("sequence > ?", wanted.after_sequence),
            ("sequence < ?", wanted.before_sequence),
            ("side = ?", wanted.side),
        )
        for condition, value in conditions:
            if value is not None:
                where.append(condition)
                values.append(value)
        if wanted.symbols:
            where.append(f"symbol in ({','.join('?' * len(wanted.symbols))})")
            values.extend(wanted.symbols)
        if wanted.parents_only:
            where.append("parent is null")
        direction = "desc" if wanted.newest_first else "asc"
        rows = self._read(
            f"select body from orders where {' and '.join(where)} "
            f"order by sequence {direction} limit ?",
            (*values, wanted.limit),
        )
        return list(_orders(rows))

    def activities(
        self,
        account: str,
        types: Sequence[str],
        after: int | None,
        until: int | None,
        newest_first: bool,
        page_size: int,
        page_token: str | None,
    ) -> list[dict[str, Any]]:
        """Return activities of an account; the token is the last id seen."""
        where: list[str] = ["account = ?"]
        values: list[Any] = [account]
        if types:
            where.append(f"type in ({','.join('?' * len(types))})")
            values.extend(types)
        for condition, value in (("time > ?", after), ("time < ?", until)):
            if value is not None:
                where.append(condition)
                values.append(value)
        if page_token:
            compare = "<" if newest_first else ">"
            where.append(
                f"(time, sequence) {compare} "
                "(select time, sequence from activities where id = ?)"
            )
            values.append(page_token)
        direction = "desc" if newest_first else "asc"
        rows = self._read(
            f"select body from activities where {' and '.join(where)} "
            f"order by time {direction}, sequence {direction} limit ?",
            (*values, page_size),
        )
        return [orjson.loads(body) for (body,) in rows]

    def _read(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Return the rows of a query, with everything in them that was added."""
        self.before_reading()
        self._commit()
        return self._connection.execute(sql, values)

    def _one(self, condition: str, *values: str) -> Order | None:
        rows = self._read(f"select body from orders where {condition}", values)
        return next(_orders(rows), None)


def _order_row(order: Order) -> tuple[Any, ...]:
    return (
        order.id,
        order.account,
        order.sequence,
        order.client_order_id,
        order.symbol,
        order.side,
        int(order.is_open),
        order.submitted_at,
        order.parent,
        orjson.dumps(order, default=_plain),
    )


def _orders(rows: Iterable[tuple[bytes]]) -> Iterator[Order]:
    return (Order.from_record(orjson.loads(body)) for (body,) in rows)
