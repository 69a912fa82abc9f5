"""Cash, positions and round trips: identities that hold to the last digit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_core.ledger import (
    Book,
    Execution,
    Position,
    Split,
    excursion,
    round_trips,
)
from trading_core.money import BadNumber, Side

pytestmark = pytest.mark.unit
NOON = datetime(2026, 9, 21, 16, 0, tzinfo=UTC)
D = Decimal


def trade(
    side: Side,
    quantity: int | str,
    price: int | str,
    minute: int = 0,
    symbol: str = "AAPL",
    fees: str = "0",
) -> Execution:
    return Execution(
        symbol,
        side,
        D(quantity),
        D(price),
        NOON + timedelta(minutes=minute),
        D(fees),
        f"{side}-{minute}",
    )


def after(*trades: Execution) -> Position:
    position = Position()
    for each in trades:
        position = position.after(each)
    return position


def test_buys_average_and_a_sale_realizes() -> None:
    position = after(trade("buy", 10, 100), trade("buy", 30, 120))
    assert (position.quantity, position.average_price) == (D(40), D(115))
    position = position.after(trade("sell", 20, 125))
    assert (position.quantity, position.average_price) == (D(20), D(115))
    assert position.realized == 200
    assert position.unrealized(D(110)) == -100


def test_a_short_earns_when_the_price_falls() -> None:
    position = after(trade("sell", 10, 100))
    assert (position.quantity, position.average_price) == (D(-10), D(100))
    assert position.unrealized(D(90)) == 100
    closed = position.after(trade("buy", 10, 90))
    assert closed.is_flat and closed.cost == 0 and closed.realized == 100


def test_a_sale_beyond_flat_turns_the_position() -> None:
    position = after(trade("buy", 10, 100), trade("sell", 15, 110))
    assert (position.quantity, position.average_price) == (D(-5), D(110))
    assert position.realized == 100


def test_a_split_changes_shares_and_average_price_and_no_value() -> None:
    position = after(trade("buy", 10, 700)).split(D(7))
    assert (position.quantity, position.average_price) == (D(70), D(100))
    assert position.unrealized(D(100)) == 0
    reverse = after(trade("buy", 100, 5)).split(D("0.1"))
    assert (reverse.quantity, reverse.average_price) == (D(10), D(50))


def test_a_dividend_is_paid_to_holders_and_by_shorts() -> None:
    book = Book(D(10_000))
    book.apply(trade("buy", 10, 100))
    book.apply(trade("sell", 5, 50, symbol="BAC"))
    assert book.dividend("AAPL", D("0.25")) == D("2.50")
    assert book.dividend("BAC", D("0.10")) == D("-0.50")
    assert book.dividend("SPY", D(1)) == 0
    assert book.dividends == D(2)


def test_fees_leave_the_cash_and_not_the_position() -> None:
    book = Book(D(10_000))
    book.apply(trade("buy", 10, 100, fees="0.03"))
    assert book.cash == D("8999.97")
    assert book.position("AAPL").average_price == 100


def test_a_held_symbol_without_a_price_is_an_error() -> None:
    book = Book(D(10_000))
    book.apply(trade("buy", 10, 100))
    with pytest.raises(KeyError, match="No price for AAPL"):
        book.equity({})


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "Infinity"])
def test_an_execution_of_an_impossible_quantity_is_refused(quantity: str) -> None:
    with pytest.raises(BadNumber):
        trade("buy", quantity, 100)


def test_a_round_trip_is_flat_to_flat() -> None:
    trips = round_trips(
        [
            trade("buy", 10, 100, 0, fees="1"),
            trade("buy", 10, 110, 1, fees="1"),
            trade("sell", 15, 120, 2, fees="2"),
            trade("buy", 1, 50, 3, symbol="BAC"),
            trade("sell", 5, 90, 4, fees="2"),
        ]
    )
    whole, still_open = trips
    assert (whole.symbol, whole.quantity, whole.entry_price) == ("AAPL", D(20), D(105))
    assert whole.exit_price == D("112.5")
    assert [c.quantity for c in whole.closes] == [10, 5, 5]
    assert [c.entry_price for c in whole.closes] == [100, 110, 110]
    assert (whole.gross, whole.fees, whole.net) == (D(150), D(6), D(144))
    assert (whole.entry_reference, whole.exit_reference) == ("buy-0", "sell-4")
    assert still_open.is_open and still_open.open_quantity == 1
    assert still_open.exit_reference == ""


def test_turning_a_long_into_a_short_ends_one_trip_and_opens_another() -> None:
    first, second = round_trips(
        [trade("buy", 10, 100), trade("sell", 30, 110, 1, fees="3")]
    )
    assert (first.gross, first.fees, first.is_open) == (D(100), D(1), False)
    assert (second.side, second.open_quantity, second.fees) == ("sell", D(20), D(2))


def test_excursions_are_measured_on_lows_and_highs() -> None:
    (long,) = round_trips([trade("buy", 10, 100), trade("sell", 10, 101, 9)])
    lows_highs = [(NOON, D(98), D(103)), (NOON + timedelta(minutes=5), D(95), D(99))]
    found = excursion(long, lows_highs)
    assert (found.adverse, found.favorable) == (D(-50), D(30))
    assert found.adverse_at == NOON + timedelta(minutes=5)
    (short,) = round_trips([trade("sell", 10, 100), trade("buy", 10, 101, 9)])
    found = excursion(short, lows_highs)
    assert (found.adverse, found.favorable) == (D(-30), D(50))


quantities = st.one_of(
    st.integers(1, 1000).map(D), st.integers(1, 10**9).map(lambda n: D(n) / 10**6)
)
prices = st.integers(1, 100_000).map(lambda n: D(n) / 100)
executions = st.lists(
    st.builds(
        Execution,
        st.sampled_from(["AAPL", "BAC"]),
        st.sampled_from(["buy", "sell"]),
        quantities,
        prices,
        st.just(NOON),
        st.integers(0, 500).map(lambda n: D(n) / 100),
    ),
    max_size=30,
)


@given(executions, prices, prices)
def test_profit_is_what_was_realized_and_what_is_open_less_fees(
    given_: list[Execution], apple: Decimal, bank: Decimal
) -> None:
    book = Book(D(100_000))
    for each in given_:
        book.apply(each)
    marks = {"AAPL": apple, "BAC": bank}
    open_profit = sum(
        (p.unrealized(marks[symbol]) for symbol, p in book.positions.items()), D(0)
    )
    profit = book.equity(marks) - 100_000
    assert profit == book.realized() + open_profit - book.fees
    held = {symbol: D(0) for symbol in marks}
    for each in given_:
        held[each.symbol] += each.signed
    assert {s: book.position(s).quantity for s in marks} == held


@given(executions)
def test_round_trips_tell_the_same_profit_as_the_ledger_once_flat(
    given_: list[Execution],
) -> None:
    book = Book(D(0))
    for each in given_:
        book.apply(each)
    closing = []
    for symbol in book.held():
        quantity = book.position(symbol).quantity
        side: Side = "sell" if quantity > 0 else "buy"
        closing.append(Execution(symbol, side, abs(quantity), D(50), NOON))
    for each in closing:
        book.apply(each)
    trips = round_trips([*given_, *closing])
    assert all(not trip.is_open for trip in trips)
    assert sum((trip.net for trip in trips), D(0)) == book.cash
    assert sum((trip.fees for trip in trips), D(0)) == book.fees


def test_a_trip_through_a_split_is_told_in_the_shares_after_it() -> None:
    day = datetime(2020, 8, 31, 13, 30, tzinfo=UTC)
    hour = timedelta(hours=1)
    executions = [
        Execution("AAPL", "buy", D(100), D(400), day - hour),
        Execution("SPY", "buy", D(10), D(350), day - hour),
        Execution("AAPL", "sell", D(100), D(410), day - hour / 2),
        Execution("AAPL", "buy", D(50), D(420), day - hour / 4),
        Execution("AAPL", "sell", D(200), D(110), day + hour),
    ]
    split = Split("AAPL", day, D(4))
    before, through, other = round_trips(executions, [split])
    assert (before.quantity, before.gross) == (D(100), D(1000))
    assert (through.quantity, through.entry_price) == (D(200), D(105))
    assert through.gross == D(1000) and not through.is_open
    assert (other.symbol, other.open_quantity) == ("SPY", D(10))
    still, _ = round_trips(executions[:2], [split])
    assert (still.open_quantity, still.entry_price) == (D(400), D(100))
