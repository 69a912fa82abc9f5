"""Combos at the exchange, with a process that dies between the legs."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from execution_stack import Stack, running_stack

from trading_system.contracts.risk import ComboLeg, OrderApproved
from trading_system.vocabulary import Side, identity, new_id, order_id

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

PLACED = ("after_record:1",)
UNWOUND = ("after_record:1", "after_combo:1")
"""Between the calls of two legs, and between those that take one back."""

PLACED_SWEEP = ("after_claim:1", "after_call:1", "before_call:2", "after_call:2")
UNWOUND_SWEEP = ("after_claim:1", "after_call:1", "after_combo:2", "after_record:3")


@pytest.fixture(scope="module")
def stack(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack of this module's own."""
    directory = tmp_path_factory.mktemp("stack")
    with running_stack(database_url, redis_url, directory) as stack:
        stack.rest()
        yield stack


def approve(stack: Stack, *legs: tuple[str, int], **more: Any) -> list[OrderApproved]:
    """Approve purchases as one intent, all told together as risk does."""
    combo = new_id()
    places = [
        ComboLeg(combo_id=combo, leg=number, legs=len(legs))
        for number in range(1, len(legs) + 1)
    ]
    return stack.approve_together(
        [
            {
                "symbol": symbol,
                "side": Side.BUY,
                "quantity": Decimal(shares),
                "signal_id": (signal := identity("leg", combo, place.leg)),
                "order_id": order_id(signal),
                "combo": place,
            }
            for (symbol, shares), place in zip(legs, places, strict=True)
        ],
        **more,
    )


def combo(stack: Stack, legs: list[OrderApproved]) -> dict[str, Any]:
    """Return the combo as the service shows it."""
    assert legs[0].combo is not None
    answer = stack.service.request("GET", f"/combos/{legs[0].combo.combo_id}")
    found: dict[str, Any] = answer.json()
    return found


def held(stack: Stack) -> dict[str, Decimal]:
    return {p["symbol"]: Decimal(p["qty"]) for p in stack.read("/v2/positions")}


@pytest.mark.parametrize(
    ("crashes", "second", "end"),
    [
        pytest.param(PLACED, "MSFT", "PLACED", id="placed"),
        pytest.param(UNWOUND, "ZZZZ", "UNWOUND", id="unwound"),
        pytest.param(
            PLACED_SWEEP, "MSFT", "PLACED", marks=pytest.mark.soak, id="placed anywhere"
        ),
        pytest.param(
            UNWOUND_SWEEP,
            "ZZZZ",
            "UNWOUND",
            marks=pytest.mark.soak,
            id="unwound anywhere",
        ),
    ],
)
def test_a_process_killed_between_the_legs_completes_or_unwinds(
    stack: Stack, crashes: tuple[str, ...], second: str, end: str
) -> None:
    stack.service.kill()
    stack.service.crashes = [*crashes, ""]
    stack.service.start()
    rounds = 0
    while stack.service.crashes:
        before = held(stack)
        # There is no such symbol at the exchange, so that this leg is refused.
        legs = approve(stack, ("AAPL", 2), (second, 3))
        stack.rest()
        shown = combo(stack, legs)
        assert shown["status"] == end, shown
        if end == "UNWOUND":
            assert held(stack) == before
        stack.assert_books_equal_the_tape()
        rounds += 1
        assert rounds <= len(crashes) + 1, f"not passed: {stack.service.crashes}"


def test_a_second_leg_whose_answer_is_lost_is_found_and_the_combo_is_placed(
    stack: Stack,
) -> None:
    stack.rest()
    legs = approve(stack, ("KO", 2), ("JPM", 3), hold_back=True)
    stack.control(
        "faults",
        kind="504_after_accepting",
        method="POST",
        client_order_id=stack.client_id(legs[1]),
        count=1,
    )
    stack.tell(legs)
    stack.rest()
    shown = combo(stack, legs)
    assert shown["status"] == "PLACED"
    assert [o["status"] for o in shown["orders"]] == ["FILLED", "FILLED"]
    [attempts] = stack.sql(
        "select count(*) from execution.submit_attempts where order_id = :order",
        order=legs[1].order_id,
    )
    assert attempts[0] == 1
    stack.assert_books_equal_the_tape()


def test_a_halt_between_the_legs_has_the_first_taken_back(stack: Stack) -> None:
    stack.rest()
    before = held(stack)
    legs = approve(stack, ("NVDA", 2), ("XOM", 3), hold_back=True)
    # The first leg's answer takes a while; trading is halted meanwhile.
    stack.control(
        "faults",
        kind="504_after_accepting",
        method="POST",
        client_order_id=stack.client_id(legs[0]),
        count=1,
    )
    stack.tell(legs)
    stack.wait_for(
        "select 1 from execution.orders where order_id = :order and status = 'UNKNOWN'",
        order=legs[0].order_id,
    )
    stack.sql("update risk_management.trading_state set state = 'REDUCING', level = 1")
    stack.rest()
    shown = combo(stack, legs)
    assert shown["status"] == "UNWOUND"
    assert "trading is REDUCING" in shown["reason"]
    assert held(stack) == before
    stack.sql("update risk_management.trading_state set state = 'ACTIVE', level = 0")
    stack.assert_books_equal_the_tape()
