"""Connections of a service to its database."""

import pytest
from sqlalchemy import text

from trading_system import database as module
from trading_system.consumer import Consumer
from trading_system.database import Database, Transaction
from trading_system.messaging import EventHandlers
from trading_system.vocabulary import ServiceName

pytestmark = pytest.mark.integration

WHO = text("select pg_backend_pid()")


def backend(database: Database[Transaction]) -> int:
    """Return the server's process that answers a transaction."""
    with database.transaction() as tx:
        return int(tx.session.scalar(WHO) or 0)


def test_a_connection_that_rested_is_asked_before_use_and_replaced_when_it_is_gone(
    database: Database[Transaction], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Database.connect(database_url, Transaction, "other")
    first = backend(database)
    assert backend(database) == first
    with other.transaction() as tx:
        tx.session.execute(text("select pg_terminate_backend(:pid)"), {"pid": first})
    monkeypatch.setattr(module, "RESTED", 0.0)
    second = backend(database)
    assert second != first
    assert backend(database) == second
    other.close()


def test_a_consumer_is_at_work_from_the_bell_on(
    database: Database[Transaction],
) -> None:
    consumer = Consumer(database, EventHandlers[Transaction](ServiceName.RISK))
    assert not consumer.is_at_work
    # Between the bell and the first look nobody may take it for idle.
    consumer.ring()
    assert consumer.is_at_work
