"""What the broker itself puts in the place of an order stays the same intent."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from trading_execution.models import Order
from trading_execution.operations import orders
from trading_execution.ports import StreamUpdate
from trading_system.contracts.risk import OrderApproved

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.integration


def rested(bench: "Bench", **changes: Any) -> OrderApproved:
    """Return a limit order that rests at the broker."""
    approved = bench.approve(order_type="limit", limit_price=Decimal(9), **changes)
    bench.submit()
    assert bench.status(approved) == "ACCEPTED"
    return approved


def chain(bench: "Bench", approved: OrderApproved) -> list[Order]:
    """Return the orders of an intent, oldest first."""
    with bench.database.read_only() as tx:
        return tx.orders.by_signal(approved.signal_id)


def test_a_replacement_told_on_the_stream_is_followed(bench: "Bench") -> None:
    old = rested(bench)
    told, new = bench.broker.replace_by_itself(bench.client_id(old), "10", "8")
    bench.tell(told)
    # Its place is taken by what is not known yet: it has not simply ended.
    assert bench.status(old) == "ACCEPTED"
    bench.catch_up()
    bench.settle()
    first, second = chain(bench, old)
    assert (first.status, second.status) == ("CANCELED", "ACCEPTED")
    assert (second.client_order_id, second.limit_price) == (new, 8)
    assert second.replaces_order_id == second.parent_order_id == first.order_id
    bench.tell(bench.broker.fill(new, "10", "8"))
    assert chain(bench, old)[1].status == "FILLED"
    assert bench.reconcile().clean
    bench.assert_books_agree()


def test_a_comparison_finds_a_replacement_that_nobody_told(bench: "Bench") -> None:
    old = rested(bench)
    bench.broker.replace_by_itself(bench.client_id(old), "6", "8")
    result = bench.reconcile()
    assert result.clean
    assert [d.kind for d in result.differences] == ["replaced_at_broker"]
    assert [each.status for each in chain(bench, old)] == ["CANCELED", "ACCEPTED"]
    assert bench.reconcile().differences == []


def test_a_part_that_was_filled_before_is_kept(bench: "Bench") -> None:
    old = rested(bench)
    bench.broker.fill(bench.client_id(old), "4", "9")
    told, new = bench.broker.replace_by_itself(bench.client_id(old), "6", "8")
    bench.tell(told)
    bench.broker.fill(new, "6", "8")
    bench.catch_up()
    bench.settle()
    first, second = chain(bench, old)
    assert (first.status, first.filled_quantity) == ("CANCELED", 4)
    assert (second.status, second.filled_quantity) == ("FILLED", 6)
    bench.assert_books_agree()


def test_an_execution_leads_back_over_the_whole_chain(bench: "Bench") -> None:
    old = rested(bench)
    _, second = bench.broker.replace_by_itself(bench.client_id(old), "10", "8")
    _, third = bench.broker.replace_by_itself(second, "10", "7")
    bench.broker.fill(third, "10", "7")
    # Only the record is read: neither of the replacements was ever told.
    assert bench.catch_up() == 1
    bench.settle()
    statuses = [each.status for each in chain(bench, old)]
    assert statuses == ["CANCELED", "CANCELED", "FILLED"]
    assert {each.strategy for each in chain(bench, old)} == {"momentum_strategy"}
    [(external,)] = bench.sql(
        "select count(*) from execution.orphan_fills where account_id = :account"
    )
    assert external == 0
    bench.assert_books_agree()


def test_what_was_to_be_canceled_is_canceled_under_its_new_name(
    bench: "Bench",
) -> None:
    old = rested(bench)
    with bench.database.transaction() as tx:
        orders.cancel_open(tx, bench.account_id, "enough", bench.broker.now)
    told, new = bench.broker.replace_by_itself(bench.client_id(old), "10", "8")
    bench.tell(told)
    bench.catch_up()
    bench.settle()
    bench.cancel()
    assert [each.status for each in chain(bench, old)] == ["CANCELED", "CANCELED"]


def test_an_order_of_ours_in_its_place_is_not_written_twice(bench: "Bench") -> None:
    old = rested(bench)
    new = bench.approve(
        order_type="limit", limit_price=Decimal(8), replaces=old.order_id
    )
    bench.broker.script = ["accept and lose the answer"]
    bench.submit()
    ended = bench.broker.orders[bench.client_id(old)]
    assert ended.replaced_by is not None
    bench.tell(StreamUpdate("replaced", ended, None))
    bench.catch_up()
    bench.settle()
    assert (bench.status(old), bench.status(new)) == ("CANCELED", "ACCEPTED")
    assert len(chain(bench, old)) == len(chain(bench, new)) == 1


def test_a_replacement_that_cannot_be_read_yet_is_asked_for_again(
    bench: "Bench",
) -> None:
    old = rested(bench)
    told, new = bench.broker.replace_by_itself(bench.client_id(old), "10", "8")
    kept = bench.broker.orders.pop(new)
    bench.tell(told)
    bench.catch_up()
    assert bench.status(old) == "ACCEPTED"
    bench.broker.orders[new] = kept
    bench.settle()
    assert [each.status for each in chain(bench, old)] == ["CANCELED", "ACCEPTED"]
