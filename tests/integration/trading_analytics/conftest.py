"""A migrated database with three sessions and the empty books of one account."""

import json
import secrets
from collections.abc import Iterator

import pytest
from analytics_books import DAYS, Books, at
from sqlalchemy import text

from trading_analytics.repository import AnalyticsTransaction
from trading_system.database import Database

KEPT = (
    "ledger",
    "trades",
    "crosses",
    "order_history",
    "submit_attempts",
    "orders",
)
"""Tables of execution that refuse to lose a row; a test begins without any."""

EMPTIED = (
    "".join(f"alter table execution.{t} disable trigger user;" for t in KEPT)
    + "truncate execution.account_snapshots, execution.positions,"
    " data_ingestion.market_data, analytics.portfolio_summary,"
    " analytics.performance_metrics, analytics.round_trips, analytics.reports,"
    " analytics.backtests,"
    + ", ".join(f"execution.{t}" for t in KEPT)
    + ";"
    + "".join(f"alter table execution.{t} enable trigger user;" for t in KEPT)
)


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database[AnalyticsTransaction]]:
    """The module's database with its calendar."""
    database = Database.connect(database_url, AnalyticsTransaction, "test")
    with database.transaction() as tx:
        for day in DAYS:
            tx.session.execute(
                text(
                    "insert into shared.sessions (day, open, close) values (:d,:o,:c)"
                ),
                {"d": day, "o": at(day, 14, 30), "c": at(day, 21)},
            )
    yield database
    database.close()


@pytest.fixture
def books(database: Database[AnalyticsTransaction]) -> Books:
    """Empty books of a fresh account."""
    books = Books(database, f"test-{secrets.token_hex(4)}")
    books.sql(EMPTIED)
    books.sql(
        "insert into shared.system_config (config_key, config_value)"
        " values ('account_id', cast(:value as jsonb))"
        " on conflict (config_key) do update set config_value = excluded.config_value",
        value=json.dumps(books.account_id),
    )
    ((books.first_event,),) = books.sql(
        "select coalesce(max(seq), 0) from shared.events"
    )
    return books
