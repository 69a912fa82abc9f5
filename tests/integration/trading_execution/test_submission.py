"""An order is handed to the broker once, whatever the broker answers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from trading_execution.operations import orders, resolve, submit
from trading_system.errors import Conflict, Unavailable
from trading_system.vocabulary import Side

if TYPE_CHECKING:
    from conftest import Bench

OPEN = datetime(2026, 9, 14, 14, tzinfo=UTC)

pytestmark = pytest.mark.integration


def test_a_ready_order_is_placed_once(bench: "Bench") -> None:
    approved = bench.approve()
    assert bench.submit() == 1
    assert bench.submit() == 0
    order = bench.order(approved)
    assert (order.status, order.attempts) == ("ACCEPTED", 1)
    assert bench.broker.calls == [order.client_order_id]
    assert order.claimed_at and order.submitted_at and order.accepted_at
    assert [e["order_id"] for e in bench.events("order_submitted")] == [
        str(approved.order_id)
    ]
    assert len(bench.events("order_accepted")) == 1


def test_a_repeated_approval_is_the_same_order(bench: "Bench") -> None:
    approved = bench.approve()
    with bench.database.transaction() as tx:
        assert not orders.create(tx, [approved])


def test_a_refusal_of_the_first_attempt_is_final(bench: "Bench") -> None:
    bench.broker.script = ["refuse"]
    approved = bench.approve()
    bench.submit()
    order = bench.order(approved)
    assert (order.status, order.reason) == ("REJECTED", "insufficient buying power")
    [closed] = bench.events("order_closed")
    assert closed["status"] == "rejected"


def test_an_accepted_order_whose_answer_was_lost_is_found_and_not_repeated(
    bench: "Bench",
) -> None:
    bench.broker.script = ["accept and lose the answer"]
    approved = bench.approve()
    bench.submit()
    assert bench.status(approved) == "UNKNOWN"
    assert len(bench.events("order_unresolved")) == 1
    assert bench.resolve() == (1, 1)
    assert bench.status(approved) == "ACCEPTED"
    assert len(bench.broker.calls) == 1


def test_an_order_that_never_arrived_is_sent_again_under_the_same_id(
    bench: "Bench",
) -> None:
    bench.broker.script = ["lose"]
    approved = bench.approve()
    bench.submit()
    bench.resolve()
    assert bench.status(approved) == "READY"
    bench.submit()
    assert bench.status(approved) == "ACCEPTED"
    assert len(set(bench.broker.calls)) == 1
    assert bench.order(approved).attempts == 2


def test_a_hidden_order_that_is_sent_again_is_still_one_order(bench: "Bench") -> None:
    bench.broker.script = ["accept and lose the answer"]
    approved = bench.approve()
    client_id = bench.client_id(approved)
    bench.broker.hidden.add(client_id)
    bench.submit()
    bench.resolve()
    bench.submit()
    assert bench.status(approved) == "UNKNOWN"
    bench.broker.hidden.clear()
    bench.resolve()
    assert bench.status(approved) == "ACCEPTED"
    assert list(bench.broker.orders) == [client_id]


def test_a_refusal_of_a_later_attempt_is_looked_up_first(bench: "Bench") -> None:
    bench.broker.script = ["accept and lose the answer", "refuse"]
    approved = bench.approve()
    bench.broker.hidden.add(bench.client_id(approved))
    bench.submit()
    bench.resolve()
    bench.submit()
    assert bench.status(approved) == "UNKNOWN"
    bench.broker.hidden.clear()
    bench.resolve()
    assert bench.status(approved) == "ACCEPTED"


def test_a_refusal_of_a_later_attempt_holds_when_the_broker_has_nothing(
    bench: "Bench",
) -> None:
    bench.broker.script = ["lose", "refuse"]
    approved = bench.approve()
    bench.submit()
    bench.resolve()
    bench.submit()
    bench.resolve()
    assert bench.status(approved) == "REJECTED"


def test_a_lookup_that_fails_concludes_nothing(bench: "Bench") -> None:
    bench.broker.script = ["lose"]
    approved = bench.approve()
    bench.submit()
    bench.broker.away = True
    with pytest.raises(Unavailable):
        bench.resolve()
    assert (bench.status(approved), bench.order(approved).misses) == ("UNKNOWN", 0)


def test_an_attempted_order_is_never_not_sent(bench: "Bench") -> None:
    bench.broker.script = ["lose"]
    approved = bench.approve()
    bench.submit()
    bench.resolve()
    assert bench.status(approved) == "READY"
    bench.broker.now += timedelta(hours=3)
    bench.submit()
    assert bench.status(approved) == "UNKNOWN"


def test_silence_past_all_patience_expires_the_order_softly(bench: "Bench") -> None:
    bench.broker.script = ["accept and lose the answer"]
    approved = bench.approve()
    bench.broker.hidden.add(bench.client_id(approved))
    bench.submit()
    bench.broker.now += timedelta(hours=3)
    bench.wait(hours=2)
    bench.resolve()
    assert bench.status(approved) == "EXPIRED"
    # It had reached the broker after all: the fill is booked, the symbol stopped.
    bench.broker.hidden.clear()
    bench.broker.fill(bench.client_id(approved), "4", "10")
    result = bench.reconcile()
    assert [d.kind for d in result.differences] == ["order_we_gave_up"]
    order = bench.order(approved)
    assert (order.status, order.filled_quantity) == ("CANCELED", 4)
    bench.assert_books_agree()
    again = bench.approve(order.symbol, valid_until=OPEN + timedelta(hours=5))
    bench.submit()
    assert bench.status(again) == "READY"


def test_a_clock_set_forward_does_not_end_the_patience_for_an_answer(
    bench: "Bench",
) -> None:
    bench.broker.script = ["accept and lose the answer"]
    approved = bench.approve()
    bench.broker.hidden.add(bench.client_id(approved))
    bench.submit()
    bench.broker.now += timedelta(hours=3)
    # All that the machine's clock would say: claimed and asked for long ago.
    bench.sql(
        "update execution.orders set claimed_at = claimed_at - interval '1 day',"
        " last_miss_at = now() - interval '1 day' where account_id = :account"
    )
    bench.resolve()
    bench.resolve()
    assert bench.status(approved) == "UNKNOWN"
    bench.wait(hours=2)
    bench.resolve()
    assert bench.status(approved) == "EXPIRED"


def test_a_clock_set_back_does_not_hide_a_claim_without_an_answer(
    bench: "Bench",
) -> None:
    approved = bench.approve()
    # Claimed, and what became of the call could not be recorded.
    submit.claim(bench.desk)
    assert bench.resolve() == (0, 0)
    bench.sql(
        "update execution.orders set claimed_at = now() + interval '1 hour'"
        " where account_id = :account"
    )
    assert bench.resolve() == (1, 1)
    assert bench.status(approved) == "READY"


def test_patience_begins_anew_with_each_attempt(bench: "Bench") -> None:
    bench.broker.script = ["lose", "lose"]
    approved = bench.approve()
    bench.submit()
    bench.wait(hours=2)
    assert bench.status(approved) == "READY"
    bench.submit()
    bench.broker.now += timedelta(hours=3)
    bench.resolve()
    assert bench.status(approved) == "UNKNOWN"


def test_a_late_order_that_was_never_attempted_is_not_sent(bench: "Bench") -> None:
    approved = bench.approve()
    bench.broker.now += timedelta(hours=3)
    assert bench.submit() == 0
    assert bench.status(approved) == "NOT_SENT"
    assert bench.broker.calls == []
    [closed] = bench.events("order_closed")
    assert closed["status"] == "not_sent"


@pytest.mark.parametrize(
    ("state", "sent"),
    [
        ("ACTIVE", {"entry", "exit", "flatten"}),
        ("REDUCING", {"exit", "flatten"}),
        ("HALTED", {"flatten"}),
    ],
)
def test_the_trading_state_decides_what_leaves(
    bench: "Bench", state: str, sent: set[str]
) -> None:
    written = {
        "entry": bench.approve("AAPL"),
        "exit": bench.approve("MSFT", side=Side.SELL, reduces=True),
        "flatten": bench.approve("NVDA", side=Side.SELL, reduces=True, tag="flatten"),
    }
    bench.set_state(state)
    bench.submit()
    left = {name for name, order in written.items() if bench.status(order) != "READY"}
    assert left == sent


def test_without_a_trading_state_nothing_leaves(bench: "Bench") -> None:
    approved = bench.approve()
    bench.sql("delete from risk_management.trading_state where account_id = :account")
    bench.submit()
    assert bench.status(approved) == "READY"


def test_a_kill_file_stops_what_the_database_would_let_through(bench: "Bench") -> None:
    approved = bench.approve()
    bench.desk.kill_file.touch()
    bench.submit()
    assert bench.status(approved) == "READY"
    bench.desk.kill_file.unlink()
    bench.submit()
    assert bench.status(approved) == "ACCEPTED"


def test_a_halt_between_claim_and_call_withholds_the_rest_of_the_batch(
    bench: "Bench",
) -> None:
    approved = [bench.approve(symbol) for symbol in ("AAPL", "MSFT", "NVDA")]
    bench.broker.before_submit = lambda: bench.set_state("HALTED")
    bench.submit()
    statuses = [bench.status(order) for order in approved]
    assert statuses == ["ACCEPTED", "UNKNOWN", "UNKNOWN"]
    assert len(bench.broker.calls) == 1
    # Past all patience it ends, and says what kept it.
    bench.broker.now += timedelta(hours=3)
    bench.wait(hours=2)
    bench.resolve()
    ended = [bench.order(order) for order in approved[1:]]
    assert [order.status for order in ended] == ["EXPIRED", "EXPIRED"]
    withheld = "never reached the broker: withheld: trading is HALTED"
    assert [order.reason for order in ended] == [withheld] * 2


def test_orders_leave_oldest_first_and_no_more_than_the_rate_limit_lets(
    bench: "Bench",
) -> None:
    approved = [bench.approve() for _ in range(3)]
    bench.broker.room = 2
    bench.desk.trust.doubt("count one batch")
    bench.reconcile()
    submit = import_module("trading_execution.operations.submit")
    claims = submit.claim(bench.desk)
    assert [c.ticket.order_id for c in claims] == [a.order_id for a in approved[:2]]


def test_a_slow_broker_is_handed_so_few_at_a_time_that_none_is_late(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]

    def half_a_second_passes() -> None:
        seconds[0] += 0.5

    submit = import_module("trading_execution.operations.submit")
    monkeypatch.setattr(submit, "monotonic", lambda: seconds[0])
    bench.broker.before_submit = half_a_second_passes
    approved = [bench.approve() for _ in range(14)]
    assert bench.submit() == 14
    assert {bench.status(order) for order in approved} == {"ACCEPTED"}
    assert {bench.order(order).attempts for order in approved} == {1}


def test_nothing_is_claimed_while_the_books_are_in_doubt(bench: "Bench") -> None:
    approved = bench.approve()
    bench.desk.trust.doubt("the stream has just connected")
    assert bench.submit() == 0
    bench.reconcile()
    assert bench.submit() == 1
    assert bench.status(approved) == "ACCEPTED"


def test_an_executor_that_was_taken_over_from_writes_nothing(bench: "Bench") -> None:
    approved = bench.approve()
    with bench.database.transaction() as tx:
        tx.take_over("another")
    with pytest.raises(Conflict, match="took over"):
        bench.submit()
    assert bench.status(approved) == "READY"


def test_a_second_process_waits_for_the_lock(bench: "Bench") -> None:
    lease = import_module("trading_execution.operations.lease").Lease(
        bench.database, "second"
    )
    assert not lease.held()
    bench.desk.lease.release()
    lease._looked_at = 0.0
    assert lease.held()
    assert lease.epoch > bench.desk.epoch
    lease.release()


def test_a_canceled_order_ends_when_the_broker_says_so(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    with bench.database.transaction() as tx:
        orders.request_cancel(tx, approved.order_id, "test", bench.broker.now)
    assert bench.status(approved) == "ACCEPTED"
    assert resolve.cancel_wanted(bench.desk) == (1, 1)
    assert bench.status(approved) == "CANCELED"
    with pytest.raises(Conflict), bench.database.transaction() as tx:
        orders.request_cancel(tx, approved.order_id, "test", bench.broker.now)


def test_a_cancellation_may_lose_against_a_fill(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    with bench.database.transaction() as tx:
        orders.request_cancel(tx, approved.order_id, "test", bench.broker.now)
    bench.broker.fill(bench.client_id(approved), "10", "9.5")
    resolve.cancel_wanted(bench.desk)
    bench.catch_up()
    assert bench.status(approved) == "FILLED"
    bench.assert_books_agree()


def test_canceling_before_it_was_sent_ends_it_at_once(bench: "Bench") -> None:
    approved = bench.approve()
    with bench.database.transaction() as tx:
        orders.request_cancel(tx, approved.order_id, "test", bench.broker.now)
    assert bench.status(approved) == "NOT_SENT"
    assert bench.submit() == 0


def test_every_step_of_an_order_is_kept(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    bench.tell(bench.broker.fill(bench.client_id(approved), "4", "10"))
    bench.tell(bench.broker.fill(bench.client_id(approved), "6", "11"))
    with bench.database.read_only() as tx:
        steps = tx.orders.history(approved.order_id)
        [attempt] = tx.orders.attempts(approved.order_id)
    assert [step.status for step in steps] == [
        "READY",
        "SUBMITTING",
        "ACCEPTED",
        "PARTIALLY_FILLED",
        "FILLED",
    ]
    assert (attempt.outcome, attempt.http_status) == ("accepted", 200)
    order = bench.order(approved)
    assert order.average_fill_price == Decimal("10.6")
    audited = bench.sql(
        "select operation, new_values->>'status' from shared.audit_log"
        " where table_name = 'execution.orders' and new_values->>'order_id' = :order"
        " order by audit_id",
        order=str(approved.order_id),
    )
    assert audited == [("INSERT", "READY"), ("UPDATE", "FILLED")]
