"""Executions are booked once, from the stream or the record, in any order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import InternalError

from trading_execution.domain.order_status import OrderStatus
from trading_execution.operations import fills, ledger
from trading_execution.ports import BrokerActivity, BrokerFill, BrokerOrder
from trading_system.vocabulary import Side, new_id

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.integration


def test_a_fill_moves_trades_ledger_and_positions_together(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    bench.tell(bench.broker.fill(bench.client_id(approved), "10", "9.5"))
    order = bench.order(approved)
    assert (order.status, order.filled_quantity) == ("FILLED", 10)
    assert bench.positions() == {"AAPL": 10}
    bench.assert_books_agree()
    [filled] = bench.events("order_filled")
    assert (filled["price"], filled["complete"]) == ("9.5", True)
    [moved] = bench.events("position_changed")
    assert (moved["quantity"], moved["average_price"]) == ("10", "9.5")


def test_stream_and_record_book_the_same_execution_once(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    update = bench.broker.fill(bench.client_id(approved), "10", "9.5")
    bench.tell(update, update, update)
    assert bench.catch_up() == 0
    assert bench.catch_up() == 0
    bench.tell(update)
    assert len(bench.events("order_filled")) == 1
    bench.assert_books_agree()


def test_a_gap_on_the_stream_is_filled_from_the_record(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    bench.broker.fill(bench.client_id(approved), "3", "9")
    bench.desk.fills_due.clear()
    bench.tell(bench.broker.fill(bench.client_id(approved), "7", "10"))
    assert bench.desk.fills_due.is_set()
    assert bench.order(approved).filled_quantity == 0
    bench.catch_up()
    order = bench.order(approved)
    assert (order.status, order.average_fill_price) == ("FILLED", Decimal("9.7"))
    bench.assert_books_agree()


def test_a_fill_before_the_answer_of_the_call_is_booked(bench: "Bench") -> None:
    approved = bench.approve()
    client_id = bench.client_id(approved)
    bench.broker.script = ["accept and lose the answer"]
    bench.submit()
    bench.tell(bench.broker.fill(client_id, "10", "9.5"))
    assert bench.status(approved) == "FILLED"
    assert len(bench.events("order_accepted")) == 1
    bench.assert_books_agree()


def test_an_order_in_doubt_is_booked_from_the_record_alone(bench: "Bench") -> None:
    approved = bench.approve()
    bench.broker.script = ["accept and lose the answer"]
    bench.submit()
    bench.broker.fill(bench.client_id(approved), "4", "9.5")
    assert bench.catch_up() == 1
    assert bench.status(approved) == "PARTIALLY_FILLED"
    bench.assert_books_agree()


def test_a_late_fill_of_a_canceled_order_still_counts(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    client_id = bench.client_id(approved)
    bench.tell(bench.broker.end(client_id, OrderStatus.CANCELED))
    bench.tell(bench.broker.fill(client_id, "4", "9.5", late=True))
    order = bench.order(approved)
    assert (order.status, order.filled_quantity) == ("CANCELED", 4)
    bench.assert_books_agree()


def test_the_end_is_noted_only_after_its_executions(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    client_id = bench.client_id(approved)
    bench.broker.fill(client_id, "4", "9.5")
    bench.tell(bench.broker.end(client_id, OrderStatus.CANCELED))
    assert bench.status(approved) == "ACCEPTED"
    bench.catch_up()
    bench.tell(bench.broker.end(client_id, OrderStatus.CANCELED))
    order = bench.order(approved)
    assert (order.status, order.filled_quantity) == ("CANCELED", 4)
    [closed] = bench.events("order_closed")
    assert closed["filled_quantity"] == "4"


def test_an_old_message_moves_nothing_back(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    client_id = bench.client_id(approved)
    early = bench.broker.fill(client_id, "4", "9.5")
    bench.tell(early)
    bench.tell(bench.broker.fill(client_id, "6", "9.5"))
    bench.tell(early)
    assert bench.status(approved) == "FILLED"
    bench.assert_books_agree()


def test_a_corrected_execution_stops_the_symbol(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    update = bench.broker.fill(bench.client_id(approved), "4", "9.5")
    bench.tell(update)
    assert update.fill is not None
    bench.tell(replace(update, fill=replace(update.fill, price=Decimal(1))))
    with bench.database.read_only() as tx:
        [hold] = tx.reconciliations.holds(bench.account_id)
    assert (hold.symbol, hold.kind) == ("AAPL", "trade_corrected")


def test_an_overfill_is_refused_and_stops_the_symbol_but_no_other_order(
    bench: "Bench",
) -> None:
    bad, good = bench.approve("AAPL"), bench.approve("MSFT")
    bench.submit()
    over = bench.broker.fill(bench.client_id(bad), "11", "9.5")
    fine = bench.broker.fill(bench.client_id(good), "10", "20")
    bench.tell(over, fine)
    assert bench.order(bad).filled_quantity == 0
    assert bench.status(good) == "FILLED"
    with bench.database.read_only() as tx:
        [hold] = tx.reconciliations.holds(bench.account_id)
    assert (hold.symbol, hold.kind) == ("AAPL", "impossible_step")


def test_a_trade_by_hand_goes_into_a_book_of_its_own(bench: "Bench") -> None:
    bench.broker.orders["by-hand"] = BrokerOrder(
        str(new_id()),
        "by-hand",
        "TSLA",
        "buy",
        OrderStatus.ACCEPTED,
        "new",
        Decimal(2),
        Decimal(0),
        None,
    )
    bench.broker.fill("by-hand", "2", "50")
    assert bench.catch_up() == 1
    assert bench.catch_up() == 0
    with bench.database.read_only() as tx:
        [part] = tx.books.parts(bench.account_id)
    assert (part.strategy, part.symbol, part.quantity) == ("external", "TSLA", 2)
    bench.assert_books_agree()
    assert bench.reconcile().clean


def test_an_execution_that_nobody_can_explain_stops_the_symbol(
    bench: "Bench",
) -> None:
    bench.broker.executions.append(
        BrokerFill(
            "unheard-of",
            "TSLA",
            "buy",
            Decimal(1),
            Decimal(50),
            Decimal(1),
            bench.broker.now,
            "activities",
        )
    )
    bench.catch_up()
    with bench.database.read_only() as tx:
        [hold] = tx.reconciliations.holds(bench.account_id)
        [orphan] = tx.trades.open_orphans(bench.account_id)
    assert (hold.symbol, hold.kind) == ("TSLA", "orphan_fill")
    assert orphan.broker_order_id == "unheard-of"
    assert not bench.reconcile().clean


def test_fees_and_dividends_are_entered_once(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    bench.tell(bench.broker.fill(bench.client_id(approved), "10", "9.5"))
    bench.broker.bookings += [
        activity("FEE", "fee", None, "-0.03"),
        activity("DIV", "dividend", "AAPL", "2.40"),
    ]
    assert fills.catch_up_activities(bench.desk) == 2
    assert fills.catch_up_activities(bench.desk) == 0
    bench.assert_books_agree()
    assert bench.reconcile().clean


def test_a_split_is_divided_over_the_strategies_that_hold_it(bench: "Bench") -> None:
    for strategy, quantity in (("one", 7), ("two", 3)):
        approved = bench.approve(strategy=strategy, quantity=Decimal(quantity))
        bench.submit()
        bench.tell(bench.broker.fill(bench.client_id(approved), str(quantity), "10"))
    split = activity("SPLIT", "split", "AAPL", "0", quantity="10")
    with bench.database.transaction() as tx:
        assert ledger.post_activity(tx, bench.account_id, split)
    with bench.database.transaction() as tx:
        assert not ledger.post_activity(tx, bench.account_id, split)
        parts = {p.strategy: p.quantity for p in tx.books.parts(bench.account_id)}
        [position] = tx.books.positions(bench.account_id)
    assert parts == {"one": 14, "two": 6}
    assert (position.quantity, position.avg_price) == (20, 5)


def test_realized_profit_follows_average_cost(bench: "Bench") -> None:
    for side, quantity, price in (
        (Side.BUY, "10", "10"),
        (Side.BUY, "10", "20"),
        (Side.SELL, "5", "30"),
    ):
        approved = bench.approve(side=side, quantity=Decimal(quantity))
        bench.submit()
        bench.tell(bench.broker.fill(bench.client_id(approved), quantity, price))
    with bench.database.read_only() as tx:
        [position] = tx.books.positions(bench.account_id)
    assert (position.quantity, position.avg_price) == (15, 15)
    assert position.realized_pnl == 75
    assert position.unrealized_pnl == 15 * (30 - 15)


@pytest.mark.parametrize(
    "statement",
    [
        "update execution.ledger set cash_delta = 0",
        "delete from execution.ledger",
        "truncate execution.ledger cascade",
        "update execution.trades set price = 1",
        "delete from execution.trades",
        "delete from execution.order_history",
        "delete from execution.orders",
    ],
)
def test_what_is_booked_cannot_be_changed(bench: "Bench", statement: str) -> None:
    with pytest.raises(InternalError, match="append-only|keeps every row"):
        bench.sql(statement)


def activity(
    said: str, kind: str, symbol: str | None, amount: str, quantity: str = "0"
) -> BrokerActivity:
    return BrokerActivity(
        activity_id=str(new_id()),
        said=said,
        kind=kind,
        symbol=symbol,
        quantity=Decimal(quantity),
        amount=Decimal(amount),
        time=datetime(2026, 9, 14, 20, tzinfo=UTC) - timedelta(hours=1),
        description="",
    )
