"""Trading days through the whole stack, in lockstep, judged by the exchange's tape."""

import re
from collections.abc import Iterator
from decimal import Decimal
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from judge import judge, rows, scalar
from sqlalchemy import text
from stack import Stack, left_of, running_stack

from trading_system.vocabulary import ServiceName, plain
from trading_web import formats
from trading_web.formats import minus_signs

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def stack(replay: str) -> Iterator[Stack]:
    """A stack that has traded three days and rests at their end."""
    days = ("--from", "2015-04-08", "--to", "2015-04-10", "--speed", "max")
    with running_stack("--replay", replay, *days) as stack:
        stack.wait_for_end()
        yield stack


def test_the_books_hold_and_something_was_traded(stack: Stack) -> None:
    counted = judge(stack)
    assert counted["decisions"] == 3 * 7 * 4
    assert counted["fills"] >= 2, counted
    assert counted["orders"] >= 2, counted


def test_profit_is_the_same_on_page_api_command_line_and_database(
    stack: Stack,
) -> None:
    with stack.services() as services:
        account = services.execution.account()
    said = stack.json("pnl")
    with stack.engine().connect() as connection:
        equity = scalar(
            connection,
            "select equity from execution.account_snapshots"
            " order by market_time desc limit 1",
        )
        realized, unrealized = rows(
            connection,
            "select sum(realized_pnl) as realized, sum(unrealized_pnl) as unrealized"
            " from execution.positions",
        )[0]
    assert account.equity == equity
    assert Decimal(str(said["equity"])) == equity
    assert (account.realized_pnl, account.unrealized_pnl) == (realized, unrealized)
    assert Decimal(said["realized_pnl"]) == realized
    assert Decimal(said["unrealized_pnl"]) == unrealized
    exchange = Decimal(stack.broker("/v2/account")["equity"])
    assert round(equity, 2) == round(exchange, 2)
    with stack.browser() as browser:
        page = browser.get("/").text
    assert f"${equity:,.2f}" in page
    for cell, value in (("realized", realized), ("unrealized", unrealized)):
        shown = re.search(rf'data-cell="account.{cell}"[^>]*>([^<]+)<', page)
        assert shown is not None and shown.group(1).strip() == formats.pnl(value)


SAME = {
    "positions": (
        lambda s: s.execution.positions(),
        "select symbol, quantity, avg_price, market_value from execution.positions"
        " where quantity <> 0 order by symbol",
        ("symbol", "quantity", "avg_price", "market_value"),
        "/",
    ),
    "history": (
        lambda s: s.execution.orders(limit=1000),
        "select order_id, symbol, quantity, filled_quantity from execution.orders"
        " order by timestamp desc, order_id desc",
        ("order_id", "symbol", "quantity", "filled_quantity"),
        "/orders?tab=history&limit=500",
    ),
    "executions": (
        lambda s: s.execution.trades(limit=1000),
        "select trade_id, symbol, quantity, price from execution.trades"
        " order by timestamp desc, trade_id desc",
        ("trade_id", "symbol", "quantity", "price"),
        "/orders?tab=executions&limit=500",
    ),
    "trades": (
        lambda s: s.analytics.round_trips(limit=1000),
        "select round_trip_id, symbol, quantity, net_pnl from analytics.round_trips"
        " order by entry_time desc, round_trip_id desc",
        ("round_trip_id", "symbol", "quantity", "net_pnl"),
        "/orders?tab=trades&limit=500",
    ),
    "limits": (
        lambda s: s.risk.limits(),
        "select limit_type, scope_id, limit_value from risk_management.risk_limits",
        ("limit_type", "scope_id", "limit_value"),
        "/risk",
    ),
}
"""Of each table: who is asked, what the database has, which fields, which page."""

COMMANDS = {"positions": ("positions",), "history": ("orders", "--limit", "1000")}
SHOWN = {
    "market_value": formats.money,
    "avg_price": formats.price,
    "quantity": formats.quantity,
    "price": formats.price,
    "net_pnl": formats.pnl,
    "symbol": str,
}


