"""An order is replaced once, whatever dies and whatever the broker answers."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from trading_execution.operations import orders
from trading_system.contracts.risk import OrderApproved

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.integration

LIMIT: dict[str, Any] = {"order_type": "limit", "limit_price": Decimal(9)}


def rested(bench: "Bench") -> OrderApproved:
    """Return a limit order that rests at the broker."""
    approved = bench.approve(**LIMIT)
    bench.submit()
    assert bench.status(approved) == "ACCEPTED"
    return approved


def replacement(bench: "Bench", old: OrderApproved, price: int = 8) -> OrderApproved:
    """Approve an order at another price in the place of one."""
    changed = {**LIMIT, "limit_price": Decimal(price)}
    return bench.approve(replaces=old.order_id, **changed)


def test_a_replacement_ends_the_old_order_and_keeps_the_chain(bench: "Bench") -> None:
    old = rested(bench)
    new = replacement(bench, old)
    bench.submit()
    assert bench.settle() == (1, 1)
    assert (bench.status(old), bench.status(new)) == ("CANCELED", "ACCEPTED")
    newest = replacement(bench, new, 7)
    bench.submit()
    bench.settle()
    chain = [bench.order(each) for each in (old, new, newest)]
    assert [each.replaces_order_id for each in chain] == [
        None,
        old.order_id,
        new.order_id,
    ]
    assert [each.parent_order_id for each in chain[1:]] == [old.order_id] * 2
    bench.broker.fill(bench.client_id(newest), "10", "7")
    bench.catch_up()
    assert bench.status(newest) == "FILLED"
    bench.assert_books_agree()


def test_a_replacement_whose_answer_was_lost_is_found_and_not_repeated(
    bench: "Bench",
) -> None:
    old = rested(bench)
    new = replacement(bench, old)
    bench.broker.script = ["accept and lose the answer"]
    bench.submit()
    assert (bench.status(old), bench.status(new)) == ("ACCEPTED", "UNKNOWN")
    bench.resolve()
    bench.settle()
    assert (bench.status(old), bench.status(new)) == ("CANCELED", "ACCEPTED")
    assert len(bench.broker.calls) == 2
    assert bench.order(new).broker_order_id != bench.order(old).broker_order_id


def test_a_replacement_that_never_arrived_is_sent_again_under_the_same_id(
    bench: "Bench",
) -> None:
    old = rested(bench)
    new = replacement(bench, old)
    bench.broker.script = ["lose"]
    bench.submit()
    bench.resolve()
    assert bench.status(new) == "READY"
    bench.submit()
    assert bench.status(new) == "ACCEPTED"
    assert len(set(bench.broker.calls)) == 2
    assert bench.broker.replaced == [bench.order(old).broker_order_id] * 2


def test_a_hidden_replacement_that_is_sent_again_is_still_one_order(
    bench: "Bench",
) -> None:
    old = rested(bench)
    new = replacement(bench, old)
    bench.broker.hidden.add(bench.client_id(new))
    bench.broker.script = ["accept and lose the answer"]
    bench.submit()
    bench.resolve()
    bench.submit()
    assert bench.status(new) == "UNKNOWN"
    bench.broker.hidden.clear()
    bench.resolve()
    bench.settle()
    assert (bench.status(old), bench.status(new)) == ("CANCELED", "ACCEPTED")
    assert len(bench.broker.orders) == 2


def test_a_refused_replacement_leaves_the_old_order_as_it_was(bench: "Bench") -> None:
    old = rested(bench)
    new = replacement(bench, old)
    bench.broker.script = ["refuse"]
    bench.submit()
    assert bench.settle() == (0, 0)
    assert (bench.status(old), bench.status(new)) == ("ACCEPTED", "REJECTED")


@pytest.mark.parametrize("filled", ["4", "10"])
def test_an_order_that_was_filled_meanwhile_is_not_replaced(
    bench: "Bench", filled: str
) -> None:
    old = rested(bench)
    new = replacement(bench, old)
    bench.broker.fill(bench.client_id(old), filled, "9")
    bench.catch_up()
    bench.submit()
    assert bench.status(new) == "NOT_SENT"
    assert len(bench.broker.calls) == 1
    bench.assert_books_agree()


def test_a_replacement_in_doubt_is_not_sent_again_once_its_order_has_ended(
    bench: "Bench",
) -> None:
    old = rested(bench)
    new = replacement(bench, old)
    bench.broker.script = ["lose"]
    bench.submit()
    bench.tell(bench.broker.fill(bench.client_id(old), "10", "9"))
    assert bench.status(old) == "FILLED"
    bench.wait(hours=2)
    assert bench.status(new) == "UNKNOWN"
    bench.resolve()
    assert bench.status(new) == "EXPIRED"
    bench.assert_books_agree()


def test_canceling_both_while_a_replacement_is_in_doubt_cancels_what_is_found(
    bench: "Bench",
) -> None:
    old = rested(bench)
    new = replacement(bench, old)
    bench.broker.script = ["accept and lose the answer"]
    bench.submit()
    with bench.database.transaction() as tx:
        orders.cancel_open(tx, bench.account_id, "enough", bench.broker.now)
    bench.resolve()
    bench.settle()
    bench.cancel()
    assert {bench.status(old), bench.status(new)} == {"CANCELED"}


def test_a_halt_between_claim_and_call_withholds_a_replacement(bench: "Bench") -> None:
    old = rested(bench)
    new = replacement(bench, old)
    bench.set_state("REDUCING")
    bench.submit()
    assert (bench.status(old), bench.status(new)) == ("ACCEPTED", "READY")
    assert len(bench.broker.calls) == 1


def test_the_terms_of_an_order_never_change(bench: "Bench") -> None:
    old = rested(bench)
    with pytest.raises(Exception, match="the terms of order"):
        bench.sql(
            "update execution.orders set replaces_order_id = order_id"
            " where order_id = :order",
            order=old.order_id,
        )
