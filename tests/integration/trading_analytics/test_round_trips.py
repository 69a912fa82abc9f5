"""Round trips follow executions, close once, and are measured by the feed's bars."""

from decimal import Decimal as D

import pytest
from analytics_books import FEED, MOMENTUM, MONDAY, TUESDAY, Books, at

from trading_analytics.handlers import handlers
from trading_system.consumer import Consumer
from trading_system.contracts.execution import OrderFilled
from trading_system.vocabulary import Side, new_id

pytestmark = pytest.mark.integration


def test_a_round_trip_opens_grows_and_closes_with_its_executions(books: Books) -> None:
    entry = books.fill("buy", "10", "100", at(MONDAY, 15), fees="0.10")
    assert books.follow() == 1
    (opened,) = books.rows("round_trips")
    assert (opened["side"], opened["quantity"], opened["exit_time"]) == (
        "buy",
        10,
        None,
    )
    assert opened["entry_order_id"] == str(entry)
    assert opened["net_pnl"] is None

    books.fill("buy", "10", "104", at(MONDAY, 16), fees="0.10")
    books.follow()
    (grown,) = books.rows("round_trips")
    assert grown["round_trip_id"] == opened["round_trip_id"]
    assert (grown["quantity"], grown["entry_price"]) == (20, 102)

    exit_ = books.fill("sell", "20", "105", at(TUESDAY, 15), fees="0.30")
    books.follow()
    (closed,) = books.rows("round_trips")
    assert closed["round_trip_id"] == opened["round_trip_id"]
    assert closed["exit_order_id"] == str(exit_)
    # Twenty shares gained 3 dollars each; three fees of 50 cents together.
    assert (closed["gross_pnl"], closed["fees"], closed["net_pnl"]) == (60, 0.5, 59.5)
    assert closed["return_fraction"] == pytest.approx(59.5 / 2040)


def test_a_close_is_told_once_however_often_it_is_followed(books: Books) -> None:
    books.fill("buy", "10", "100", at(MONDAY, 15))
    books.follow()
    assert books.events("round_trip_closed") == []
    books.fill("sell", "10", "99", at(MONDAY, 17))
    assert books.follow() == 1
    before = books.state()

    assert books.follow() == 0
    assert books.analyze().changed == 0

    assert books.state() == before
    (told,) = books.events("round_trip_closed")
    assert (told["strategy"], told["symbol"]) == (MOMENTUM, "AAPL")
    assert D(told["net_pnl"]) == D(-10)


def test_a_trip_begins_with_its_earliest_execution_however_late_that_is_booked(
    books: Books,
) -> None:
    books.fill("buy", "10", "100", at(MONDAY, 16))
    books.follow()
    first = books.fill("buy", "5", "99", at(MONDAY, 15))
    books.follow()
    (opened,) = books.rows("round_trips")
    assert (opened["quantity"], opened["entry_order_id"]) == (15, str(first))

    books.fill("sell", "15", "101", at(MONDAY, 17))
    books.follow()
    earlier = books.fill("buy", "2", "98", at(MONDAY, 14))
    books.fill("sell", "2", "101", at(MONDAY, 17))
    books.follow()
    (closed,) = books.rows("round_trips")
    assert (closed["quantity"], closed["entry_order_id"]) == (17, str(earlier))
    # It ended when it was told to have ended: nobody hears of it twice.
    assert len(books.events("round_trip_closed")) == 1


def test_a_sale_beyond_flat_ends_one_trip_and_begins_the_next(books: Books) -> None:
    books.fill("buy", "10", "100", at(MONDAY, 15))
    books.fill("sell", "30", "110", at(MONDAY, 16), fees="0.30")
    books.follow()
    long, short = sorted(books.rows("round_trips"), key=lambda row: row["side"])
    assert (long["side"], long["quantity"], long["net_pnl"]) == ("buy", 10, 99.9)
    assert (short["side"], short["quantity"], short["fees"]) == ("sell", 20, 0.2)
    assert short["exit_time"] is None
    assert short["entry_order_id"] == long["exit_order_id"]


def test_excursions_and_slippage_are_measured_between_entry_and_exit(
    books: Books,
) -> None:
    books.bar("AAPL", at(MONDAY, 15), 101, low=97, high=103)
    books.bar("AAPL", at(MONDAY, 16), 104, low=100, high=106)
    # Neither the hour after the exit nor another feed's bars belong to the trip.
    books.bar("AAPL", at(MONDAY, 17), 150, low=50, high=200)
    books.bar("AAPL", at(MONDAY, 15), 10, low=1, high=900, feed="sip")
    books.fill("buy", "10", "100", at(MONDAY, 15), decided="99")
    books.fill("sell", "10", "104", at(MONDAY, 17), decided="105")
    books.follow()
    (trip,) = books.rows("round_trips")
    assert (trip["mae"], trip["mfe"], trip["bars_held"]) == (-30, 60, 2)
    # A dollar worse at both ends, on 990 + 1050 dollars decided.
    assert trip["slippage_bps"] == pytest.approx(20 / 2040 * 10_000)


def test_what_has_ended_is_measured_again_only_when_trades_are_analyzed(
    books: Books,
) -> None:
    books.fill("buy", "10", "100", at(MONDAY, 15))
    books.fill("sell", "10", "104", at(MONDAY, 17))
    books.follow()
    # A bar that came late, as after an outage of the feed.
    books.bar("AAPL", at(MONDAY, 16), 104, low=95, high=106)
    books.fill("buy", "1", "104", at(TUESDAY, 15))
    books.follow()
    (ended,) = [row for row in books.rows("round_trips") if row["exit_time"]]
    assert (ended["mae"], ended["bars_held"]) == (0, 0)
    assert books.analyze().changed == 1
    (ended,) = [row for row in books.rows("round_trips") if row["exit_time"]]
    assert (ended["mae"], ended["bars_held"]) == (-50, 1)


def test_two_strategies_in_one_symbol_have_trips_of_their_own(books: Books) -> None:
    books.fill("buy", "10", "100", at(MONDAY, 15))
    books.fill("sell", "10", "100", at(MONDAY, 15), strategy="reversal")
    result = books.analyze()
    assert (result.examined, result.changed) == (2, 2)
    assert {(row["strategy"], row["side"]) for row in books.rows("round_trips")} == {
        (MOMENTUM, "buy"),
        ("reversal", "sell"),
    }


def test_analyzing_finds_what_no_event_told(books: Books) -> None:
    books.fill("buy", "10", "100", at(MONDAY, 15))
    books.fill("sell", "10", "102", at(MONDAY, 16))
    first, second = books.analyze(), books.analyze()
    assert (first.changed, second.changed) == (1, 0)
    assert first.summary == "1 closed trades, net 20.00, 1 rows changed"
    assert len(books.events("round_trip_closed")) == 1


def test_an_execution_heard_twice_is_one_trip(books: Books) -> None:
    order = books.fill("buy", "10", "100", at(MONDAY, 15))
    said = OrderFilled(
        order_id=order,
        signal_id=new_id(),
        client_order_id="client-1",
        strategy=MOMENTUM,
        symbol="AAPL",
        side=Side.BUY,
        quantity=D(10),
        market_time=at(MONDAY, 15),
        trade_id=new_id(),
        fill_quantity=D(10),
        price=D(100),
        filled_quantity=D(10),
        complete=True,
        source="stream",
    )
    for _ in range(2):
        with books.database.transaction() as tx:
            tx.publish(said.model_copy(update={"event_id": new_id()}))
        books.heard(Consumer(books.database, handlers(FEED)))
    assert len(books.rows("round_trips")) == 1