@pytest.mark.parametrize("table", SAME)
def test_a_table_is_the_same_on_page_api_command_line_file_and_database(
    stack: Stack, table: str
) -> None:
    ask, statement, fields, path = SAME[table]
    with stack.services() as services:
        answers = [each.model_dump() for each in ask(services)]
    api = [tuple(_plain(each[field]) for field in fields) for each in answers]
    # What is held at the end, and whether it was sold again, is the market's choice.
    assert api or table in ("positions", "trades")
    with stack.engine().connect() as connection:
        rows_of = connection.execute(text(statement))
        stored = [tuple(_plain(value) for value in row) for row in rows_of]
    assert sorted(api, key=str) == sorted(stored, key=str)
    with stack.browser() as browser:
        filed = browser.get(f"/export/{table}.json").json()
        page = unescape(browser.get(path).text)
    said = [tuple(str(each[field]) for field in fields) for each in filed]
    assert said == [tuple(_text(value) for value in row) for row in api]
    if table in COMMANDS:
        printed = stack.json(*COMMANDS[table])
        assert [tuple(str(row[field]) for field in fields) for row in printed] == said
    for row in api:
        for field, value in zip(fields, row, strict=True):
            if field in SHOWN and value is not None:
                assert SHOWN[field](value) in page, (field, value)


def _plain(value: Any) -> Any:
    """Return an id as text, whichever way it was read; numbers stay numbers."""
    return str(value) if isinstance(value, UUID) else value


def _text(value: object) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)


WALKED = {
    "orders": (lambda s, last, n: s.execution.orders(cursor=last, limit=n), "order_id"),
    "trades": (lambda s, last, n: s.execution.trades(cursor=last, limit=n), "trade_id"),
    "decisions": (
        lambda s, last, n: s.strategy.decisions(before=last, limit=n),
        "decision_id",
    ),
    "outcomes": (
        lambda s, last, n: s.risk.outcomes(before=last, limit=n),
        "outcome_id",
    ),
    "round trips": (
        lambda s, last, n: s.analytics.round_trips(before=last, limit=n),
        "round_trip_id",
    ),
    "notifications": (
        lambda s, last, n: s.notification.notifications(before=last, limit=n),
        "notification_id",
    ),
    "quality": (lambda s, last, n: s.ingestion.quality(n, before=last), "log_id"),
    "logs": (
        lambda s, last, n: s.notification.logs(level="INFO", before=last, limit=n),
        "log_id",
    ),
    "audit": (lambda s, last, n: s.risk.audit(before=last, limit=n), "audit_id"),
}


