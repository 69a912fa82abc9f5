"""Every refusal of the broker's table, with its status, its code and what it tells.

The table is that of the broker's documentation of order errors; messages drift, so only
status, code and further keys are compared.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from paper_exchange import app
from paper_exchange.corporate import CorporateAction
from paper_exchange.exchange import Exchange
from paper_exchange.instants import HOUR, MINUTE
from paper_exchange.pacer import Pacer
from trading_core.matching import ALPACA_PAPER

pytestmark = pytest.mark.unit

CONTROL = "token"
HEADERS = {
    "APCA-API-KEY-ID": "paper",
    "APCA-API-SECRET-KEY": "paper",
    "Authorization": f"Bearer {CONTROL}",
}
INVALID, UNPROCESSABLE = (422, 40010001), (422, 42210000)
FORBIDDEN, UNKNOWN = (403, 40310000), (404, 40410000)


class Desk:
    """An exchange in its session, and somebody who asks it for what cannot be."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._runner = asyncio.Runner()
        gate = app.create(exchange, Pacer(exchange), CONTROL)
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(gate), base_url="http://exchange"
        )
        self.wait_until(exchange.sessions.days[2].open + 30 * MINUTE)

    def wait_until(self, instant: int) -> None:
        self.exchange.advance(instant)
        self.exchange.journal.commit()

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        more.setdefault("headers", HEADERS)
        return self._runner.run(self._client.request(method, path, **more))

    def order(self, **changes: Any) -> httpx.Response:
        body: dict[str, Any] = {
            "symbol": "KO",
            "side": "buy",
            "type": "market",
            "qty": "1",
            "time_in_force": "day",
            **changes,
        }
        body = {name: value for name, value in body.items() if value is not ...}
        return self.ask("POST", "/v2/orders", json=body)

    def placed(self, **changes: Any) -> Any:
        answer = self.order(**changes)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def price(self, factor: str = "1") -> str:
        answer = self.ask("GET", "/v2/stocks/KO/trades/latest").json()
        return f"{answer['trade']['p'] * float(factor):.2f}"

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


@pytest.fixture
def desk(build: Callable[..., Exchange]) -> Iterator[Desk]:
    made = Desk(build(model=replace(ALPACA_PAPER, partial_odds=0.0)))
    yield made
    made.close()


def refused(answer: httpx.Response, expected: tuple[int, int], keys: str = "") -> None:
    content = answer.json()
    assert (answer.status_code, content["code"]) == expected, content
    assert isinstance(content["message"], str)
    assert set(keys.split()) == set(content) - {"code", "message"}, content


