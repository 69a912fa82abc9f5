"""Differences between our books and the broker's, caused at the exchange."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from execution_stack import Stack, running_stack

from trading_system.vocabulary import Side

pytestmark = [pytest.mark.integration, pytest.mark.chaos]


@pytest.fixture(scope="module")
def stack(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack of this module's own."""
    directory = tmp_path_factory.mktemp("stack")
    with running_stack(database_url, redis_url, directory) as stack:
        stack.rest()
        yield stack


def by_hand(stack: Stack, **order: Any) -> dict[str, Any]:
    """Order at the broker's own pages, past this system."""
    answer = httpx.post(
        f"{stack.exchange}/v2/orders",
        headers={"APCA-API-KEY-ID": "paper", "APCA-API-SECRET-KEY": "paper"},
        json={"side": "buy", "type": "market", "time_in_force": "day", **order},
        trust_env=False,
    )
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def compared(stack: Stack) -> dict[str, Any]:
    answer = stack.service.request("POST", "/reconcile")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def kinds(run: dict[str, Any]) -> list[tuple[str, str]]:
    return [(found["kind"], found["action"]) for found in run["differences"]]


def holds(stack: Stack) -> set[tuple[str, str]]:
    found = stack.service.request("GET", "/holds").json()
    return {(hold["symbol"], hold["kind"]) for hold in found}


def test_an_order_by_somebody_else_is_shown_and_left_alone(stack: Stack) -> None:
    order = by_hand(stack, symbol="XOM", qty="2", type="limit", limit_price="1")
    run = compared(stack)
    assert (kinds(run), run["clean"]) == ([("external_order", "shown")], True)
    assert stack.read(f"/v2/orders/{order['id']}")["status"] == "new"
    assert stack.service.request("GET", "/reconciliations/latest").json() == run
    stack.cancel(order["id"])


def test_what_somebody_else_trades_goes_into_a_book_of_its_own(stack: Stack) -> None:
    stack.approve("KO", Side.BUY, 5)
    stack.rest()
    by_hand(stack, symbol="KO", qty="2", side="sell")
    stack.rest()
    run = compared(stack)
    assert (kinds(run), run["clean"]) == ([], True)
    parts = stack.sql(
        "select strategy, quantity from execution.strategy_positions"
        " where symbol = 'KO' order by strategy"
    )
    assert [tuple(row) for row in parts] == [
        ("external", Decimal(-2)),
        ("momentum_strategy", Decimal(5)),
    ]


def test_an_order_under_our_name_that_we_do_not_know_stops_the_account(
    stack: Stack,
) -> None:
    order = by_hand(
        stack,
        symbol="JPM",
        qty="2",
        type="limit",
        limit_price="1",
        client_order_id="ts1s-" + "a" * 26,
    )
    run = compared(stack)
    assert kinds(run) == [("unknown_order_of_ours", "account put on hold")]
    assert stack.read(f"/v2/orders/{order['id']}")["status"] == "canceled"
    assert holds(stack) == {("*", "unknown_order_of_ours")}
    entry = stack.approve("MSFT", Side.BUY, 1)
    stack.rest()
    assert stack.order(entry)["status"] == "READY"
    released = stack.service.request(
        "POST", "/holds/*/release", json={"reason": "another installation's"}
    )
    assert released.json() == []
    assert compared(stack)["clean"]
    stack.rest()
    assert stack.order(entry)["status"] == "FILLED"


def test_a_question_that_is_not_answered_concludes_nothing(stack: Stack) -> None:
    stack.rest()
    stack.control("faults", kind="503", method="GET", path="/v2/positions")
    run = compared(stack)
    stack.clear_faults()
    assert (run["complete"], run["clean"], run["differences"]) == (False, False, [])
    assert holds(stack) == set()
    assert compared(stack)["clean"]


def test_a_split_is_no_difference_and_a_new_name_is_until_a_person_says_so(
    stack: Stack,
) -> None:
    stack.rest()
    stack.approve("JPM", Side.BUY, 4)
    stack.approve("XOM", Side.BUY, 3)
    stack.rest()
    stack.control("prices", symbol="JPM", split=2)
    stack.control("prices", symbol="XOM", rename="XOMX")
    for moment in ("next_close", "next_open"):
        stack.advance_to(moment)
        stack.rest()
    orders = len(stack.read("/v2/orders?status=all&limit=500"))
    run = compared(stack)
    # What the broker has posted as a split is booked; a name is nobody's to guess.
    assert kinds(run) == [("position", "symbol put on hold")] * 2
    assert [(d["symbol"], d["ours"], d["broker"]) for d in run["differences"]] == [
        ("XOM", "3", "0"),
        ("XOMX", "0", "3"),
    ]
    assert holds(stack) == {
        ("XOM", "position_differs"),
        ("XOMX", "position_differs"),
    }
    assert len(stack.read("/v2/orders?status=all&limit=500")) == orders
    [(held,)] = stack.sql(
        "select quantity from execution.positions where symbol = 'JPM'"
    )
    assert held == 8
    for number, (symbol, quantity) in enumerate((("XOM", "-3"), ("XOMX", "3"))):
        answer = stack.service.request(
            "POST",
            "/adjustments",
            json={
                "symbol": symbol,
                "quantity": quantity,
                "price": "100",
                "strategy": "momentum_strategy",
                "reason": "XOM is called XOMX now",
            },
            idempotency_key=f"renamed-{number}",
        )
        assert answer.status_code == 200, answer.text
    run = compared(stack)
    assert (run["differences"], run["clean"]) == ([], True)
    assert holds(stack) == set()
