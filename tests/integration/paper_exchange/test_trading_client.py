"""The broker's own trading client, unchanged, against the exchange."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.models import Order
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetCalendarRequest,
    GetOrdersRequest,
    GetPortfolioHistoryRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopOrderRequest,
)

pytestmark = pytest.mark.integration

OPEN = "2026-09-14T13:30:00Z"
TEN = "2026-09-14T14:00:00Z"
CLOSE = "2026-09-14T20:00:00Z"
NEXT_OPEN = "2026-09-15T13:30:00Z"


def market(symbol: str, quantity: float, side: str = "buy", **more: Any) -> Any:
    return MarketOrderRequest(
        symbol=symbol,
        qty=quantity,
        side=OrderSide(side),
        time_in_force=more.pop("time_in_force", TimeInForce.DAY),
        **more,
    )


def limit(symbol: str, quantity: float, price: float, side: str = "buy") -> Any:
    return LimitOrderRequest(
        symbol=symbol,
        qty=quantity,
        side=OrderSide(side),
        time_in_force=TimeInForce.GTC,
        limit_price=price,
    )


def submitted(client: Any, request: Any) -> Order:
    order = client.submit_order(request)
    assert isinstance(order, Order)
    return order


def finished(client: Any, exchange: Any, order: Order, minutes: int = 20) -> Order:
    """Let time pass until an order is filled whole: one in ten fills is partial."""
    for _ in range(minutes):
        found = client.get_order_by_id(order.id)
        if found.status == OrderStatus.FILLED:
            assert isinstance(found, Order)
            return found
        now = exchange.control()["now"][:19]
        hour, minute = int(now[11:13]), int(now[14:16]) + 1
        exchange.control(
            advance_to=f"{now[:11]}{hour + minute // 60:02d}:{minute % 60:02d}:00Z"
        )
    raise AssertionError(f"{order.id} is not filled after {minutes} minutes")


def test_a_new_account_has_its_cash_and_nothing_else(exchange: Any) -> None:
    account = exchange.trading().get_account()
    assert (account.cash, account.equity, account.buying_power) == (
        "100000",
        "100000",
        "400000",
    )
    assert exchange.trading().get_all_positions() == []
    assert exchange.trading().get_orders() == []


def test_the_clock_and_the_calendar_know_the_sessions(exchange: Any) -> None:
    client = exchange.trading()
    clock = client.get_clock()
    assert clock.timestamp.isoformat() == "2026-09-14T09:25:00-04:00"
    assert not clock.is_open
    assert clock.next_open.isoformat() == "2026-09-14T09:30:00-04:00"
    exchange.control(advance_to=OPEN)
    assert client.get_clock().is_open
    exchange.control(advance_to=CLOSE)
    assert not client.get_clock().is_open
    rows = client.get_calendar(
        GetCalendarRequest(start=date(2026, 11, 25), end=date(2026, 11, 30))
    )
    assert [(row.date.day, row.close.hour) for row in rows] == [
        (25, 16),
        (27, 13),
        (30, 16),
    ]


def test_a_market_order_fills_at_the_price_of_its_instant(exchange: Any) -> None:
    client = exchange.trading()
    exchange.control(advance_to=TEN)
    bar_open = exchange.raw(
        "GET", "/v2/stocks/trades/latest", params={"symbols": "KO"}
    ).json()["trades"]["KO"]
    assert bar_open["t"] == TEN
    order = submitted(client, market("KO", 1, client_order_id="one"))
    assert order.status == OrderStatus.PENDING_NEW
    filled = client.get_order_by_client_id("one")
    assert filled.status == OrderStatus.FILLED
    assert Decimal(filled.filled_avg_price) == Decimal(str(bar_open["p"]))
    position = client.get_open_position("KO")
    assert (position.qty, position.avg_entry_price) == ("1", filled.filled_avg_price)
    account = client.get_account()
    assert Decimal(account.cash) == 100_000 - Decimal(filled.filled_avg_price)
    assert Decimal(account.equity) == Decimal(account.cash) + Decimal(
        position.market_value
    )


def test_an_order_after_the_close_fills_at_the_next_open(exchange: Any) -> None:
    client = exchange.trading()
    exchange.control(advance_to=CLOSE)
    order = submitted(client, market("JPM", 1))
    assert order.status == OrderStatus.ACCEPTED
    exchange.control(advance_to="2026-09-15T13:29:59Z")
    assert client.get_order_by_id(order.id).status == OrderStatus.ACCEPTED
    exchange.control(advance_to=NEXT_OPEN)
    filled = client.get_order_by_id(order.id)
    assert filled.status == OrderStatus.FILLED
    assert filled.filled_at.isoformat() == "2026-09-15T13:30:00+00:00"
    bars = exchange.raw(
        "GET",
        "/v2/stocks/JPM/trades",
        params={"start": NEXT_OPEN, "end": NEXT_OPEN},
    ).json()["trades"]
    assert Decimal(filled.filled_avg_price) == Decimal(str(bars[0]["p"]))


def test_a_day_order_expires_at_the_close_and_a_gtc_order_stays(exchange: Any) -> None:
    client = exchange.trading()
    exchange.control(advance_to=TEN)
    day = submitted(
        client,
        LimitOrderRequest(
            symbol="KO",
            qty=1,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.DAY,
            limit_price=1,
        ),
    )
    stays = submitted(client, limit("PEP", 1, 1))
    exchange.control(advance_to=CLOSE)
    assert client.get_order_by_id(day.id).status == OrderStatus.EXPIRED
    assert client.get_order_by_id(stays.id).status == OrderStatus.NEW
    client.cancel_order_by_id(stays.id)
    assert client.get_order_by_id(stays.id).status == OrderStatus.CANCELED


def test_a_client_order_id_names_one_order_for_ever(exchange: Any) -> None:
    client = exchange.trading()
    exchange.control(advance_to=TEN)
    submitted(client, market("KO", 1, client_order_id="mine"))
    with pytest.raises(APIError) as refused:
        client.submit_order(market("KO", 1, client_order_id="mine"))
    assert refused.value.status_code == 422
    assert refused.value.code == 40010001
    assert refused.value.message == "client_order_id must be unique"


def test_orders_are_listed_by_status_symbol_and_side(exchange: Any) -> None:
    client = exchange.trading()
    exchange.control(advance_to=TEN)
    resting = [submitted(client, limit("KO", 1, price)) for price in (1, 2, 3)]
    other = submitted(client, limit("PEP", 1, 1))
    client.cancel_order_by_id(resting[0].id)

    def found(**options: Any) -> list[Any]:
        return [order.id for order in client.get_orders(GetOrdersRequest(**options))]

    assert found() == [other.id, resting[2].id, resting[1].id]
    assert found(symbols=["KO"]) == [resting[2].id, resting[1].id]
    assert found(status=QueryOrderStatus.CLOSED) == [resting[0].id]
    assert len(found(status=QueryOrderStatus.ALL)) == 4
    assert found(limit=1) == [other.id]
    assert found(side=OrderSide.SELL) == []
    canceled = client.cancel_orders()
    assert {answer.id for answer in canceled} == {
        other.id,
        resting[1].id,
        resting[2].id,
    }
    assert found() == []


def test_a_replacement_is_a_new_order_that_points_back(exchange: Any) -> None:
    client = exchange.trading()
    exchange.control(advance_to=TEN)
    old = submitted(client, limit("KO", 2, 1))
    new = client.replace_order_by_id(old.id, ReplaceOrderRequest(qty=3, limit_price=2))
    assert new.id != old.id and new.replaces == old.id
    assert (new.qty, new.limit_price) == ("3", "2")
    before = client.get_order_by_id(old.id)
    assert (before.status, before.replaced_by) == (OrderStatus.REPLACED, new.id)
    with pytest.raises(APIError) as refused:
        client.replace_order_by_id(old.id, ReplaceOrderRequest(qty=4))
    assert refused.value.status_code == 422


def test_a_stop_order_sells_once_its_price_is_reached(exchange: Any) -> None:
    client = exchange.trading()
    exchange.control(advance_to=TEN)
    entry = submitted(client, market("TSLA", 1))
    finished(client, exchange, entry)
    price = Decimal(client.get_open_position("TSLA").current_price)
    stop = submitted(
        client,
        StopOrderRequest(
            symbol="TSLA",
            qty=1,
            side=OrderSide.SELL,
            time_in_force=TimeInForce.GTC,
            stop_price=float(round(price * Decimal("0.99"), 2)),
        ),
    )
    for day in range(15, 31):
        exchange.control(advance_to=f"2026-09-{day}T20:00:00Z")
        found = client.get_order_by_id(stop.id)
        if found.status == OrderStatus.FILLED:
            break
    else:
        pytest.fail("the price never fell by 1 % in two weeks")
    assert Decimal(found.filled_avg_price) <= Decimal(str(stop.stop_price))
    assert client.get_all_positions() == []


def test_selling_more_than_is_held_or_buying_beyond_the_power_is_refused(
    exchange: Any,
) -> None:
    client = exchange.trading()
    exchange.control(advance_to=TEN)
    finished(client, exchange, submitted(client, market("KO", 3)))
    with pytest.raises(APIError) as refused:
        client.submit_order(market("KO", 4, "sell"))
    assert (refused.value.status_code, refused.value.code) == (403, 40310000)
    assert "requested: 4, available: 3" in refused.value.message
    with pytest.raises(APIError) as refused:
        client.submit_order(market("SPY", 100_000))
    assert (refused.value.status_code, refused.value.code) == (403, 40310000)
    assert refused.value.message == "insufficient buying power"


def test_a_position_closes_by_share_whole_and_all_at_once(exchange: Any) -> None:
    client = exchange.trading()
    exchange.control(advance_to=TEN)
    for symbol in ("KO", "PEP"):
        finished(client, exchange, submitted(client, market(symbol, 10)))
    part = client.close_position("KO", ClosePositionRequest(percentage="50"))
    finished(client, exchange, part)
    assert client.get_open_position("KO").qty == "5"
    answers = client.close_all_positions(cancel_orders=True)
    assert [answer.status for answer in answers] == [200, 200]
    for answer in answers:
        finished(client, exchange, answer.body)
    assert client.get_all_positions() == []
    with pytest.raises(APIError) as refused:
        client.get_open_position("KO")
    assert (refused.value.status_code, refused.value.code) == (404, 40410000)


def test_activities_add_up_to_the_order_and_page_by_the_last_id(exchange: Any) -> None:
    client = exchange.trading()
    exchange.control(advance_to=TEN)
    # Among two dozen orders some fill in parts.
    for number in range(24):
        submitted(client, market("KO", 5 + number))
    exchange.control(advance_to="2026-09-14T15:00:00Z")
    seen: list[dict[str, Any]] = []
    token = None
    while True:
        page = client.get(
            "/account/activities/FILL",
            {"page_size": 7, "direction": "asc", "page_token": token},
        )
        if not page:
            break
        seen += page
        token = page[-1]["id"]
    assert len({activity["id"] for activity in seen}) == len(seen) > 24
    for order in client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL)):
        fills = [fill for fill in seen if fill["order_id"] == str(order.id)]
        total = Decimal(0)
        for fill in fills:
            total += Decimal(fill["qty"])
            assert Decimal(fill["cum_qty"]) == total
        assert total == Decimal(order.filled_qty) == Decimal(order.qty)
        assert [fill["type"] for fill in fills][-1] == "fill"


def test_the_history_ends_with_the_equity_of_the_account(exchange: Any) -> None:
    client = exchange.trading()
    exchange.control(advance_to=TEN)
    submitted(client, market("NVDA", 100))
    exchange.control(advance_to="2026-09-17T18:00:00Z")
    days = client.get_portfolio_history(
        GetPortfolioHistoryRequest(period="1W", timeframe="1D")
    )
    assert len(days.equity) == 4
    assert days.equity[-1] == pytest.approx(float(client.get_account().equity))
    minutes = client.get_portfolio_history(
        GetPortfolioHistoryRequest(period="1D", timeframe="5Min")
    )
    assert len(minutes.timestamp) == len(minutes.equity) == len(minutes.profit_loss)
    assert minutes.equity[-1] == pytest.approx(float(client.get_account().equity))


def test_assets_are_found_by_symbol_and_by_id(exchange: Any) -> None:
    client = exchange.trading()
    assets = client.get_all_assets()
    assert len(assets) == 25
    apple = client.get_asset("AAPL")
    assert client.get_asset(str(apple.id)).symbol == "AAPL"
    with pytest.raises(APIError) as refused:
        client.get_asset("NOPE")
    assert refused.value.status_code == 404


def test_wrong_keys_are_forbidden_and_missing_ones_unauthorized(exchange: Any) -> None:
    with pytest.raises(APIError) as refused:
        exchange.trading(secret="wrong").get_account()
    assert refused.value.status_code == 403
    assert exchange.raw("GET", "/v2/account", headers={}).status_code == 401
    assert exchange.raw("GET", "/control/clock", headers={}).status_code == 401
    assert exchange.raw("GET", "/health", headers={}).status_code == 200
