"""Orders against quotes, worked by hand from the broker's rules."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_core import bars
from trading_core.matching import (
    ALPACA_PAPER,
    REALISTIC,
    Fill,
    FillModel,
    OrderType,
    Quote,
    RestingOrder,
    draw,
    match,
)
from trading_core.money import BadNumber, Side

pytestmark = pytest.mark.unit
NOON = datetime(2026, 9, 21, 16, 0, tzinfo=UTC)
WHOLE = FillModel("whole")  # the paper account without its random partial fills
D = Decimal


def order(type_: str = "market", side: Side = "buy", **fields: Any) -> RestingOrder:
    return RestingOrder("AAPL", side, OrderType(type_), **{"quantity": D(10), **fields})


def quote(last: str, came_from: str | None = None, half: str = "0.01") -> Quote:
    price = D(last)
    return Quote(
        price - D(half),
        price + D(half),
        price,
        NOON,
        D(1000),
        None if came_from is None else D(came_from),
    )


def only_price(given_order: RestingOrder, *quotes: Quote) -> Decimal | None:
    """Return the price of the one fill after meeting all quotes."""
    prices = []
    left: RestingOrder | None = given_order
    for each in quotes:
        if left is None:
            break
        result = match(left, each, WHOLE)
        prices += [fill.price for fill in result.fills]
        left = result.order
    assert len(prices) <= 1
    return prices[0] if prices else None


def test_a_market_order_buys_at_the_ask_and_sells_at_the_bid() -> None:
    assert match(order(), quote("100"), WHOLE).fills == (Fill(D(10), D("100.01")),)
    sale = match(order(side="sell"), quote("100"), WHOLE)
    assert sale.fills == (Fill(D(10), D("99.99")),)
    assert sale.order is None


def test_size_is_not_checked_on_paper() -> None:
    large = order(quantity=D(1_000_000))
    assert match(large, quote("100"), WHOLE).filled == 1_000_000


@pytest.mark.parametrize(
    ("side", "limit", "last", "price"),
    [
        ("buy", "100.50", "100", "100.01"),  # marketable: better than its limit
        ("buy", "100.00", "100", None),  # the ask is a cent above
        ("buy", "100.01", "100", "100.01"),
        ("sell", "99.50", "100", "99.99"),
        ("sell", "100.00", "100", None),
    ],
)
def test_a_new_limit_order_fills_at_the_quote(
    side: Side, limit: str, last: str, price: str | None
) -> None:
    found = only_price(order("limit", side, limit_price=D(limit)), quote(last))
    assert found == (None if price is None else D(price))


def test_a_resting_limit_order_fills_at_its_limit_when_the_price_moves_through() -> (
    None
):
    buy = order("limit", limit_price=D(98))
    assert only_price(buy, quote("100"), quote("95", came_from="100")) == D(98)
    sell = order("limit", "sell", limit_price=D(102))
    assert only_price(sell, quote("100"), quote("105", came_from="100")) == D(102)


def test_a_resting_limit_order_gains_from_a_jump() -> None:
    buy = order("limit", limit_price=D(98))
    assert only_price(buy, quote("100"), quote("95")) == D("95.01")


def test_a_new_order_does_not_fill_at_a_price_that_traded_before_it() -> None:
    buy = order("limit", limit_price=D(98))
    assert only_price(buy, quote("95", came_from="100")) == D("95.01")


def test_a_stop_is_elected_at_its_price_in_a_move_and_at_the_quote_after_a_jump() -> (
    None
):
    sell = order("stop", "sell", stop_price=D(95))
    assert only_price(sell, quote("100")) is None
    moved = quote("90", came_from="100")
    assert only_price(sell, quote("100"), moved) == D("94.99")
    assert only_price(sell, quote("100"), quote("90")) == D("89.99")


def test_a_stop_that_the_price_had_passed_before_is_elected_at_the_quote() -> None:
    waiting = replace(order("stop", "sell", stop_price=D(95)), resting=True)
    assert only_price(waiting, quote("90", came_from="94")) == D("89.99")


@pytest.mark.parametrize(
    ("stop", "jump", "price"),
    [
        ("100", "102", "102.01"),  # within 2.5 %: at the ask
        ("100", "103", None),  # the ask is beyond 102.50: it rests as a limit
        ("40", "41.50", "41.51"),  # within 4 % below $50
        ("40", "41.60", None),
    ],
)
def test_a_buy_stop_is_collared(stop: str, jump: str, price: str | None) -> None:
    start = quote(str(D(stop) - 2))
    found = only_price(order("stop", stop_price=D(stop)), start, quote(jump))
    assert found == (None if price is None else D(price))


def test_a_collared_buy_stop_fills_at_its_collar_when_the_price_comes_back() -> None:
    buy = order("stop", stop_price=D(100))
    back = quote("101", came_from="103")
    assert only_price(buy, quote("98"), quote("103"), back) == D("102.50")


def test_an_elected_stop_limit_is_a_limit_order() -> None:
    sell = order("stop_limit", "sell", stop_price=D(95), limit_price=D(94))
    assert only_price(sell, quote("96"), quote("93", came_from="96")) == D("94.99")
    jumped = match(
        match(sell, quote("96"), WHOLE).order or sell, quote("90"), WHOLE
    ).order
    assert jumped is not None and jumped.triggered
    assert only_price(jumped, quote("94.50", came_from="90")) == D(94)


def test_a_trailing_stop_follows_the_best_price() -> None:
    sell = order("trailing_stop", "sell", trail_price=D(2))
    state: RestingOrder | None = sell
    for each in (quote("100"), quote("105", came_from="100")):
        assert state is not None
        state = match(state, each, WHOLE).order
    assert state is not None
    assert (state.high_water, state.stop_price) == (D(105), D(103))
    assert only_price(state, quote("104", came_from="105")) is None
    assert only_price(state, quote("100", came_from="105")) == D("102.99")
    assert only_price(state, quote("101")) == D("100.99")


def test_a_trailing_percent_buys_after_a_rise_from_the_lowest() -> None:
    buy = order("trailing_stop", trail_percent=D(10))
    low = quote("90", came_from="100")
    assert only_price(buy, quote("100"), low) is None
    assert only_price(buy, quote("100"), low, quote("99.50", "90")) == D("99.01")


def test_immediate_orders_cancel_what_is_left() -> None:
    dear = order("limit", limit_price=D(99), time_in_force="ioc")
    assert match(dear, quote("100"), WHOLE).canceled == 10
    thin = replace(WHOLE, participation=D("0.005"))  # five of a thousand shares
    some = match(order(time_in_force="ioc"), quote("100"), thin)
    assert (some.filled, some.canceled, some.order) == (D(5), D(5), None)
    none = match(order(time_in_force="fok"), quote("100"), thin)
    assert (none.filled, none.canceled) == (D(0), D(10))


@pytest.mark.parametrize("force", ["opg", "cls", "fok"])
def test_what_has_one_moment_to_fill_in_fills_whole(force: str) -> None:
    for seed in range(200):
        resting = order(time_in_force=force)
        assert match(resting, quote("100"), ALPACA_PAPER, seed).order is None


def test_a_tenth_of_paper_fills_is_partial_and_the_rest_fills_later() -> None:
    partial = 0
    for minute in range(2000):
        time = NOON + timedelta(minutes=minute)
        result = match(order(quantity=D(100)), replace(quote("100"), time=time), WHOLE)
        assert result.order is None
        paper = match(
            order(quantity=D(100)), replace(quote("100"), time=time), ALPACA_PAPER
        )
        if paper.order is not None:
            partial += 1
            assert 1 <= paper.filled < 100
            assert paper.filled + paper.order.quantity == 100
    assert 150 < partial < 250


def test_draws_depend_on_the_order_and_the_time_alone() -> None:
    first = draw(1, "AAPL", NOON, "buy", D(10))
    assert first == draw(1, "AAPL", NOON, "buy", D("10.000"))
    others = [
        draw(2, "AAPL", NOON, "buy", D(10)),
        draw(1, "SPY", NOON, "buy", D(10)),
        draw(1, "AAPL", NOON + timedelta(seconds=1), "buy", D(10)),
        draw(1, "AAPL", NOON, "sell", D(10)),
        draw(1, "AAPL", NOON, "buy", D(11)),
    ]
    assert first not in others and len(set(others)) == 5


def test_the_realistic_model_pays_spread_and_slippage_and_takes_a_tenth() -> None:
    # 500.00: half a spread of 1 bp is 0.05, 2 bp of the ask 500.05 is 0.10001.
    given_quote = REALISTIC.quote(500.0, NOON, volume=55.0)
    assert (given_quote.bid, given_quote.ask) == (D("499.95"), D("500.05"))
    result = match(order(), given_quote, REALISTIC)
    assert result.fills == (Fill(D(5), D("500.16")),)
    assert result.order is not None and result.order.quantity == 5


def test_slippage_never_passes_a_limit() -> None:
    limited = order("limit", limit_price=D("500.05"))
    result = match(limited, REALISTIC.quote(500.0, NOON, volume=1e6), REALISTIC)
    assert [fill.price for fill in result.fills] == [D("500.05")]


def test_slippage_never_passes_the_collar_of_a_buy_stop() -> None:
    stop = order("stop", stop_price=D(500))  # collared at 512.50
    jump = REALISTIC.quote(512.4, NOON, volume=1e6)
    assert jump.ask == D("512.46")  # with 2 bp of slippage it would be 512.57
    result = match(stop, jump, REALISTIC)
    assert [fill.price for fill in result.fills] == [D("512.50")]


def test_prices_below_a_dollar_have_four_decimals() -> None:
    penny = REALISTIC.quote(0.12345, NOON)
    assert (penny.bid, penny.last, penny.ask) == (D("0.1233"), D("0.1234"), D("0.1235"))


def test_the_first_point_of_a_bar_is_a_jump_and_the_others_are_not() -> None:
    end = NOON + timedelta(hours=1)
    quotes = WHOLE.quotes(bars.path(10, 12, 9, 11, NOON, end))
    assert [q.came_from for q in quotes] == [None, D(10), D(9), D(12)]


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": D(0)},
        {"quantity": D(-1)},
        {"quantity": D("NaN")},
        {"quantity": D("Infinity")},
        {"limit_price": D("-1")},
        {"limit_price": D("NaN")},
    ],
)
def test_numbers_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadNumber):
        order("market", **fields)


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf"), 1e-9, 1e300])
def test_a_price_that_cannot_be_makes_no_quote(price: float) -> None:
    with pytest.raises(BadNumber):
        ALPACA_PAPER.quote(price, NOON)


@pytest.mark.parametrize("kind", ["limit", "stop", "stop_limit", "trailing_stop"])
def test_an_order_without_its_price_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="needs"):
        order(kind)


cents = st.integers(100, 20_000).map(lambda number: D(number) / 100)


@st.composite
def orders(draw_: st.DrawFn) -> RestingOrder:
    kind = draw_(st.sampled_from(list(OrderType)))
    fields: dict[str, Any] = {"quantity": D(draw_(st.integers(1, 10_000)))}
    if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        fields["limit_price"] = draw_(cents)
    if kind in (OrderType.STOP, OrderType.STOP_LIMIT):
        fields["stop_price"] = draw_(cents)
    if kind is OrderType.TRAILING_STOP:
        fields["trail_price"] = draw_(cents)
    return order(kind.value, draw_(st.sampled_from(["buy", "sell"])), **fields)


@given(orders(), st.lists(st.integers(100, 20_000), min_size=4, max_size=4))
def test_no_fill_leaves_its_bar_or_its_limit(
    given_order: RestingOrder, prices: list[int]
) -> None:
    low, first, last, high = (price / 100 for price in sorted(prices))
    points = bars.path(first, high, low, last, NOON, NOON + timedelta(hours=1))
    left: RestingOrder | None = given_order
    filled = D(0)
    for each in ALPACA_PAPER.quotes(points):
        if left is None:
            break
        result = match(left, each, ALPACA_PAPER, seed=7)
        for fill in result.fills:
            assert D(str(low)) <= fill.price <= D(str(high))
            assert fill.quantity > 0
            if given_order.limit_price is not None:
                if given_order.is_buy:
                    assert fill.price <= given_order.limit_price
                else:
                    assert fill.price >= given_order.limit_price
        filled += result.filled
        left = result.order
    assert filled + (left.quantity if left else 0) == given_order.quantity
