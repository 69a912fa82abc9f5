"""Events: facts, declared once, published in the transaction that makes them true.

PostgreSQL holds every event; Redis only rings the bell. A consumer's handler, its
inbox row, what it publishes and its cursor commit together, so that a process may die
at any point and nothing is skipped or done twice.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from uuid import UUID

from loguru import logger
from sqlalchemy import Row, func, select, update

from trading_system.clock import utc_now
from trading_system.database import Transaction, Tx
from trading_system.event import Event as Event
from trading_system.models import DeadLetter, LoggedEvent
from trading_system.vocabulary import ServiceName


class NewerEvent(Exception):
    """The log holds a version of an event that this code does not know."""


E = TypeVar("E", bound=Event)


class EventHandlers(Generic[Tx]):
    """What a service does when it hears an event: `@on(OrderFilled)`."""

    def __init__(self, consumer: ServiceName) -> None:
        self.consumer = str(consumer)
        self._handlers: dict[str, tuple[type[Event], Callable[[Any, Tx], None]]] = {}

    def __call__(
        self, event: type[E]
    ) -> Callable[[Callable[[E, Tx], None]], Callable[[E, Tx], None]]:
        def register(handler: Callable[[E, Tx], None]) -> Callable[[E, Tx], None]:
            if event.topic in self._handlers:
                raise TypeError(f"{self.consumer} handles {event.topic} twice")
            self._handlers[event.topic] = (event, handler)
            return handler

        return register

    @property
    def topics(self) -> list[str]:
        """The topics this service listens to."""
        return sorted(self._handlers)

    def handle(self, row: Row[Any], tx: Tx) -> None:
        """Call the handler of a row of the log."""
        event, handler = self._handlers[row.topic]
        if row.schema_version > event.schema_version:
            raise NewerEvent(
                f"{row.topic} version {row.schema_version} was written by newer code"
            )
        loaded = event.loaded(row)
        tx.causation_id, tx.correlation_id = loaded.event_id, loaded.correlation_id
        with logger.contextualize(correlation_id=loaded.correlation_id):
            handler(loaded, tx)
        tx.session.flush()
        tx.causation_id = tx.correlation_id = None


def log_end(tx: Transaction) -> int:
    """Return the last sequence number of the event log, 0 when it is empty."""
    return tx.session.scalar(select(func.max(LoggedEvent.seq))) or 0


def events_after(
    tx: Transaction, after: int, topics: list[str] | None = None, limit: int = 500
) -> list[LoggedEvent]:
    """Return what was logged after a sequence number, oldest first."""
    query = select(LoggedEvent).where(LoggedEvent.seq > after)
    if topics:
        query = query.where(LoggedEvent.topic.in_(topics))
    return list(tx.session.scalars(query.order_by(LoggedEvent.seq).limit(limit)))


def release(tx: Transaction, consumer: str, event_id: UUID, decided_by: str) -> None:
    """Give a parked event another round of attempts."""
    tx.session.execute(
        update(DeadLetter)
        .where(DeadLetter.consumer == consumer, DeadLetter.event_id == event_id)
        .values(
            status="retrying",
            attempts=0,
            next_attempt_at=utc_now(),
            decided_by=decided_by,
            decided_at=utc_now(),
        )
    )
