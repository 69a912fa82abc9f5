"""A replacement that takes its time to the market, and may lose against a fill."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from execution_stack import Stack, running_stack

from trading_system.contracts.risk import OrderApproved
from trading_system.vocabulary import Side

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

ARRIVES = timedelta(seconds=10)


@pytest.fixture(scope="module")
def stack(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack of this module's own, whose orders take their time."""
    directory = tmp_path_factory.mktemp("stack")
    options = ("--fill-model", "realistic")
    with running_stack(database_url, redis_url, directory, *options) as stack:
        stack.rest()
        yield stack


def bid(stack: Stack, price: int, **more: Any) -> OrderApproved:
    approved = stack.approve(
        "KO", Side.BUY, 5, order_type="limit", limit_price=Decimal(price), **more
    )
    stack.rest()
    return approved


def states(stack: Stack, *orders: OrderApproved) -> list[str]:
    stack.rest()
    return [stack.order(each)["status"] for each in orders]


def test_the_books_wait_for_the_brokers_word(stack: Stack) -> None:
    old = bid(stack, 1)
    stack.advance(stack.now + ARRIVES)
    new = bid(stack, 2, replaces=old.order_id)
    # On its way: either may still be the one that trades.
    assert states(stack, old, new) == ["ACCEPTED", "ACCEPTED"]
    stack.advance(stack.now + ARRIVES)
    assert states(stack, old, new) == ["CANCELED", "ACCEPTED"]
    late = bid(stack, 3, replaces=new.order_id)
    stack.control("prices", symbol="KO", print=1.5, size=1_000_000)
    stack.advance(stack.now + ARRIVES)
    assert states(stack, new, late) == ["FILLED", "REJECTED"]
    answer = stack.service.request("POST", "/reconcile").json()
    assert (answer["clean"], answer["differences"]) == (True, [])
    stack.assert_books_equal_the_tape()
