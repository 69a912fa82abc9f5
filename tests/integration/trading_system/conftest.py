"""A database with one table of effects."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from trading_system.database import Database, Transaction


@pytest.fixture
def database(database_url: str) -> Iterator[Database[Transaction]]:
    """The module's database, with an empty table of effects and an empty log."""
    database = Database.connect(database_url, Transaction, "test")
    with database.transaction() as tx:
        tx.session.execute(
            text(
                "create table if not exists public.effects"
                " (id bigserial primary key, name text, count int)"
            )
        )
        tx.session.execute(text("truncate public.effects"))
        tx.session.execute(text("delete from shared.consumers"))
        tx.session.execute(text("delete from shared.inbox"))
        tx.session.execute(text("delete from shared.dead_letters"))
    yield database
    database.close()
