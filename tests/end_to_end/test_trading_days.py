"""Trading days through the whole stack, in lockstep, judged from the exchange's books."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from judge import judge, rows, scalar
from stack import Stack, running_stack

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
    assert account.equity == equity
    assert Decimal(str(said["equity"])) == equity
    exchange = Decimal(stack.broker("/v2/account")["equity"])
    assert round(equity, 2) == round(exchange, 2)


def test_an_order_explains_itself_from_the_bar_to_the_profit(stack: Stack) -> None:
    with stack.services() as services:
        order = services.execution.orders(limit=500)[-1]
    explained = stack.cli("explain", str(order.order_id))
    assert explained.returncode == 0, explained.stderr
    for word in (order.symbol, "momentum"):
        assert word in explained.stdout


def test_a_bar_on_which_nothing_happened_explains_itself(stack: Stack) -> None:
    with stack.services() as services:
        decision = services.strategy.decisions(outcome="no_signal", limit=1)[0]
    explained = stack.cli("explain", str(decision.decision_id))
    assert explained.returncode == 0, explained.stderr
    assert decision.symbol in explained.stdout


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


def test_status_shows_every_process_and_down_leaves_none(stack: Stack) -> None:
    status = stack.json("status")
    names = {component["name"] for component in status["components"]}
    assert {"postgres", "valkey", "prefect", "exchange", "gateway", "flows"} <= names
    assert all(component["state"] == "ready" for component in status["components"])
