"""The service as a process against the paper exchange, killed at every crash point."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from execution_stack import Stack, running_stack

from trading_system.vocabulary import Side

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

CRASHES = {
    "around the call": ("after_claim:1", "before_call:2", "after_call:1"),
    "around the books": ("after_record:1", "before_booked:1", "after_booked:1"),
}
SWEEP = (
    ("before_told:1", "before_told:2", "before_marked:1", "before_reconciled:1"),
    ("after_call:3", "after_record:2", "before_booked:2", "after_claim:2"),
    # Killed again and again while it recovers.
    ("after_call:2", "after_lookup:1", "after_lookup:2", "before_reconciled:1"),
    ("after_claim:1", "before_reconciled:1", "after_lookup:1", "after_call:1"),
)
"""Where the process kills itself: at its n-th passing of a point, start after start."""


SYMBOLS = ("AAPL", "MSFT", "NVDA", "JPM", "XOM")


@pytest.fixture(scope="module")
def stack(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack of this module's own."""
    directory = tmp_path_factory.mktemp("stack")
    with running_stack(database_url, redis_url, directory) as stack:
        yield stack


def test_a_session_ends_with_books_that_equal_the_tape(stack: Stack) -> None:
    stack.rest()
    for symbol in SYMBOLS:
        stack.approve(symbol, Side.BUY, 20)
    far = {"order_type": "limit", "limit_price": Decimal(1), "time_in_force": "gtc"}
    resting = stack.approve("SPY", Side.BUY, 3, **far)
    for_the_day = stack.approve("SPY", Side.BUY, 4, **{**far, "time_in_force": "day"})
    stack.rest()
    stack.assert_books_equal_the_tape()
    stack.advance(stack.now + timedelta(hours=1))
    stack.approve("AAPL", Side.SELL, 20)
    stack.approve("MSFT", Side.SELL, 5)
    canceled = stack.service.request("POST", f"/orders/{resting.order_id}/cancel")
    assert canceled.json()["status"] == "CANCELED"
    stack.rest()
    stack.advance(datetime.fromisoformat(stack.read("/v2/clock")["next_close"]))
    stack.rest()
    # Asked for at the close, it waits at the broker for the next open.
    overnight = stack.approve("XOM", Side.SELL, 20)
    stack.rest()
    assert stack.order(overnight)["status"] == "ACCEPTED"
    assert stack.order(for_the_day)["status"] in ("EXPIRED", "CANCELED")
    with stack.database.read_only() as tx:
        snapshot = tx.snapshots.latest(tx.account_id)
    assert snapshot is not None and snapshot.session_closed
    assert snapshot.equity == Decimal(stack.read("/v2/account")["equity"])
    stack.advance(datetime.fromisoformat(stack.read("/v2/clock")["next_open"]))
    stack.rest()
    assert stack.order(overnight)["status"] == "FILLED"
    answer = stack.service.request("POST", "/reconcile").json()
    assert (answer["clean"], answer["differences"]) == (True, [])
    stack.assert_books_equal_the_tape()


@pytest.mark.parametrize("crashes", CRASHES.values(), ids=CRASHES)
def test_a_process_killed_at_a_crash_point_loses_and_doubles_nothing(
    stack: Stack, crashes: tuple[str, ...]
) -> None:
    work_through(stack, crashes)


@pytest.mark.long
@pytest.mark.parametrize("crashes", SWEEP, ids=", ".join)
def test_a_process_killed_anywhere_loses_and_doubles_nothing(
    stack: Stack, crashes: tuple[str, ...]
) -> None:
    work_through(stack, crashes)


def work_through(stack: Stack, crashes: tuple[str, ...]) -> None:
    """Trade, with a process that dies at each point in turn, until none is left."""
    stack.rest()
    stack.service.kill()
    stack.service.crashes = [*crashes, ""]
    stack.service.start()
    rounds = 0
    while stack.service.crashes:
        for place, symbol in enumerate(SYMBOLS[:4]):
            stack.approve(symbol, Side.BUY, 2 + place)
        stack.rest()
        stack.advance(stack.now + timedelta(minutes=10))
        stack.approve("MSFT", Side.SELL, 1)
        stack.rest()
        stack.assert_books_equal_the_tape()
        rounds += 1
        assert rounds <= len(crashes), f"not passed: {stack.service.crashes}"


def test_a_flatten_closes_every_position(stack: Stack) -> None:
    stack.rest()
    answer = stack.service.request("POST", "/flatten", json={"reason": "a drill"})
    assert answer.json()["status"] == "requested"
    stack.rest()
    stack.advance(stack.now + timedelta(minutes=5))
    stack.rest()
    assert stack.read("/v2/positions") == []
    stack.assert_books_equal_the_tape()
