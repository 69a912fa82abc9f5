"""Events that are about nothing else, and the effects that their handlers write."""

from typing import Any

from sqlalchemy import text

from trading_system.database import Database, Transaction
from trading_system.event import Event


class Ticked(Event, topic="test.ticked"):
    """Something that happened to a name, with its own count."""

    name: str
    count: int

    @property
    def key(self) -> str:
        return self.name


def effects(database: Database[Any]) -> list[tuple[str, int]]:
    """Return what handlers wrote, in the order in which they wrote it."""
    with database.read_only() as tx:
        rows = tx.session.execute(
            text("select name, count from public.effects order by id")
        )
        return [(name, count) for name, count in rows]


def write_effect(event: Ticked, tx: Transaction) -> None:
    """Write what an event says: the simplest handler there is."""
    tx.session.execute(
        text("insert into public.effects (name, count) values (:name, :count)"),
        {"name": event.name, "count": event.count},
    )
