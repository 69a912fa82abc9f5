"""The broker's answers change overnight: only what needs them stops, and it is told."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from execution_stack import Stack, running_stack

from trading_system.contracts.risk import OrderApproved
from trading_system.vocabulary import Side

pytestmark = [pytest.mark.integration, pytest.mark.chaos]


@pytest.fixture(scope="module")
def stack(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack of this module's own, with a position and an order that rests."""
    directory = tmp_path_factory.mktemp("stack")
    with running_stack(database_url, redis_url, directory) as stack:
        stack.rest()
        stack.approve("KO", Side.BUY, 3)
        stack.rest()
        yield stack


def broken(stack: Stack, method: str = "GET") -> dict[str, Any]:
    path = "/broker-contract" + ("/check" if method == "POST" else "")
    answer = stack.service.request(method, path)
    assert answer.status_code == 200, answer.text
    return {each["endpoint"]: each for each in answer.json() if not each["ok"]}


def resting(stack: Stack) -> OrderApproved:
    far = {"order_type": "limit", "limit_price": Decimal(1)}
    approved = stack.approve("XOM", Side.BUY, 3, **far)
    stack.rest()
    assert stack.order(approved)["status"] == "ACCEPTED"
    return approved


def strike(stack: Stack, kind: str, path: str, field: str) -> dict[str, Any]:
    """Look at the broker's answers while one of them is damaged."""
    stack.control("faults", kind=kind, method="GET", path=path, field=field)
    try:
        found = broken(stack, "POST")
    finally:
        stack.clear_faults()
    # However slow the machine is: it is not looked at again before it is asked to.
    stack.sql(
        "update execution.contract_checks"
        " set checked_at = checked_at + interval '1 hour' where not ok"
    )
    return found


def said(stack: Stack) -> list[dict[str, str]]:
    rows = stack.sql(
        "select payload->'broken' from shared.events"
        " where topic = 'execution.broker_contract_changed' order by seq"
    )
    return [row[0] for row in rows]


def test_at_the_start_every_endpoint_answers_as_it_did(stack: Stack) -> None:
    stack.rest()
    answer = stack.service.request("GET", "/broker-contract").json()
    assert len(answer) == 8
    assert broken(stack) == {}


def test_a_field_that_nobody_reads_is_no_fault(stack: Stack) -> None:
    stack.rest()
    assert strike(stack, "unknown_field", "/v2/positions", "status") == {}


@pytest.mark.parametrize(
    ("kind", "field", "detail"),
    [
        ("missing_field", "qty", "qty is missing"),
        ("retyped_field", "symbol", "symbol is a number, not text"),
    ],
)
def test_positions_that_cannot_be_read_stop_entries_and_comparisons_alone(
    stack: Stack, kind: str, field: str, detail: str
) -> None:
    stack.rest()
    told = len(said(stack))
    rests = resting(stack)
    found = strike(stack, kind, "/v2/positions", field)
    assert {name: each["detail"] for name, each in found.items()} == {
        "positions": detail
    }
    entry = stack.approve("MSFT", Side.BUY, 1)
    leaving = stack.approve("KO", Side.SELL, 1)
    stack.rest()
    assert stack.order(entry)["status"] == "READY"
    assert stack.order(leaving)["status"] == "FILLED"
    canceled = stack.service.request("POST", f"/orders/{rests.order_id}/cancel")
    assert canceled.json()["status"] == "CANCELED"
    compared = stack.service.request("POST", "/reconcile").json()
    assert (compared["complete"], compared["clean"]) == (False, False)
    assert f"positions: {detail}" in compared["summary"]
    assert said(stack)[told:] == [{"positions": detail}]
    # As soon as it is as it was, everything goes on.
    assert broken(stack, "POST") == {}
    stack.rest()
    assert stack.order(entry)["status"] == "FILLED"
    assert stack.service.request("POST", "/reconcile").json()["complete"]
    assert said(stack)[told:] == [{"positions": detail}, {}]
    stack.assert_books_equal_the_tape()
