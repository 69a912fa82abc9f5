"""The identities of the chain, on a database that breaks them."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from trading_system.runtime import chain, databases
from trading_system.runtime.finding import State

pytestmark = pytest.mark.integration

BAR = datetime(2026, 3, 2, 15, tzinfo=UTC)


def states(url: str) -> dict[str, State]:
    return {finding.check: finding.state for finding in chain.check(url)}


def insert(url: str, table: str, values: dict[str, object]) -> None:
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


def test_an_empty_database_breaks_nothing(database_url: str) -> None:
    assert set(states(database_url).values()) == {State.PASS}


def test_a_bar_without_a_decision_and_an_approval_without_an_order_are_found(
    database_url: str,
) -> None:
    strategy = str(uuid4())
    for hour in (0, 2):
        start = BAR + timedelta(hours=hour)
        decision = {
            "decision_id": str(uuid4()),
            "correlation_id": str(uuid4()),
            "strategy_id": strategy,
            "strategy": "momentum_strategy",
            "strategy_version": 1,
            "source_hash": "0",
            "symbol": "AAPL",
            "timeframe": "1Hour",
            "feed": "iex",
            "bar_start": start,
            "bar_end": start + timedelta(hours=1),
            "close": 100.0,
            "outcome": "no_signal",
            "reason": "",
            "indicators": "{}",
            "conditions": "[]",
            "may_trade": True,
            "market_time": start,
        }
        insert(database_url, "strategy_engine.decisions", decision)
    for hour in (0, 1, 2):
        start = BAR + timedelta(hours=hour)
        bar = {
            "symbol": "AAPL",
            "timeframe": "1Hour",
            "timestamp": start,
            "feed": "iex",
            "bar_end": start + timedelta(hours=1),
            **dict.fromkeys(("open", "high", "low", "close"), 100.0),
            "volume": 1000.0,
            "received_at": start,
            "source": "bars",
        }
        insert(database_url, "data_ingestion.market_data", bar)
    outcome = {
        **{name: str(uuid4()) for name in ("signal_id", "outcome_id", "order_id")},
        "account_id": "PA1",
        "strategy": "momentum_strategy",
        "symbol": "AAPL",
        "side": "buy",
        "bar_end": BAR,
        "session_day": BAR.date(),
        "outcome": "approved",
        "code": "",
        "detail": "",
        "quantity": 1,
        "decision_price": 100,
        "context": "{}",
        "created_at": BAR,
        "market_time": BAR,
    }
    insert(database_url, "risk_management.risk_outcomes", outcome)
    found = states(database_url)
    assert found.pop("an order for every approval") is State.FAIL
    assert found.pop("a decision for every strategy, symbol and bar") is State.FAIL
    assert set(found.values()) == {State.PASS}
