"""Several orders that are one intent: all are placed, or what was placed goes back."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from trading_execution.models import Combo, Order
from trading_execution.operations import combos, flatten
from trading_system.contracts.risk import OrderApproved
from trading_system.vocabulary import Side, new_id

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.integration

PAIR = ("KO", Side.BUY, "10"), ("PEP", Side.BUY, "5")


def combo_of(bench: "Bench", legs: list[OrderApproved]) -> Combo:
    assert legs[0].combo is not None
    with bench.database.read_only() as tx:
        return tx.combos.get(legs[0].combo.combo_id)


def taken_back(bench: "Bench", legs: list[OrderApproved]) -> list[Order]:
    """Return the orders that take legs back, as they were written."""
    assert legs[0].combo is not None
    with bench.database.read_only() as tx:
        rows = tx.combos.orders(legs[0].combo.combo_id)
    return sorted((r for r in rows if r.tag == "unwind"), key=lambda r: r.timestamp)


def filled(bench: "Bench", client_order_id: str, quantity: str) -> None:
    bench.tell(bench.broker.fill(client_order_id, quantity, "50"))


def test_the_legs_leave_one_after_the_other_and_are_placed(bench: "Bench") -> None:
    legs = bench.approve_combo(*PAIR)
    bench.advance()
    assert [bench.status(leg) for leg in legs] == ["ACCEPTED", "ACCEPTED"]
    assert bench.broker.calls == [bench.client_id(leg) for leg in legs]
    assert combo_of(bench, legs).status == "PLACED"
    [said] = bench.events("combo_changed")
    assert (said["status"], said["legs"]) == ("PLACED", 2)
    assert not combos.is_due(bench.desk)


def test_the_next_leg_waits_until_the_one_before_is_taken(bench: "Bench") -> None:
    legs = bench.approve_combo(*PAIR)
    bench.broker.script = ["accept and lose the answer"]
    bench.advance()
    assert [bench.status(leg) for leg in legs] == ["UNKNOWN", "READY"]
    bench.resolve()
    bench.advance()
    assert [bench.status(leg) for leg in legs] == ["ACCEPTED", "ACCEPTED"]
    assert combo_of(bench, legs).status == "PLACED"


def test_a_leg_is_not_sent_before_all_are_written(bench: "Bench") -> None:
    legs = bench.approve_combo(*PAIR)
    assert legs[0].combo is not None
    bench.sql(
        "update execution.combos set legs = 3 where combo_id = :combo",
        combo=legs[0].combo.combo_id,
    )
    bench.advance()
    assert [bench.status(leg) for leg in legs] == ["READY", "READY"]
    assert bench.broker.calls == []


def test_a_refused_leg_has_the_others_taken_back_in_reverse(bench: "Bench") -> None:
    legs = bench.approve_combo(*PAIR, ("MDLZ", Side.BUY, "3"))
    bench.broker.script = ["accept", "accept", "refuse"]
    bench.submit()
    for leg, quantity in zip(legs[:2], ("10", "5"), strict=True):
        filled(bench, bench.client_id(leg), quantity)
    assert bench.positions() == {"KO": 10, "PEP": 5}
    bench.advance()
    assert combo_of(bench, legs).status == "UNWINDING"
    back = taken_back(bench, legs)
    assert [(row.symbol, row.side, row.quantity) for row in back] == [
        ("PEP", "sell", 5),
        ("KO", "sell", 10),
    ]
    for row in back:
        filled(bench, row.client_order_id, str(row.quantity))
    bench.advance()
    combo = combo_of(bench, legs)
    assert combo.status == "UNWOUND"
    assert "leg 3 is REJECTED" in combo.reason
    assert combo.finished_at is not None
    assert bench.positions() == {}
    bench.assert_books_agree()
    said = [event["status"] for event in bench.events("combo_changed")]
    assert said == ["UNWINDING", "UNWOUND"]
    bench.advance()
    assert len(taken_back(bench, legs)) == 2


def test_what_is_not_filled_is_canceled_and_what_is_goes_back(bench: "Bench") -> None:
    limit: dict[str, Any] = {"order_type": "limit", "limit_price": Decimal(9)}
    legs = bench.approve_combo(*PAIR, **limit)
    bench.broker.script = ["accept", "refuse"]
    bench.submit()
    filled(bench, bench.client_id(legs[0]), "4")
    bench.advance()
    assert taken_back(bench, legs) == []
    bench.cancel()
    bench.advance()
    [back] = taken_back(bench, legs)
    assert (bench.status(legs[0]), back.quantity, back.side) == ("CANCELED", 4, "sell")
    filled(bench, back.client_order_id, "4")
    bench.advance()
    assert combo_of(bench, legs).status == "UNWOUND"
    bench.assert_books_agree()


def test_a_first_leg_that_is_refused_leaves_nothing_to_take_back(
    bench: "Bench",
) -> None:
    legs = bench.approve_combo(*PAIR)
    bench.broker.script = ["refuse"]
    bench.advance()
    assert [bench.status(leg) for leg in legs] == ["REJECTED", "NOT_SENT"]
    assert combo_of(bench, legs).status == "UNWOUND"
    assert len(bench.broker.calls) == 1


@pytest.mark.parametrize("what", ["halt", "hold", "late"])
def test_a_leg_that_may_not_leave_any_more_has_the_first_taken_back(
    bench: "Bench", what: str
) -> None:
    legs = bench.approve_combo(*PAIR)

    def stop() -> None:
        bench.broker.before_submit = lambda: None
        if what == "halt":
            bench.set_state("REDUCING")
        elif what == "hold":
            with bench.database.transaction() as tx:
                tx.reconciliations.hold(bench.account_id, "PEP", "position", "test")
        else:
            bench.broker.now += timedelta(hours=3)

    bench.broker.before_submit = stop
    bench.advance()
    filled(bench, bench.client_id(legs[0]), "10")
    bench.advance()
    [back] = taken_back(bench, legs)
    assert bench.status(legs[1]) == "NOT_SENT"
    assert (back.symbol, back.status) == ("KO", "ACCEPTED")
    filled(bench, back.client_order_id, "10")
    bench.advance()
    assert combo_of(bench, legs).status == "UNWOUND"
    bench.assert_books_agree()


def test_an_order_that_takes_a_leg_back_is_tried_again_and_then_given_to_a_person(
    bench: "Bench",
) -> None:
    legs = bench.approve_combo(*PAIR)
    bench.broker.script = ["accept", "refuse", *["refuse"] * 5]
    bench.submit()
    filled(bench, bench.client_id(legs[0]), "10")
    bench.advance()
    back = taken_back(bench, legs)
    assert [row.status for row in back] == ["REJECTED"] * 5
    assert len({row.client_order_id for row in back}) == 5
    combo = combo_of(bench, legs)
    assert combo.status == "FAILED"
    assert "not taken back: 10 KO" in combo.reason
    assert bench.positions() == {"KO": 10}


def test_what_a_flatten_has_closed_is_not_sold_again(bench: "Bench") -> None:
    legs = bench.approve_combo(*PAIR)
    bench.broker.script = ["accept", "refuse"]
    bench.submit()
    filled(bench, bench.client_id(legs[0]), "10")
    bench.set_state("HALTED")
    with bench.database.transaction() as tx:
        flatten.request(
            tx, new_id(), bench.account_id, "enough", "test", bench.broker.now
        )
    bench.advance()
    assert taken_back(bench, legs) == []
    assert flatten.advance(bench.desk) == 1
    bench.submit()
    filled(bench, bench.broker.calls[-1], "10")
    bench.set_state("ACTIVE")
    bench.advance()
    assert combo_of(bench, legs).status == "UNWOUND"
    assert (taken_back(bench, legs), bench.positions()) == ([], {})
    # Bought later for another reason: it is no leg's.
    later = bench.approve("KO")
    bench.advance()
    filled(bench, bench.client_id(later), "10")
    bench.advance()
    assert (taken_back(bench, legs), bench.positions()) == ([], {"KO": 10})


def test_a_leg_that_turns_up_late_is_taken_back_too(bench: "Bench") -> None:
    legs = bench.approve_combo(*PAIR)
    bench.broker.script = ["accept", "accept and lose the answer"]
    bench.submit()
    filled(bench, bench.client_id(legs[0]), "10")
    late = bench.client_id(legs[1])
    bench.broker.hidden.add(late)
    bench.sql(
        "update execution.orders set cancel_requested_at = now(),"
        " cancel_reason = 'test' where order_id = :order",
        order=legs[1].order_id,
    )
    bench.wait(hours=2)
    bench.resolve()
    assert bench.status(legs[1]) == "EXPIRED"
    bench.advance()
    [back] = taken_back(bench, legs)
    filled(bench, back.client_order_id, "10")
    bench.advance()
    assert combo_of(bench, legs).status == "UNWOUND"
    # It was there all the time, and was filled.
    bench.broker.hidden.clear()
    bench.broker.fill(late, "5", "50")
    bench.reconcile()
    assert bench.positions() == {"PEP": 5}
    with bench.database.transaction() as tx:
        tx.reconciliations.release(
            bench.account_id, "PEP", by="test", reason="understood"
        )
    bench.desk.trust.compared(bench.desk.trust.began, clean=True)
    bench.advance()
    [_, again] = taken_back(bench, legs)
    assert (again.symbol, again.quantity) == ("PEP", 5)
    filled(bench, again.client_order_id, "5")
    bench.advance()
    assert (combo_of(bench, legs).status, bench.positions()) == ("UNWOUND", {})
    bench.assert_books_agree()
