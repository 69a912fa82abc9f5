"""Transactions on PostgreSQL: one that writes, one that only reads.

A service has one :class:`Database` of its own :class:`Transaction`, whose properties
are the service's repositories.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar
from uuid import UUID

from sqlalchemy import Engine, create_engine, event, select, text
from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from trading_system.clock import monotonic
from trading_system.contracts.system import IdentityView
from trading_system.errors import Misconfigured
from trading_system.models import AuditEntry, StagedEvent, SystemConfig
from trading_system.vocabulary import TradingMode

POOL_SIZE = 5
POOL_OVERFLOW = 10
RESTED = 0.5
"""Seconds after which an unused connection is asked whether it is still there."""


class Publishable(Protocol):
    """What a transaction needs to know of an event."""

    @property
    def key(self) -> str: ...

    def staged(self) -> dict[str, Any]: ...


class Transaction:
    """A unit of work: what it writes and what it publishes commit together."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.topics: list[str] = []
        self.causation_id: UUID | None = None
        self.correlation_id: UUID | None = None

    def publish(self, event: Publishable) -> None:
        """Add an event to the log when, and only when, this transaction commits."""
        values = event.staged()
        values["causation_id"] = values["causation_id"] or self.causation_id
        values["correlation_id"] = values["correlation_id"] or self.correlation_id
        self.session.add(StagedEvent(**values))
        self.topics.append(values["topic"])

    def audit(
        self,
        *,
        user_id: str,
        table_name: str,
        operation: str,
        old_values: dict[str, Any] | None = None,
        new_values: dict[str, Any] | None = None,
        reason: str | None = None,
    ) -> None:
        """Record a change that no row trigger sees."""
        self.session.add(
            AuditEntry(
                user_id=user_id,
                table_name=table_name,
                operation=operation,
                old_values=old_values,
                new_values=new_values,
                reason=reason,
            )
        )

    def act_as(self, user_id: str, reason: str | None = None) -> None:
        """Name who is behind the changes of this transaction, for the audit log."""
        self.session.execute(
            text(
                "select set_config('app.user', :user, true),"
                " set_config('app.reason', :reason, true)"
            ),
            {"user": user_id, "reason": reason or ""},
        )

    def config(self, key: str) -> Any:
        """Return a fact of this installation, or None when it is not known."""
        return self.session.scalar(
            select(SystemConfig.config_value).where(SystemConfig.config_key == key)
        )

    @property
    def account_id(self) -> str:
        """The broker account that this database belongs to."""
        account = self.config("account_id")
        if account is None:
            raise Misconfigured(
                "This database is not bound to a broker account yet.",
                remedy="Start the system with `trading up`, which binds it.",
            )
        return str(account)

    @property
    def mode(self) -> TradingMode:
        """The trading mode that this database belongs to."""
        return TradingMode(self.config("mode") or TradingMode.SIMULATED)


@dataclass(frozen=True)
class Identity:
    """Something that must hold in a service's books whenever all is at rest.

    `counted` selects how many it is asked of, `broken` a name for each that breaks it.
    """

    name: str
    counted: str
    broken: str
    remedy: str

    EXAMPLES: ClassVar = 5

    def look(self, tx: Transaction) -> IdentityView:
        """Count, and name the first that break it."""
        broken = list(tx.session.scalars(text(self.broken)))
        return IdentityView(
            name=self.name,
            counted=tx.session.scalar(text(self.counted)) or 0,
            broken=len(broken),
            examples=[str(each) for each in broken[: self.EXAMPLES]],
            remedy=self.remedy,
        )


Tx = TypeVar("Tx", bound=Transaction)


class Database(Generic[Tx]):
    """Connections of one process to its database, as one role.

    After a transaction that published events has committed, `committed` is called
    with their topics and the last sequence number.
    """

    def __init__(self, engine: Engine, transaction: type[Tx]) -> None:
        self.engine = engine
        self._transaction = transaction
        self.committed: list[Callable[[list[str], int], None]] = []

    @classmethod
    def connect(
        cls, url: str, transaction: type[Tx], application_name: str = "trading"
    ) -> Self:
        """Return a database; connections are opened when they are needed."""
        engine = create_engine(
            url,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=5,
            # Updates of many rows go in one trip to the server, as inserts do.
            executemany_mode="values_plus_batch",
            connect_args={
                "application_name": application_name,
                "connect_timeout": 5,
                "options": "-c timezone=UTC",
            },
        )
        _ask_those_that_rested(engine)
        return cls(engine, transaction)

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        """Yield a unit of work; commit at the end, roll back on an exception."""
        sequence: int | None = None
        with self.engine.connect() as connection:
            with Session(connection, expire_on_commit=False) as session:
                tx = self._transaction(session)
                yield tx
                session.commit()
            # On the same connection: to wait for another one could fail what is done.
            if tx.topics and self.committed:
                sequence = connection.scalar(text("select shared.last_sequence()"))
        # No connection is held while others wake.
        if sequence is not None:
            for tell in self.committed:
                tell(tx.topics, sequence)

    @contextmanager
    def read_only(self) -> Iterator[Tx]:
        """Yield a consistent snapshot; PostgreSQL itself refuses writes in it."""
        with Session(self.engine, expire_on_commit=False) as session:
            session.connection(
                execution_options={
                    "isolation_level": "REPEATABLE READ",
                    "postgresql_readonly": True,
                }
            )
            # No rollback at the end: it would empty the objects that were read.
            yield self._transaction(session)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _ask_those_that_rested(engine: Engine) -> None:
    """Ask a connection that was idle for a while whether it is still there, before use.

    SQLAlchemy's own `pool_pre_ping` asks each time, which a chain of short transactions
    feels.
    """

    @event.listens_for(engine, "checkin")
    def rests(connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["rests_since"] = monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
        since = record.info.get("rests_since")
        if since is not None and monotonic() - since > RESTED:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                # The pool opens another one.
                raise DisconnectionError(str(error)) from error


def connection_lost(error: BaseException) -> bool:
    """Say whether an error means that PostgreSQL is away, not that a row is wrong."""
    if isinstance(error, InterfaceError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, OperationalError):
        # Class 40 (serialization, deadlock) and 55 (lock not available) are answers
        # of a server that is there; without a code there is no server.
        code: str | None = getattr(error.orig, "pgcode", None)
        return code is None or code[:2] in {"57", "08", "53"}
    return False
