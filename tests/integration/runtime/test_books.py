"""What the services say of their books, on databases that damage has been done to."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from trading_execution.repository import identities as execution
from trading_risk.repository import identities as risk
from trading_strategy.repository import identities as strategy
from trading_system.database import Database, Transaction
from trading_system.runtime import databases

pytestmark = pytest.mark.integration

BAR = datetime(2026, 3, 2, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL = (*strategy.IDENTITIES, *risk.IDENTITIES, *execution.IDENTITIES)


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database[Transaction]]:
    database = Database.connect(database_url, Transaction)
    yield database
    database.close()


def broken(database: Database[Transaction]) -> dict[str, list[str]]:
    """Return which identities do not hold, and what breaks them."""
    with database.read_only() as tx:
        seen = [identity.look(tx) for identity in ALL]
    return {view.name: view.examples for view in seen if view.broken}


def insert(url: str, table: str, **values: Any) -> None:
    """Insert a row past keys and triggers, as only damage would."""
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    with databases.connected(url) as connection:
        cursor = connection.cursor()
        cursor.execute(f"alter table {table} disable trigger user")
        cursor.execute(
            "select conname from pg_constraint"
            " where contype = 'f' and conrelid = %s::regclass",
            (table,),
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"alter table {table} drop constraint {name}")
        cursor.execute(
            f"insert into {table} ({names}) values ({marks})", list(values.values())
        )


def test_a_database_without_rows_breaks_nothing(
    database: Database[Transaction],
) -> None:
    assert not broken(database)


def test_a_symbol_that_was_told_of_and_not_decided_is_named(
    database: Database[Transaction], database_url: str
) -> None:
    own = str(uuid4())
    insert(
        database_url,
        "strategy_engine.strategies",
        strategy_id=own,
        name="momentum_strategy",
        version=1,
        parameters="{}",
        risk_limits="{}",
        status="enabled",
        source="file",
        source_hash="0",
        decides_after=0,
    )
    for hour in (0, 1):
        told = {
            "timeframe": "1Hour",
            "bar_end": (BAR + (hour + 1) * HOUR).isoformat(),
            "symbols": ["AAPL"],
            "missing": ["MSFT"],
        }
        insert(
            database_url,
            "shared.events",
            seq=hour + 1,
            event_id=str(uuid4()),
            topic="ingestion.bars_ingested",
            key="1Hour",
            key_version=hour + 1,
            payload=json.dumps(told),
            producer="ingestion",
            schema_version=1,
            occurred_at=BAR,
        )
    for hour, symbol in ((0, "AAPL"), (0, "MSFT"), (1, "AAPL")):
        start = BAR + hour * HOUR
        insert(
            database_url,
            "strategy_engine.decisions",
            decision_id=str(uuid4()),
            correlation_id=str(uuid4()),
            strategy_id=own,
            strategy="momentum_strategy",
            strategy_version=1,
            source_hash="0",
            symbol=symbol,
            timeframe="1Hour",
            feed="iex",
            bar_start=start,
            bar_end=start + HOUR,
            close=100.0,
            outcome="no_signal",
            reason="",
            indicators="{}",
            conditions="[]",
            may_trade=True,
            market_time=start + HOUR,
        )
    (found,) = broken(database).items()
    assert found[0] == "a decision for every strategy, symbol and bar"
    (words,) = found[1]
    assert words.startswith("momentum_strategy MSFT 2026-03-02 17:00")


def test_an_approval_without_an_order_or_a_signal_is_named(
    database: Database[Transaction], database_url: str
) -> None:
    before = broken(database)
    signal = str(uuid4())
    insert(
        database_url,
        "risk_management.risk_outcomes",
        signal_id=signal,
        outcome_id=str(uuid4()),
        order_id=str(uuid4()),
        account_id="PA1",
        strategy="momentum_strategy",
        symbol="AAPL",
        side="buy",
        bar_end=BAR,
        session_day=BAR.date(),
        outcome="approved",
        code="",
        detail="",
        quantity=1,
        decision_price=100,
        context="{}",
        market_time=BAR,
    )
    found = broken(database)
    assert {name: found[name] for name in found if name not in before} == {
        "an order for every approval": [signal],
        "a signal for every risk outcome": [signal],
    }


def test_an_execution_that_is_not_booked_is_named(
    database: Database[Transaction], database_url: str
) -> None:
    before = broken(database)
    trade = str(uuid4())
    insert(
        database_url,
        "execution.trades",
        trade_id=trade,
        order_id=str(uuid4()),
        account_id="PA1",
        strategy="momentum_strategy",
        symbol="AAPL",
        side="buy",
        quantity=1,
        price=100,
        timestamp=BAR,
        broker_order_id="b",
        cumulative_quantity=1,
        source="stream",
    )
    insert(
        database_url,
        "execution.positions",
        account_id="PA1",
        symbol="AAPL",
        quantity=1,
    )
    found = broken(database)
    assert {name: found[name] for name in found if name not in before} == {
        "one ledger entry for every execution": [trade],
        "positions are what the ledger adds up to": ["AAPL"],
        "the strategies' parts add up to the positions": ["AAPL"],
    }
