"""Our books against the broker's: every row of the table, and no trade to fix one."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from trading_execution.domain.order_status import OrderStatus
from trading_execution.operations import opening
from trading_execution.ports import BrokerOrder, BrokerPosition
from trading_system.errors import Misconfigured
from trading_system.vocabulary import new_id

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.integration


def at_broker(bench: "Bench", client_order_id: str) -> None:
    bench.broker.orders[client_order_id] = BrokerOrder(
        str(new_id()),
        client_order_id,
        "TSLA",
        "buy",
        OrderStatus.ACCEPTED,
        "new",
        Decimal(2),
        Decimal(0),
        None,
    )


def holds(bench: "Bench") -> set[tuple[str, str]]:
    with bench.database.read_only() as tx:
        found = tx.reconciliations.holds(bench.account_id)
        return {(hold.symbol, hold.kind) for hold in found}


def test_books_that_agree_are_clean_and_let_entries_through(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    bench.tell(bench.broker.fill(bench.client_id(approved), "10", "9.5"))
    result = bench.reconcile()
    assert (result.clean, result.differences) == (True, [])
    assert bench.desk.trust.covers_entries
    said = bench.events("reconciliation_completed")[-1]
    assert (said["clean"], said["differences"]) == (True, 0)


def test_an_order_that_the_broker_ended_unheard_is_taken_over(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    bench.broker.fill(bench.client_id(approved), "4", "9.5")
    bench.broker.end(bench.client_id(approved), OrderStatus.EXPIRED)
    bench.age(approved)
    result = bench.reconcile()
    assert [d.kind for d in result.differences] == ["missed_update"]
    order = bench.order(approved)
    assert (order.status, order.filled_quantity) == ("EXPIRED", 4)
    bench.assert_books_agree()
    assert bench.reconcile().clean


def test_a_broker_that_does_not_answer_concludes_nothing(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    bench.tell(bench.broker.fill(bench.client_id(approved), "10", "9.5"))
    bench.broker.away = True
    result = bench.reconcile()
    assert (result.complete, result.clean, result.differences) == (False, False, [])
    assert holds(bench) == set()
    assert bench.positions() == {"AAPL": 10}


def test_an_order_under_our_pattern_without_a_row_stops_the_account(
    bench: "Bench",
) -> None:
    foreign = "ts1s-" + "a" * 26
    at_broker(bench, foreign)
    result = bench.reconcile()
    assert [d.kind for d in result.differences] == ["unknown_order_of_ours"]
    assert bench.broker.orders[foreign].status is OrderStatus.CANCELED
    assert holds(bench) == {("*", "unknown_order_of_ours")}
    approved = bench.approve("MSFT")
    bench.submit()
    assert bench.status(approved) == "READY"


def test_an_order_of_somebody_else_is_shown_and_left_alone(bench: "Bench") -> None:
    at_broker(bench, "by-hand")
    result = bench.reconcile()
    assert [d.kind for d in result.differences] == ["external_order"]
    assert result.clean
    assert bench.broker.orders["by-hand"].status is OrderStatus.ACCEPTED


def test_an_order_that_the_broker_does_not_list_is_never_called_canceled(
    bench: "Bench",
) -> None:
    approved = bench.approve()
    bench.submit()
    del bench.broker.orders[bench.client_id(approved)]
    result = bench.reconcile()
    assert [d.kind for d in result.differences] == ["order_missing_at_broker"]
    assert bench.status(approved) == "ACCEPTED"
    assert not result.clean


def test_shares_that_differ_stop_the_symbol_until_they_agree_again(
    bench: "Bench",
) -> None:
    bench.broker.foreign_shares["NVDA"] = Decimal(3)
    calls = len(bench.broker.calls)
    result = bench.reconcile()
    [difference] = result.differences
    assert (difference.kind, difference.ours, difference.broker) == (
        "position",
        "0",
        "3",
    )
    assert holds(bench) == {("NVDA", "position_differs")}
    assert len(bench.broker.calls) == calls
    held, free = bench.approve("NVDA"), bench.approve("MSFT")
    bench.desk.trust.compared(bench.desk.trust.began, clean=True)
    bench.submit()
    assert (bench.status(held), bench.status(free)) == ("READY", "ACCEPTED")
    bench.broker.foreign_shares.clear()
    assert bench.reconcile().clean
    assert holds(bench) == set()


def test_many_symbols_that_differ_stop_the_account(bench: "Bench") -> None:
    bench.broker.foreign_shares |= {s: Decimal(1) for s in ("AAPL", "MSFT", "NVDA")}
    bench.reconcile()
    assert ("*", "position_differs") in holds(bench)


@pytest.mark.parametrize(
    ("error", "severity", "held"),
    [
        ("0.5", "info", set()),
        ("50", "warning", set()),
        ("900", "critical", {("*", "cash_differs")}),
    ],
)
def test_cash_that_differs_is_shown_warned_of_or_stops_the_account(
    bench: "Bench", error: str, severity: str, held: set[Any]
) -> None:
    bench.broker.cash_error = Decimal(error)
    result = bench.reconcile()
    assert [(d.kind, d.severity) for d in result.differences] == [("cash", severity)]
    assert holds(bench) == held
    assert result.clean == (severity == "info")


def test_without_a_recent_clean_comparison_only_exits_leave(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading_execution.operations.desk.TRUST", -1.0)
    entry = bench.approve("AAPL")
    leaving = bench.approve("MSFT", reduces=True)
    bench.submit()
    assert (bench.status(entry), bench.status(leaving)) == ("READY", "ACCEPTED")


def test_the_books_open_with_what_the_account_holds(cold_bench: "Bench") -> None:
    bench = cold_bench
    bench.broker.executions.append(_earlier(bench))
    bench.broker.prices["IBM"] = Decimal(12)
    assert bench.desk.in_charge()
    assert opening.open_books(bench.desk)
    assert not opening.open_books(bench.desk)
    # What was executed before, at the very same market time, is in the opening.
    assert bench.catch_up() == 0
    assert bench.positions() == {"IBM": 5}
    assert bench.reconcile().clean


def test_another_account_is_refused(cold_bench: "Bench") -> None:
    cold_bench.broker.account_id = "somebody-else"
    cold_bench.desk.in_charge()
    with pytest.raises(Misconfigured, match="belongs to account"):
        opening.open_books(cold_bench.desk)


def test_a_doubt_that_arises_during_a_comparison_outlives_it(bench: "Bench") -> None:
    began = bench.desk.trust.began
    bench.desk.trust.doubt("the stream has just connected")
    bench.desk.trust.compared(began, clean=True)
    assert bench.desk.trust.doubted


def _earlier(bench: "Bench") -> Any:
    from trading_execution.ports import BrokerFill

    return BrokerFill(
        "before-us",
        "IBM",
        "buy",
        Decimal(5),
        Decimal(10),
        Decimal(5),
        bench.broker.now,
        "activities",
    )


def test_an_execution_of_a_held_position_is_still_booked(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    bench.broker.foreign_shares["AAPL"] = Decimal(1)
    bench.reconcile()
    bench.broker.now += timedelta(minutes=1)
    bench.tell(bench.broker.fill(bench.client_id(approved), "10", "9.5"))
    assert bench.status(approved) == "FILLED"
    assert BrokerPosition("AAPL", Decimal(11), Decimal(10), None) in (
        bench.broker.positions()
    )