LIMIT = {"type": "limit", "limit_price": "1"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"client_order_id": "x" * 129}, INVALID),
        ({"qty": "0"}, INVALID),
        ({"qty": ...}, INVALID),
        ({"notional": "5"}, INVALID),
        ({"type": "limit"}, INVALID),
        ({"type": "limit", "limit_price": "0"}, INVALID),
        ({"type": "stop"}, INVALID),
        ({"type": "stop_limit", "limit_price": "1"}, INVALID),
        ({"type": "stop_limit", "stop_price": "1"}, INVALID),
        ({"limit_price": "1"}, INVALID),
        ({"stop_price": "1"}, INVALID),
        ({"type": "trailing_stop"}, INVALID),
        ({"type": "trailing_stop", "trail_price": 1, "trail_percent": 1}, INVALID),
        ({"type": "trailing_stop", "trail_percent": "0.09"}, INVALID),
        ({"time_in_force": "gtd"}, INVALID),
        ({"type": "iceberg"}, INVALID),
        ({"order_class": "bracket", "stop_loss": {"stop_price": "1"}}, INVALID),
        ({"order_class": "bracket", "take_profit": {"limit_price": "999"}}, INVALID),
        # A trail in the place of a stop's price is dropped, so that one is missing.
        (
            {
                "order_class": "bracket",
                "take_profit": {"limit_price": "999"},
                "stop_loss": {"trail_percent": "1"},
            },
            INVALID,
        ),
        (
            {
                "order_class": "oto",
                "time_in_force": "ioc",
                "take_profit": {"limit_price": "999"},
            },
            INVALID,
        ),
        ({"order_class": "mleg"}, INVALID),
        ({**LIMIT, "limit_price": "290.123"}, UNPROCESSABLE),
        ({**LIMIT, "limit_price": "0.12345"}, UNPROCESSABLE),
        ({"type": "stop", "stop_price": "290.123"}, UNPROCESSABLE),
        ({"symbol": "NOPE"}, UNPROCESSABLE),
        ({"extended_hours": True}, UNPROCESSABLE),
        ({**LIMIT, "extended_hours": True, "time_in_force": "ioc"}, UNPROCESSABLE),
        ({"qty": "0.5", "time_in_force": "gtc"}, UNPROCESSABLE),
        (
            {
                "qty": "1.5",
                "order_class": "oto",
                "stop_loss": {"stop_price": "1"},
            },
            UNPROCESSABLE,
        ),
        ({"qty": "1.5", "type": "trailing_stop", "trail_percent": "1"}, UNPROCESSABLE),
        ({"qty": "0.5", "side": "sell"}, UNPROCESSABLE),
        ({"position_intent": "buy_to_close"}, UNPROCESSABLE),
        ({"qty": ..., "notional": "0.99"}, FORBIDDEN),
        ({"time_in_force": "opg"}, FORBIDDEN),
    ],
)
def test_a_request_that_contradicts_itself_or_the_rules(
    desk: Desk, changes: dict[str, Any], expected: tuple[int, int]
) -> None:
    refused(desk.order(**changes), expected)


def test_an_id_is_taken_once(desk: Desk) -> None:
    desk.placed(client_order_id="one")
    refused(desk.order(client_order_id="one"), INVALID)


def test_money_and_shares_that_are_not_there(desk: Desk) -> None:
    answer = desk.order(qty="1000000")
    refused(answer, FORBIDDEN, "buying_power cost_basis")
    desk.placed(qty="10")
    waits = desk.placed(side="sell", qty="4", **{**LIMIT, "limit_price": "999"})
    answer = desk.order(side="sell", qty="7")
    keys = "available existing_qty held_for_orders symbol related_orders"
    refused(answer, FORBIDDEN, keys)
    assert answer.json() | {"code": 0, "message": ""} == {
        "code": 0,
        "message": "",
        "available": "6",
        "existing_qty": "10",
        "held_for_orders": "4",
        "symbol": "KO",
        "related_orders": [waits["id"]],
    }
    answer = desk.order()
    # A purchase at the market would meet a limit order of the same account.
    refused(answer, FORBIDDEN, "existing_order_id reject_reason")
    assert answer.json()["existing_order_id"] == waits["id"]


def test_short_sales(desk: Desk) -> None:
    desk.placed(**LIMIT)
    refused(desk.order(side="sell", **{**LIMIT, "limit_price": "999"}), FORBIDDEN)
    desk.ask("DELETE", "/v2/orders")
    resting = desk.placed(side="sell", **{**LIMIT, "limit_price": "999"})
    assert resting["position_intent"] == "sell_to_open"
    refused(desk.order(**LIMIT), FORBIDDEN)
    desk.ask("DELETE", "/v2/orders")
    for terms in ({"shortable": False}, {"shortable": True, "easy_to_borrow": False}):
        asset = desk.ask("POST", "/control/assets", json={"symbol": "KO", **terms})
        assert {name: asset.json()[name] for name in terms} == terms
        refused(desk.order(side="sell"), UNPROCESSABLE)
    assert asset.json()["borrow_status"] == "hard_to_borrow"
    desk.ask("POST", "/control/assets", json={"symbol": "KO", "easy_to_borrow": True})
    desk.ask("PATCH", "/v2/account/configurations", json={"no_shorting": True})
    refused(desk.order(side="sell"), FORBIDDEN)


