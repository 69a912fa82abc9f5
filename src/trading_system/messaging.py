"""Events: facts, declared once, published in the transaction that makes them true.

PostgreSQL holds every event; Redis only rings the bell. A consumer's handler, its
inbox row, what it publishes and its cursor commit together, so that a process may die
at any point and nothing is skipped or done twice.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from loguru import logger
from sqlalchemy import Row, func, select

from trading_system.database import Transaction, Tx
from trading_system.event import Event as Event
from trading_system.models import LoggedEvent
from trading_system.vocabulary import ServiceName


class NewerEvent(Exception):
    """The log holds a version of an event that this code does not know."""


E = TypeVar("E", bound=Event)
One = Callable[[E, Tx], None]
Many = Callable[[list[E], Tx], None]


class EventHandlers(Generic[Tx]):
    """What a service does when it hears an event: `@on(OrderFilled)`.

    `@on.many(OrderApproved)` is given all that came together, in their order, for work
    that is the same for one as for many. Such a handler names the causation of what it
    publishes itself.
    """

    def __init__(self, consumer: ServiceName) -> None:
        self.consumer = str(consumer)
        self._handlers: dict[str, tuple[type[Event], Many[Any, Tx]]] = {}
        self._together: set[str] = set()

    def __call__(self, event: type[E]) -> Callable[[One[E, Tx]], One[E, Tx]]:
        def register(handler: One[E, Tx]) -> One[E, Tx]:
            self._register(event, _one_by_one(handler))
            return handler

        return register

    def many(self, event: type[E]) -> Callable[[Many[E, Tx]], Many[E, Tx]]:
        """Register a handler of all events of a kind that came together."""

        def register(handler: Many[E, Tx]) -> Many[E, Tx]:
            self._register(event, handler)
            self._together.add(event.topic)
            return handler

        return register

    def _register(self, event: type[E], handler: Many[E, Tx]) -> None:
        if event.topic in self._handlers:
            raise TypeError(f"{self.consumer} handles {event.topic} twice")
        self._handlers[event.topic] = (event, handler)

    @property
    def topics(self) -> list[str]:
        """The topics this service listens to."""
        return sorted(self._handlers)

    def takes_many(self, topic: str) -> bool:
        """Say whether events of a topic are handled together."""
        return topic in self._together

    def handle(self, rows: Sequence[Row[Any]], tx: Tx) -> None:
        """Call the handler of rows of the log, which are of one topic."""
        event, handler = self._handlers[rows[0].topic]
        if any(row.schema_version > event.schema_version for row in rows):
            raise NewerEvent(
                f"{event.topic} version {max(r.schema_version for r in rows)}"
                " was written by newer code"
            )
        handler([event.loaded(row) for row in rows], tx)
        tx.session.flush()


def _one_by_one(handler: One[E, Tx]) -> Many[E, Tx]:
    def handle(events: list[E], tx: Tx) -> None:
        for event in events:
            tx.causation_id, tx.correlation_id = event.event_id, event.correlation_id
            with logger.contextualize(correlation_id=event.correlation_id):
                handler(event, tx)
        tx.causation_id = tx.correlation_id = None

    return handle


def log_end(tx: Transaction) -> int:
    """Return the last sequence number of the event log, 0 when it is empty."""
    return tx.session.scalar(select(func.max(LoggedEvent.seq))) or 0