@pytest.mark.parametrize("name", WALKED)
def test_a_list_read_page_by_page_is_the_whole_list(stack: Stack, name: str) -> None:
    read, key = WALKED[name]
    with stack.services() as services:
        whole = [getattr(each, key) for each in read(services, None, 500)]
        size = max(1, len(whole) // 3)
        walked: list[object] = []
        while len(walked) < len(whole) + size:
            page = read(services, walked[-1] if walked else None, size)
            assert len(page) <= size
            walked += [getattr(each, key) for each in page]
            if len(page) < size:
                break
    if not whole:
        assert not walked
        return
    assert len(set(walked)) == len(walked)
    # What was written since the first reading stands before it.
    start = walked.index(whole[0])
    assert walked[start : start + len(whole)] == whole[: len(walked) - start]


def test_an_order_explains_itself_from_the_bar_to_the_profit(stack: Stack) -> None:
    with stack.services() as services:
        order = services.execution.orders(limit=500)[-1]
    explained = stack.json("explain", str(order.order_id))
    states = {step["name"]: step["state"] for step in explained["steps"]}
    assert states.pop("result") in ("Open", "Closed")
    assert states == {
        "bar": "Stored",
        "indicators": "Computed",
        "signal": order.side.capitalize(),
        "risk": "Approved",
        "order": "Filled",
        "fills": "Complete",
    }
    assert order.symbol in explained["sentence"]
    assert "momentum_strategy" in explained["sentence"]
    with stack.browser() as browser:
        page = unescape(browser.get(f"/explain/order/{order.order_id}").text)
    assert minus_signs(explained["sentence"]) in page
    for step in explained["steps"]:
        assert minus_signs(step["line"]) in page


def test_a_bar_on_which_nothing_happened_explains_itself(stack: Stack) -> None:
    with stack.services() as services:
        decision = services.strategy.decisions(outcome="no_signal", limit=1)[0]
    explained = stack.cli("explain", str(decision.decision_id))
    assert explained.returncode == 0, explained.stderr
    assert decision.symbol in explained.stdout


CHAIN = (
    "strategy.signal_generated",
    "risk.order_approved",
    "execution.order_submitted",
    "execution.order_filled",
)


def test_one_correlation_id_runs_from_the_signal_to_the_fill(stack: Stack) -> None:
    with stack.services() as services:
        order = services.execution.orders(limit=500)[-1]
    identifier = str(order.correlation_id)
    found = stack.json("events", "list", "--correlation-id", identifier)
    assert {*CHAIN} <= {each["topic"] for each in found}
    with stack.engine().connect() as connection:
        for table in (
            "strategy_engine.decisions",
            "strategy_engine.strategy_signals",
            "risk_management.risk_outcomes",
            "execution.orders",
        ):
            number = scalar(
                connection,
                f"select count(*) from {table} where correlation_id = :id",
                id=identifier,
            )
            assert number >= 1, table


def test_services_time_what_they_handle(stack: Stack) -> None:
    with stack.engine().connect() as connection:
        found = rows(
            connection,
            "select distinct service, operation from logging.performance_logs"
            " where execution_time_ms >= 0",
        )
    assert {
        ("strategy", "handle ingestion.bars_ingested"),
        ("risk", "handle strategy.signal_generated"),
        ("execution", "handle risk.order_approved"),
    } <= {(each.service, each.operation) for each in found}


def test_every_change_of_an_order_is_in_the_audit_log(stack: Stack) -> None:
    with stack.engine().connect() as connection:
        audited = dict(
            (table, number)
            for table, number in rows(
                connection,
                "select table_name, count(*) from shared.audit_log group by 1",
            )
        )
        orders = scalar(connection, "select count(*) from execution.orders")
        trades = scalar(connection, "select count(*) from execution.trades")
    assert audited["execution.orders"] >= orders
    assert audited["execution.trades"] == trades
    assert audited["risk_management.trading_state"] >= 1


def test_books_are_found_right_by_the_doctor(stack: Stack) -> None:
    done = stack.cli("doctor", "--books")
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("a decision for every strategy, symbol and bar", "cash", "equity"):
        assert f"{line}\tpass" in done.stdout


def test_a_backtest_of_the_stored_bars_trades_what_the_stack_traded(
    stack: Stack,
) -> None:
    done = stack.cli("parity")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal to the cent" in done.stdout
    assert "84 x decision" in done.stdout and " x fill" in done.stdout


def test_a_day_that_is_run_again_shows_no_gap_and_is_kept(stack: Stack) -> None:
    made = stack.json("shadow-replay", "--day", "2015-04-10")
    assert made["differences"] == [] and made["by_cause"] == {}
    assert made["compared"] > 28
    (kept,) = stack.json("shadow-replay", "--stored")
    assert (kept["day"], Decimal(kept["gap"])) == ("2015-04-10", 0)
    assert Decimal(kept["actual_equity"]) == Decimal(kept["replay_equity"])


def test_books_that_do_not_hold_are_named_by_the_doctor(stack: Stack) -> None:
    with stack.engine().begin() as connection:
        (held,) = rows(
            connection,
            "select symbol, quantity from execution.positions"
            " where quantity <> 0 order by symbol limit 1",
        )
    book = "update execution.positions set quantity = :quantity where symbol = :symbol"
    try:
        with stack.engine().begin() as connection:
            connection.execute(
                text(book), {"quantity": held.quantity + 1, "symbol": held.symbol}
            )
        done = stack.cli("doctor", "--books")
    finally:
        with stack.engine().begin() as connection:
            connection.execute(
                text(book), {"quantity": held.quantity, "symbol": held.symbol}
            )
    assert done.returncode == 9, done.stdout
    failed = [line for line in done.stdout.splitlines() if "\tfail\t" in line]
    assert [line.split("\t")[0] for line in failed] == [
        "positions are what the ledger adds up to",
        "the strategies' parts add up to the positions",
        "positions",
    ]
    assert f"{held.symbol} {(held.quantity + 1).normalize():f} here" in failed[-1]


def test_status_shows_every_process_and_down_leaves_none(stack: Stack) -> None:
    run, status = stack.run, stack.json("status")
    names = {component["name"] for component in status["components"]}
    assert {"postgres", "valkey", "prefect", "exchange", "gateway", "flows"} <= names
    assert all(component["state"] == "ready" for component in status["components"])
    assert {*map(str, ServiceName)} <= names
    # The last test here: nothing of the stack is needed any more.
    assert names <= set(left_of(run))
    done = stack.cli("down")
    assert done.returncode == 0, done.stderr
    assert not left_of(run)
    assert stack.cli("status").returncode == 4