def test_assets_without_parts_and_assets_that_are_gone(desk: Desk) -> None:
    desk.placed(qty="1.5")
    desk.ask("POST", "/control/assets", json={"symbol": "KO", "fractionable": False})
    refused(desk.order(qty="0.5"), FORBIDDEN)
    refused(desk.order(qty=..., notional="50"), FORBIDDEN)
    # Whoever holds a part may let go of all of it.
    assert desk.ask("DELETE", "/v2/positions/KO").status_code == 200
    gone = CorporateAction("1", "delist", "PEP", "2026-03-04", "2026-03-04")
    desk.exchange.announce(gone)
    refused(desk.order(symbol="PEP"), INVALID)


def test_auctions_have_their_hours(desk: Desk) -> None:
    day = desk.exchange.sessions.days[2]
    at_close = {"time_in_force": "cls"}
    desk.wait_until(day.close - 10 * MINUTE - 1)
    desk.placed(**at_close)
    desk.wait_until(day.close - 10 * MINUTE)
    refused(desk.order(**at_close), FORBIDDEN)
    evening = day.midnight + 19 * HOUR
    desk.wait_until(evening - 1)
    refused(desk.order(**at_close), FORBIDDEN)
    refused(desk.order(time_in_force="opg"), FORBIDDEN)
    desk.wait_until(evening)
    desk.placed(**at_close)
    desk.placed(time_in_force="opg")
    opens = desk.exchange.sessions.days[3].open
    desk.wait_until(opens - 2 * MINUTE - 1)
    desk.placed(time_in_force="opg")
    desk.wait_until(opens - 2 * MINUTE)
    refused(desk.order(time_in_force="opg"), FORBIDDEN)


def test_what_is_not_there(desk: Desk) -> None:
    for path in (
        "/v2/orders/00000000-0000-4000-8000-000000000000",
        "/v2/orders:by_client_order_id?client_order_id=none",
        "/v2/positions/KO",
        "/v2/assets/NOPE",
        "/v2/watchlists/none",
        "/v2/watchlists:by_name?name=none",
        "/v2/options/contracts/KO",
        "/v2/corporate_actions/announcements/none",
    ):
        refused(desk.ask("GET", path), UNKNOWN)
    unknown = {"name": "a", "symbols": ["NOPE"]}
    refused(desk.ask("POST", "/v2/watchlists", json=unknown), UNKNOWN)
    refused(desk.ask("DELETE", "/v2/orders/none"), UNKNOWN)
    refused(desk.ask("PATCH", "/v2/orders/none", json={"qty": "2"}), UNKNOWN)
    refused(desk.ask("DELETE", "/v2/positions/KO"), UNKNOWN)
    made = desk.ask("POST", "/v2/watchlists", json={"name": "a"}).json()
    refused(desk.ask("DELETE", f"/v2/watchlists/{made['id']}/KO"), UNKNOWN)


def test_changes_that_come_too_early_or_too_late(desk: Desk) -> None:
    def change(order: Any, **changes: Any) -> httpx.Response:
        return desk.ask("PATCH", f"/v2/orders/{order['id']}", json=changes)

    first = desk.placed(**LIMIT)
    refused(change(first, limit_price="1"), UNPROCESSABLE)
    refused(change(first), UNPROCESSABLE)
    # The broker's own Go client sends every name, empty where nothing changes.
    second = change(first, limit_price="1.01", time_in_force="", qty=None).json()
    assert second["replaces"] == first["id"]
    refused(change(first, limit_price="1.02"), UNPROCESSABLE)
    desk.ask("DELETE", f"/v2/orders/{second['id']}")
    refused(change(second, limit_price="1.02"), UNPROCESSABLE)
    refused(desk.ask("DELETE", f"/v2/orders/{second['id']}"), UNPROCESSABLE)
    filled = desk.placed(qty="3")
    refused(desk.ask("DELETE", f"/v2/orders/{filled['id']}"), UNPROCESSABLE)
    refused(change(filled, qty="4"), UNPROCESSABLE)
    exits = desk.placed(
        qty="3",
        side="sell",
        type="limit",
        order_class="oco",
        time_in_force="gtc",
        take_profit={"limit_price": desk.price("1.5")},
        stop_loss={"stop_price": desk.price("0.5")},
    )
    refused(change(exits, qty="2"), UNPROCESSABLE)
    assert change(exits, limit_price=desk.price("1.6")).status_code == 200
    desk.ask("DELETE", "/v2/orders")
    desk.wait_until(desk.exchange.sessions.days[2].close + MINUTE)
    queued = desk.placed(**LIMIT)
    assert queued["status"] == "accepted"
    refused(change(queued, limit_price="1.01"), UNPROCESSABLE)


