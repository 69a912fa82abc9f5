"""Market time in the hands of whoever holds the control token."""

import time
from datetime import datetime, timedelta
from typing import Any

import pytest

pytestmark = pytest.mark.integration

AUTHORIZED = {"Authorization": "Bearer control-token"}


def market_time(exchange: Any) -> datetime:
    return datetime.fromisoformat(exchange.control()["now"])


def test_the_clock_stands_still_until_it_is_told_to_run(exchange: Any) -> None:
    first = exchange.control()
    assert (first["running"], first["pending"]) == (False, 0)
    time.sleep(0.3)
    assert exchange.control()["now"] == first["now"]
    exchange.control(run=60)
    started = time.monotonic()
    before = market_time(exchange)
    while market_time(exchange) < before + timedelta(seconds=30):
        assert time.monotonic() < started + 20, "the clock does not run"
        time.sleep(0.02)
    stopped = exchange.control(stop=True)
    assert not stopped["running"]
    time.sleep(0.2)
    assert exchange.control()["now"] == stopped["now"]


def test_a_running_clock_jumps_over_closed_hours_when_asked(exchange: Any) -> None:
    exchange.control(advance_to="2026-09-18T19:59:00Z")
    exchange.control(run=600, skip_closed=True)
    deadline = time.monotonic() + 30
    seen: list[datetime] = []
    while not seen or seen[-1] < datetime.fromisoformat("2026-09-21T13:35:00Z"):
        assert time.monotonic() < deadline, seen[-5:]
        seen.append(market_time(exchange))
        time.sleep(0.01)
    night = [
        now
        for now in seen
        if datetime.fromisoformat("2026-09-18T20:02:00Z")
        < now
        < datetime.fromisoformat("2026-09-21T13:28:00Z")
    ]
    assert night == []
    assert seen == sorted(seen)


def test_time_does_not_go_back(exchange: Any) -> None:
    answer = exchange.raw(
        "POST",
        "/control/clock",
        headers=AUTHORIZED,
        json={"advance_to": "2026-09-14T13:00:00Z"},
    )
    assert answer.status_code == 422
    assert "does not go back" in answer.json()["message"]


def test_a_move_that_makes_no_sense_is_refused(lasting_exchange: Any) -> None:
    bodies: list[Any] = [
        {},
        {"run": 1, "stop": True},
        {"run": 0},
        {"run": -5},
        {"run": "fast"},
        {"run": True},
        {"advance_to": "soon"},
        {"advance_to": 5},
        {"step": "back"},
        {"step": []},
        {"step": "open", "stop": True},
        [],
        "x",
    ]
    for body in bodies:
        answer = lasting_exchange.raw(
            "POST", "/control/clock", headers=AUTHORIZED, json=body
        )
        assert answer.status_code == 422, body
        assert set(answer.json()) == {"code", "message"}


def test_time_steps_to_the_open_and_to_the_price_that_reaches_an_order(
    exchange: Any,
) -> None:
    client = exchange.trading()
    opened = exchange.control(step="open")
    assert (opened["now"], opened["running"]) == ("2026-09-14T13:30:00Z", False)
    order = {"symbol": "KO", "qty": "1", "side": "buy", "type": "trailing_stop"}
    order |= {"trail_percent": "0.1", "time_in_force": "day"}
    placed = exchange.raw("POST", "/v2/orders", json=order)
    assert placed.status_code == 200, placed.text
    seen = [datetime.fromisoformat(opened["now"])]
    while client.get_order_by_id(placed.json()["id"]).filled_at is None:
        seen.append(datetime.fromisoformat(exchange.control(step="event")["now"]))
        assert seen[-1] > seen[-2]
        assert seen[-1] < datetime.fromisoformat("2026-09-14T20:00:00Z")
    # The step ends on the price that fills, and the one before it does not.
    filled = client.get_order_by_id(placed.json()["id"]).filled_at
    assert seen[-2] < filled
    assert filled - seen[-1] < timedelta(seconds=1)
    after_hours = exchange.control(step="event")
    assert after_hours["now"] == "2026-09-14T20:00:00Z"
    assert exchange.control(step="open")["now"] == "2026-09-15T13:30:00Z"


def test_an_advance_over_months_keeps_every_session_in_order(exchange: Any) -> None:
    client = exchange.trading()
    # Over the end of daylight saving time, Thanksgiving and a half day.
    exchange.control(set="2026-11-30T15:00:00Z")
    clock = client.get_clock()
    assert clock.timestamp.isoformat() == "2026-11-30T10:00:00-05:00"
    assert clock.is_open


def test_requests_are_limited_at_real_speed_and_never_in_lockstep(
    exchange: Any, start: Any
) -> None:
    free = [exchange.raw("GET", "/v2/clock") for _ in range(30)]
    assert all(answer.status_code == 200 for answer in free)
    limited = start("--rate-limit", "5", "--start", directory="limited")
    answers = [limited.raw("GET", "/v2/account") for _ in range(15)]
    assert {answer.status_code for answer in answers} == {200, 429}
    last = answers[-1]
    if last.status_code == 429:
        assert last.json() == {"code": 42910000, "message": "rate limit exceeded"}
        assert last.headers["x-ratelimit-remaining"] == "0"
    assert answers[0].headers["x-ratelimit-limit"] == "5"
    limited.control(run=200)
    fast = [limited.raw("GET", "/v2/account") for _ in range(15)]
    assert {answer.status_code for answer in fast} == {200}


def test_a_market_that_cannot_start_says_why_in_one_sentence(
    start: Any, exchange: Any
) -> None:
    with pytest.raises(AssertionError, match="Choose another --port"):
        start("--port", exchange.url.rsplit(":", 1)[1], directory="second")
    with pytest.raises(AssertionError, match="cannot be used"):
        start()
    exchange.stop()
    with pytest.raises(AssertionError, match="belongs to another market"):
        start("--seed", "8")
