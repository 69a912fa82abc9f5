"""Each fault of the menu, seen from the client."""

import json
import time
from typing import Any

import httpx
import pytest
from alpaca.common.exceptions import APIError
from pydantic import ValidationError
from websockets.sync.client import connect

pytestmark = pytest.mark.integration

AUTHORIZED = {"Authorization": "Bearer control-token"}


def order(name: str) -> dict[str, Any]:
    return {
        "symbol": "KO",
        "qty": "1",
        "side": "buy",
        "type": "limit",
        "limit_price": "1",
        "time_in_force": "gtc",
        "client_order_id": name,
    }


def place(exchange: Any, name: str) -> httpx.Response:
    answer: httpx.Response = exchange.raw("POST", "/v2/orders", json=order(name))
    return answer


def exists(exchange: Any, name: str) -> bool:
    answer = exchange.raw(
        "GET", "/v2/orders:by_client_order_id", params={"client_order_id": name}
    )
    return bool(answer.status_code == 200)


def strike(exchange: Any, kind: str, **more: Any) -> None:
    fault = {"method": "POST", "path": "/v2/orders", "count": 1, **more, "kind": kind}
    exchange.control("/control/faults", **fault)


@pytest.fixture
def trading(lasting_exchange: Any) -> Any:
    lasting_exchange.raw("DELETE", "/control/faults", headers=AUTHORIZED)
    return lasting_exchange


@pytest.mark.parametrize(
    ("kind", "status", "content_type"),
    [
        ("429", 429, "application/json"),
        ("429_without_headers", 429, "application/json"),
        ("500", 500, "application/json"),
        ("502_html", 502, "text/html"),
        ("503", 503, "application/json"),
        ("duplicate_id", 422, "application/json"),
    ],
)
def test_what_is_refused_outright_has_no_effect(
    trading: Any, kind: str, status: int, content_type: str
) -> None:
    strike(trading, kind)
    answer = place(trading, kind)
    assert answer.status_code == status
    assert answer.headers["content-type"] == content_type
    has_limits = "x-ratelimit-limit" in answer.headers
    assert has_limits == (kind != "429_without_headers")
    assert not exists(trading, kind)
    assert place(trading, f"after {kind}").status_code == 200


def test_an_accepted_order_can_look_like_a_time_out(trading: Any) -> None:
    strike(trading, "504_after_accepting")
    assert place(trading, "late").status_code == 504
    assert exists(trading, "late")


def test_an_answer_can_hang_or_the_order_itself(trading: Any) -> None:
    for kind in ("hang_after_accepting", "hang_before_accepting"):
        strike(trading, kind, seconds=1)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                trading.url + "/v2/orders",
                json=order(kind),
                headers={"APCA-API-KEY-ID": "paper", "APCA-API-SECRET-KEY": "paper"},
                timeout=0.3,
                trust_env=False,
            )
        assert exists(trading, kind) == (kind == "hang_after_accepting")
        deadline = time.monotonic() + 10
        while not exists(trading, kind):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_connection_can_break_in_the_middle_of_the_answer(trading: Any) -> None:
    strike(trading, "reset")
    with pytest.raises(httpx.RemoteProtocolError):
        place(trading, "broken")
    assert exists(trading, "broken")


def test_an_answer_can_be_cut_or_of_another_shape(trading: Any) -> None:
    strike(trading, "truncated")
    with pytest.raises(ValueError):
        place(trading, "cut").json()
    strike(trading, "unknown_field")
    assert "brand_new_field" in place(trading, "more").json()
    client = trading.trading()
    for kind in ("missing_field", "retyped_field"):
        trading.control(
            "/control/faults", kind=kind, path="/v2/account", count=1, field="id"
        )
        with pytest.raises((ValidationError, ValueError, AttributeError)):
            client.get_account()
    assert client.get_account().cash == "100000"


@pytest.mark.parametrize("path", ["/v2/stocks/KO/trades/latest", "/v2/positions"])
def test_a_fault_strikes_any_path_of_both_apis(trading: Any, path: str) -> None:
    strike(trading, "503", method="GET", path=path)
    assert [trading.raw("GET", path).status_code for _ in range(2)] == [503, 200]


def test_a_fault_can_strike_by_chance(trading: Any) -> None:
    strike(trading, "500", method="GET", path="/v2/clock", count=40, probability=0.5)
    seen = [trading.raw("GET", "/v2/clock").status_code for _ in range(200)]
    # Forty times, then never again; and not the first forty in a row.
    assert seen.count(500) == 40
    assert 200 in seen[:40]


def test_a_fault_can_wait_for_one_order(trading: Any) -> None:
    strike(trading, "503", client_order_id="the one")
    assert place(trading, "another").status_code == 200
    assert place(trading, "the one").status_code == 503