def test_a_partly_filled_order_keeps_what_is_filled(
    build: Callable[..., Exchange],
) -> None:
    desk = Desk(build(model=replace(ALPACA_PAPER, partial_odds=1.0)))
    order = desk.placed(qty="1000", **{**LIMIT, "limit_price": desk.price("1.2")})
    path = f"/v2/orders/{order['id']}"
    partly = desk.ask("GET", path).json()
    assert partly["status"] == "partially_filled"
    less = {"qty": partly["filled_qty"]}
    refused(desk.ask("PATCH", path, json=less), UNPROCESSABLE)
    assert desk.ask("DELETE", path).status_code == 204
    ended = desk.ask("GET", path).json()
    assert (ended["status"], ended["filled_qty"]) == ("canceled", partly["filled_qty"])
    desk.close()


def test_exits_on_the_wrong_side(desk: Desk) -> None:
    low, high = desk.price("0.9"), desk.price("1.1")
    both = {"take_profit": {"limit_price": high}, "stop_loss": {"stop_price": low}}
    oco = {"type": "limit", "order_class": "oco", "time_in_force": "gtc", **both}
    refused(desk.order(side="sell", **oco), UNPROCESSABLE)
    bracket = {**both, "order_class": "bracket", "stop_loss": {"stop_price": high}}
    refused(desk.order(**bracket), UNPROCESSABLE, "base_price")
    desk.placed(qty="10")
    answer = desk.order(side="sell", type="stop", stop_price=high)
    refused(answer, UNPROCESSABLE, "market_price stop_price")


def test_keys_and_data(desk: Desk) -> None:
    refused(desk.ask("GET", "/v2/account", headers={}), (401, 40110000))
    wrong = {**HEADERS, "APCA-API-SECRET-KEY": "no"}
    refused(desk.ask("GET", "/v2/account", headers=wrong), FORBIDDEN)
    for path in (
        "/v2/stocks/bars?symbols=KO&timeframe=1Min&limit=10001",
        "/v2/stocks/bars?symbols=KO&timeframe=1Min&limit=0",
        "/v2/stocks/bars?symbols=K$O&timeframe=1Min",
        "/v2/stocks/bars?timeframe=1Min",
        "/v2/stocks/bars?symbols=KO",
        "/v2/stocks/bars?symbols=KO&timeframe=60Min",
        "/v2/stocks/bars?symbols=KO&timeframe=1Day&feed=none",
        "/v2/stocks/bars?symbols=KO&timeframe=1Day&adjustment=none",
        "/v2/stocks/bars?symbols=KO&timeframe=1Day&sort=up",
        "/v2/stocks/bars?symbols=KO&timeframe=1Day&page_token=none",
        "/v2/stocks/bars?symbols=KO&timeframe=1Day&start=soon",
        "/v2/stocks/meta/conditions/trade?tape=D",
        "/v1/corporate-actions?limit=1001",
        "/v1/corporate-actions?start=soon",
        "/v1/corporate-actions?types=party",
    ):
        refused(desk.ask("GET", path), (400, 40010000))
    answer = desk.ask("GET", "/v2/stocks/bars?symbols=NOPE&timeframe=1Min")
    assert answer.json() == {"bars": {}, "next_page_token": None}
