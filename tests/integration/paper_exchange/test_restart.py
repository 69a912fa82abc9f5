"""What was acknowledged survives the death of the process, exactly once."""

import json
import threading
from decimal import Decimal
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration


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


def test_a_killed_exchange_has_lost_no_order_and_doubled_none(start: Any) -> None:
    first = start()
    first.control(advance_to="2026-09-14T14:00:00Z")
    acknowledged: list[str] = []

    def place() -> None:
        for number in range(10_000):
            try:
                answer = first.raw("POST", "/v2/orders", json=order(number))
            except httpx.HTTPError:
                return
            assert answer.status_code == 200
            acknowledged.append(answer.json()["client_order_id"])

    thread = threading.Thread(target=place)
    thread.start()
    while len(acknowledged) < 40:
        assert thread.is_alive()
    first.kill()
    thread.join(30)
    second = start()
    assert second.control()["now"] == "2026-09-14T14:00:00Z"
    second.control(advance_to="2026-09-14T16:00:00Z")
    found = second.raw(
        "GET", "/v2/orders", params={"status": "all", "limit": 500}
    ).json()
    names = [one["client_order_id"] for one in found]
    assert len(set(names)) == len(names)
    assert set(acknowledged) <= set(names)
    # At most the order that was on its way is there without having been answered.
    assert len(names) <= len(acknowledged) + 1
    position = second.raw("GET", "/v2/positions/KO").json()
    assert Decimal(position["qty"]) == len(names)
    account = second.raw("GET", "/v2/account").json()
    spent = sum(
        Decimal(one["filled_qty"]) * Decimal(one["filled_avg_price"]) for one in found
    )
    assert Decimal(account["cash"]) == 100_000 - spent


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
