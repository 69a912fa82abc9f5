"""What was acknowledged survives the death of the process, exactly once."""

import json
import threading
from decimal import Decimal
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration

KEYS = {"APCA-API-KEY-ID": "paper", "APCA-API-SECRET-KEY": "paper"}
CLIENTS, KILLS = 6, 3


def order(number: int, symbol: str = "KO", **more: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "qty": "1",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": f"order-{number}",
        **more,
    }


def flow(exchange: Any, client: int, answered: list[str], sent: list[str]) -> None:
    """Place orders over one connection until the exchange is gone."""
    with httpx.Client(
        base_url=exchange.url, headers=KEYS, timeout=60, trust_env=False
    ) as http:
        for number in range(10_000):
            body = order(number)
            name = body["client_order_id"] = f"{client}-{number}"
            sent.append(name)
            try:
                answer = http.post("/v2/orders", json=body)
            except httpx.HTTPError:
                return
            assert answer.status_code == 200, answer.text
            assert answer.json()["client_order_id"] == name
            answered.append(name)


def all_orders(exchange: Any) -> list[dict[str, Any]]:
    """Return every order, page by page."""
    found: list[dict[str, Any]] = []
    query = {"status": "all", "limit": 500, "direction": "asc"}
    while page := exchange.raw("GET", "/v2/orders", params=query).json():
        found += page
        query["after_order_id"] = page[-1]["id"]
    return found


def test_exchanges_killed_among_clients_lose_no_order_and_double_none(
    start: Any,
) -> None:
    """Clients place orders at once, so their orders share transactions."""
    answered: list[str] = []
    sent: list[str] = []
    for round_ in range(KILLS):
        exchange = start("--cash", "10000000")
        if not round_:
            exchange.control(advance_to="2026-09-14T14:00:00Z")
        enough = len(answered) + 150
        clients = [
            threading.Thread(
                target=flow, args=(exchange, CLIENTS * round_ + one, answered, sent)
            )
            for one in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        while len(answered) < enough:
            assert any(client.is_alive() for client in clients)
        exchange.kill()
        for client in clients:
            client.join(30)
            assert not client.is_alive()

    exchange = start("--cash", "10000000")
    assert exchange.control()["now"] == "2026-09-14T14:00:00Z"
    names = [one["client_order_id"] for one in all_orders(exchange)]
    assert len(set(names)) == len(names)
    assert set(answered) <= set(names) <= set(sent)
    # At most the order that each client had on its way was taken without an answer.
    assert len(names) <= len(answered) + KILLS * CLIENTS
    # A client that asks again finds out which it was, and nothing is there twice.
    for name in set(sent) - set(answered):
        body = {**order(0), "client_order_id": name}
        again = exchange.raw("POST", "/v2/orders", json=body)
        assert again.status_code == (422 if name in names else 200)

    exchange.control(advance_to="2026-09-14T18:00:00Z")
    found = all_orders(exchange)
    assert sorted(one["client_order_id"] for one in found) == sorted(sent)
    assert {one["status"] for one in found} == {"filled"}
    position = exchange.raw("GET", "/v2/positions/KO").json()
    assert Decimal(position["qty"]) == len(sent)
    spent = sum(
        Decimal(one["filled_qty"]) * Decimal(one["filled_avg_price"]) for one in found
    )
    account = exchange.raw("GET", "/v2/account").json()
    assert Decimal(account["cash"]) == 10_000_000 - spent


def test_the_tape_has_every_order_and_every_fill_once(start: Any) -> None:
    first = start()
    first.control(advance_to="2026-09-14T14:00:00Z")
    for number in range(10):
        first.raw("POST", "/v2/orders", json=order(number))
    first.kill()
    second = start()
    for number in range(10, 15):
        second.raw("POST", "/v2/orders", json=order(number))
    second.control(advance_to="2026-09-14T15:00:00Z")
    lines = [
        json.loads(line)
        for line in (second.directory / "tape.jsonl").read_text().splitlines()
    ]
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    arrived = [
        line["client_order_id"]
        for line in lines
        if line["kind"] == "order" and line["event"] == "pending_new"
    ]
    assert arrived == [f"order-{number}" for number in range(15)]
    fills = [line for line in lines if line["kind"] == "fill"]
    activities = second.raw("GET", "/v2/account/activities/FILL").json()
    assert [fill["id"] for fill in fills] == [one["id"] for one in activities][::-1]
    placed = [
        line for line in lines if line["kind"] == "request" and line["method"] == "POST"
    ]
    assert len(placed) == 15
    assert all(line["answer"]["id"] for line in placed)


def test_a_running_clock_never_goes_back_over_a_restart(start: Any) -> None:
    first = start()
    first.control(run=60)
    for _ in range(20):
        seen = first.control()["now"]
    first.kill()
    second = start()
    state = second.control()
    assert state["running"] and state["speed"] == 60
    assert state["now"] >= seen


def test_resting_orders_go_on_after_a_restart(start: Any) -> None:
    first = start()
    first.control(advance_to="2026-09-14T20:00:00Z")
    first.raw("POST", "/v2/orders", json=order(1))
    resting = order(2, type="limit", limit_price="1", time_in_force="gtc")
    first.raw("POST", "/v2/orders", json=resting)
    first.kill()
    second = start()
    second.control(advance_to="2026-09-15T13:31:00Z")
    states = {
        one["client_order_id"]: one["status"]
        for one in second.raw("GET", "/v2/orders", params={"status": "all"}).json()
    }
    assert states == {"order-1": "filled", "order-2": "new"}