def test_a_fault_waits_for_an_order_wherever_a_request_names_it(trading: Any) -> None:
    names = ("the named one", "a neighbor")
    ids = [place(trading, name).json()["id"] for name in names]
    by_name = "/v2/orders:by_client_order_id?client_order_id="
    for method, paths in (
        ("GET", [by_name + name for name in names]),
        ("GET", [f"/v2/orders/{one}" for one in ids]),
        ("DELETE", [f"/v2/orders/{one}" for one in ids]),
    ):
        strike(trading, "503", method=method, client_order_id="the named one")
        assert trading.raw(method, paths[1]).status_code in (200, 204)
        assert trading.raw(method, paths[0]).status_code == 503, paths[0]
        assert trading.raw(method, "/v2/orders/none").status_code == 404


def test_the_tape_tells_of_each_fault_and_what_it_struck(start: Any) -> None:
    exchange = start(directory="taped")
    exchange.control(advance_to="2026-09-14T14:00:00Z")
    login = {"key_id": "paper", "secret_key": "paper"}
    with connect(f"{exchange.stream_url}/stream", proxy=None) as stream:
        for words in (
            {"action": "authenticate", "data": login},
            {"action": "listen", "data": {"streams": ["trade_updates"]}},
        ):
            stream.send(json.dumps(words))
            stream.recv(timeout=20)
        strike(exchange, "stream_duplicate", path="/stream", client_order_id="taped")
        strike(exchange, "504_after_accepting", client_order_id="taped")
        assert place(exchange, "taped").status_code == 504
        exchange.control("/control/faults", kind="429", count=2, method="GET")
        assert exchange.raw("GET", "/v2/clock").status_code == 429
        exchange.raw("DELETE", "/control/faults", headers=AUTHORIZED)
    exchange.stop()

    tape = (exchange.directory / "tape.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in tape]
    # Each line says what it is of, and that is never lost to what it tells.
    kinds = {line["kind"] for line in lines}
    assert kinds == {"account", "clock", "fault", "menu", "order", "request"}
    struck = {(one["fault"], one["struck"]) for one in lines if one["kind"] == "fault"}
    assert struck == {
        ("504_after_accepting", "POST /v2/orders"),
        ("stream_duplicate", "event of taped"),
        ("429", "GET /v2/clock"),
    }
    menu = [(one["fault"], one["is_on"]) for one in lines if one["kind"] == "menu"]
    assert menu == [
        ("stream_duplicate", True),
        ("504_after_accepting", True),
        ("429", True),
        ("429", False),
    ]


def test_a_fault_without_count_strikes_until_it_is_removed(trading: Any) -> None:
    trading.control("/control/faults", kind="500", path="/v2/clock")
    for _ in range(3):
        with pytest.raises(APIError):
            trading.trading().get_clock()
    assert len(trading.raw("GET", "/control/faults", headers=AUTHORIZED).json()) == 1
    trading.raw("DELETE", "/control/faults", headers=AUTHORIZED)
    assert trading.trading().get_clock() is not None


def test_a_fault_that_makes_no_sense_is_refused(trading: Any) -> None:
    bodies: list[Any] = [
        {},
        {"kind": "earthquake"},
        {"kind": ["500"]},
        {"kind": {}},
        {"kind": "500", "count": 0},
        {"kind": "500", "probability": 2},
        {"kind": "500", "speed": 1},
    ]
    for body in bodies:
        answer = trading.raw("POST", "/control/faults", headers=AUTHORIZED, json=body)
        assert answer.status_code == 422, body


def test_a_read_can_be_stale_for_a_while(trading: Any) -> None:
    before = trading.raw("GET", "/v2/orders").json()
    trading.control(
        "/control/faults",
        kind="stale",
        method="GET",
        path="/v2/orders",
        count=1,
        seconds=8,
    )
    assert trading.raw("GET", "/v2/orders").json() == before
    place(trading, "unseen")
    assert trading.raw("GET", "/v2/orders").json() == before
    deadline = time.monotonic() + 30
    while trading.raw("GET", "/v2/orders").json() == before:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_an_order_can_come_in_a_storm_of_executions(start: Any) -> None:
    exchange = start(directory="storm")
    exchange.control(advance_to="2026-09-14T14:00:00Z")
    strike(exchange, "partial_storm", pieces=7, count=50)
    body = {**order("many"), "type": "market", "qty": "20", "limit_price": None}
    exchange.raw("POST", "/v2/orders", json={**body, "time_in_force": "day"})
    exchange.control(advance_to="2026-09-14T14:30:00Z")

    fills = exchange.raw("GET", "/v2/account/activities/FILL").json()
    placed = exchange.raw(
        "GET", "/v2/orders:by_client_order_id", params={"client_order_id": "many"}
    ).json()

    assert len(fills) >= 7
    assert sum(float(fill["qty"]) for fill in fills) == 20
    assert {fill["cum_qty"] for fill in fills} >= {"20"}
    assert (placed["status"], placed["filled_qty"]) == ("filled", "20")
