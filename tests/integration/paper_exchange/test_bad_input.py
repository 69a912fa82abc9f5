"""Garbage gets the broker's error shape, and never a traceback or a 500."""

from typing import Any

import pytest

pytestmark = pytest.mark.integration

GOOD = {
    "symbol": "KO",
    "qty": "1",
    "side": "buy",
    "type": "market",
    "time_in_force": "day",
}


def placed(exchange: Any, **changes: Any) -> Any:
    body = {**GOOD, **changes}
    body = {name: value for name, value in body.items() if value is not ...}
    return exchange.raw("POST", "/v2/orders", json=body)


def test_every_bad_order_is_refused_with_its_code(lasting_exchange: Any) -> None:
    refusals: list[tuple[dict[str, Any], int, int]] = [
        ({"symbol": "NOPE"}, 422, 42210000),
        ({"symbol": ...}, 422, 40010001),
        ({"symbol": 5}, 422, 40010001),
        ({"qty": 0}, 422, 40010001),
        ({"qty": "-1"}, 422, 40010001),
        ({"qty": "NaN"}, 422, 40010001),
        ({"qty": "Infinity"}, 422, 40010001),
        ({"qty": "1e999999"}, 422, 40010001),
        ({"qty": 1e12}, 403, 40310000),
        ({"qty": True}, 422, 40010001),
        ({"qty": [1]}, 422, 40010001),
        ({"qty": "1.0000000001"}, 422, 40010001),
        ({"qty": ...}, 422, 40010001),
        ({"notional": "10"}, 422, 40010001),
        ({"qty": "1.5", "time_in_force": "gtc"}, 422, 42210000),
        ({"qty": ..., "notional": "0.5"}, 403, 40310000),
        ({"side": "hold"}, 422, 40010001),
        ({"type": "guess"}, 422, 40010001),
        ({"type": "limit"}, 422, 40010001),
        ({"type": "limit", "limit_price": "0"}, 422, 40010001),
        ({"type": "limit", "limit_price": "1.005"}, 422, 42210000),
        ({"type": "stop"}, 422, 40010001),
        ({"type": "stop_limit", "stop_price": "1"}, 422, 40010001),
        ({"type": "trailing_stop"}, 422, 40010001),
        ({"type": "trailing_stop", "trail_percent": "0.05"}, 422, 40010001),
        ({"limit_price": "5"}, 422, 40010001),
        ({"time_in_force": "week"}, 422, 40010001),
        ({"extended_hours": True}, 422, 42210000),
        ({"extended_hours": "yes"}, 422, 40010001),
        ({"order_class": "bracket"}, 422, 40010001),
        ({"order_class": "pair"}, 422, 40010001),
        ({"take_profit": 5}, 422, 40010001),
        ({"client_order_id": "x" * 129}, 422, 40010001),
        ({"position_intent": "sell_to_open"}, 422, 42210000),
        ({"side": "sell", "qty": "0.5"}, 422, 42210000),
    ]
    for changes, status, code in refusals:
        answer = placed(lasting_exchange, **changes)
        assert (answer.status_code, answer.json()["code"]) == (status, code), changes
    listed = lasting_exchange.raw("GET", "/v2/orders", params={"status": "all"})
    assert listed.json() == []


def test_bodies_that_are_no_orders_are_refused(lasting_exchange: Any) -> None:
    for content in (
        b"",
        b"{",
        b"[]",
        b"null",
        b"5",
        b'"order"',
        b'{"qty": NaN}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ):
        answer = lasting_exchange.raw("POST", "/v2/orders", content=content)
        assert answer.status_code in (400, 422), content[:20]
        assert set(answer.json()) == {"code", "message"}


def test_a_body_of_ten_megabytes_is_refused(lasting_exchange: Any) -> None:
    answer = lasting_exchange.raw("POST", "/v2/orders", content=b"x" * 10_000_000)
    assert answer.status_code == 413
    assert set(answer.json()) == {"code", "message"}

    def endless() -> Any:
        for _ in range(1000):
            yield b"x" * 10_000

    answer = lasting_exchange.raw("POST", "/v2/orders", content=endless())
    assert answer.status_code == 413


def test_bad_queries_and_paths_are_refused(lasting_exchange: Any) -> None:
    for method, path, status in (
        ("GET", "/v2/orders?status=some", 422),
        ("GET", "/v2/orders?limit=0", 422),
        ("GET", "/v2/orders?limit=501", 422),
        ("GET", "/v2/orders?after=soon", 422),
        ("GET", "/v2/orders?nested=perhaps", 422),
        ("GET", "/v2/orders?after_order_id=none", 422),
        ("GET", "/v2/orders/none", 404),
        ("GET", "/v2/orders/%00%ff", 404),
        ("DELETE", "/v2/orders/none", 404),
        ("PATCH", "/v2/orders/none", 404),
        ("PUT", "/v2/orders", 405),
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/positions/none", 404),
        ("DELETE", "/v2/positions/none?qty=x", 404),
        ("GET", "/v2/account/activities?page_size=101", 422),
        ("GET", "/v2/account/activities?date=today", 422),
        ("GET", "/v2/account/portfolio/history?period=forever", 422),
        ("GET", "/v2/account/portfolio/history?timeframe=2Min", 422),
        ("GET", "/v2/account/portfolio/history?period=3M&timeframe=1Min", 422),
        ("GET", "/v2/calendar?start=soon", 422),
        ("GET", "/v2/stocks/KO/nothing", 404),
    ):
        answer = lasting_exchange.raw(method, path)
        assert answer.status_code == status, (method, path, answer.text)
        assert set(answer.json()) >= {"code", "message"}
