"""A stream that stands and tells nothing: seen, connected again, and caught up with."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from execution_stack import PATIENCE, Stack, running_stack

from trading_system.clock import monotonic, sleep
from trading_system.contracts.risk import OrderApproved
from trading_system.vocabulary import Side

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

FAR = {"order_type": "limit", "limit_price": Decimal(1), "time_in_force": "gtc"}
CONNECTED = "the stream has just connected"


@pytest.fixture(scope="module")
def stack(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack whose execution hears of the broker by the stream alone."""
    directory = tmp_path_factory.mktemp("stack")
    with running_stack(database_url, redis_url, directory, speed="1") as stack:
        # Its first start ends before the books are open.
        assert stack.service.process is not None
        stack.service.process.wait(120)
        stack.service.start()
        stack.wait_for("select 1 from execution.reconciliation_runs where complete")
        until = monotonic() + PATIENCE
        while "streaming" not in stack.service.request("GET", "/health").text:
            assert monotonic() < until, stack.service.log.read_text()[-3000:]
            sleep(0.1)
        yield stack


@pytest.fixture(autouse=True)
def no_faults(stack: Stack) -> Iterator[None]:
    """Leave nothing to the next test."""
    yield
    stack.clear_faults()


def connections(stack: Stack) -> int:
    """Return how many connections have been compared."""
    return int(
        stack.sql(
            "select count(*) from execution.reconciliation_runs"
            " where trigger = :why and complete",
            why=CONNECTED,
        )[0][0]
    )


def wait_for_connection(stack: Stack, after: int) -> None:
    """Wait for a connection, and the comparison that it asks for."""
    stack.wait_for(
        "select 1 from execution.reconciliation_runs where trigger = :why"
        " and complete group by trigger having count(*) > :after",
        why=CONNECTED,
        after=after,
    )


def resting(stack: Stack, symbol: str) -> OrderApproved:
    """Have an order rest at the broker."""
    approved = stack.approve(symbol, Side.BUY, 3, **FAR)
    stack.wait_for(
        "select 1 from execution.orders where order_id = :order"
        " and status = 'ACCEPTED'",
        order=approved.order_id,
    )
    # What was asked of the broker's record for its sake is answered.
    stack.rest()
    return approved


def executed(stack: Stack, approved: OrderApproved) -> None:
    """Have the market come to a resting order."""
    stack.move(approved.symbol, Decimal("0.9"))


def told_of(stack: Stack, approved: OrderApproved) -> list[Any]:
    """Return by which way each execution of an order was first heard of."""
    found = stack.sql(
        "select source from execution.trades where order_id = :order",
        order=approved.order_id,
    )
    return [source for (source,) in found]


def test_what_a_mute_stream_did_not_tell_is_found_and_it_is_connected_again(
    stack: Stack,
) -> None:
    approved, before = resting(stack, "AAPL"), connections(stack)
    # The order has been there for long enough to have been told of.
    stack.sql(
        "update execution.orders set accepted_at = accepted_at - interval '1 min'"
        " where order_id = :order",
        order=approved.order_id,
    )
    stack.control("faults", kind="stream_mute", count=100)
    executed(stack, approved)
    assert stack.service.request("POST", "/reconcile").json()["complete"]
    stack.clear_faults()
    # By that comparison, or by the timetable's, whichever came first.
    [(kind,)] = stack.sql(
        "select kind from execution.reconciliation_differences where order_id = :order",
        order=approved.order_id,
    )
    assert kind == "missed_update"
    assert told_of(stack, approved) == ["activities"]
    wait_for_connection(stack, before)
    stack.assert_books_equal_the_tape()
    # It can be heard again: nothing else looks so soon while it stands.
    later = resting(stack, "MSFT")
    executed(stack, later)
    stack.wait_for(
        "select 1 from execution.trades where order_id = :order", order=later.order_id
    )
    assert told_of(stack, later) == ["stream"]


def test_a_half_open_connection_is_given_up_and_what_it_swallowed_is_booked(
    stack: Stack,
) -> None:
    approved, before = resting(stack, "NVDA"), connections(stack)
    stack.control("faults", kind="stream_half_open", count=1)
    executed(stack, approved)
    # For a look at open orders, or for pings without an answer, whichever came first.
    wait_for_connection(stack, before)
    assert told_of(stack, approved) == ["activities"]
    stack.assert_books_equal_the_tape()
