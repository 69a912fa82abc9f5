"""A trade that is reported late revises the bar of its minute, also on the stream."""

from typing import Any

import orjson
import pytest
from websockets.sync.client import connect

pytestmark = pytest.mark.integration

AUTH = '{"action":"auth","key":"paper","secret":"paper"}'
WANTED = {"bars": ["KO"], "updatedBars": ["KO"], "trades": ["KO"], "quotes": ["KO"]}


def minute(exchange: Any, start: str) -> Any:
    """Return the bar of a minute, or None."""
    query = {"timeframe": "1Min", "start": start, "end": start}
    answer = exchange.raw("GET", "/v2/stocks/KO/bars", params=query)
    return next(iter(answer.json()["bars"]), None)


def heard(socket: Any, letter: str, **more: list[str]) -> list[dict[str, Any]]:
    """Return what the stream told of one kind until it answered a subscription."""
    found: list[dict[str, Any]] = []
    socket.send(orjson.dumps({"action": "subscribe", **more}).decode())
    while True:
        for message in orjson.loads(socket.recv(timeout=20)):
            if message["T"] == "subscription":
                return found
            if message["T"] == letter:
                found.append(message)


def test_a_late_trade_revises_its_minute(exchange: Any) -> None:
    exchange.control(advance_to="2026-09-14T14:00:00Z")
    with connect(f"{exchange.stream_url}/v2/iex", proxy=None) as socket:
        socket.send(AUTH)
        heard(socket, "b", **WANTED)
        exchange.control(advance_to="2026-09-14T14:01:05Z")
        (told,) = heard(socket, "b")
        before = minute(exchange, "2026-09-14T14:00:00Z")
        assert {**told, "T": None} == {"T": None, "S": "KO", **before}

        high = round(before["h"] + 1, 2)
        late = {"symbol": "KO", "print": high, "time": "2026-09-14T14:00:30Z"}
        exchange.control("/control/prices", **late, size=300)
        after = minute(exchange, "2026-09-14T14:00:00Z")
        assert (after["h"], after["v"]) == (high, before["v"] + 300)
        assert all(after[name] == before[name] for name in ("o", "l", "c"))
        (trade,) = heard(socket, "t")[-1:]
        assert (trade["t"], trade["p"], trade["s"]) == (late["time"], high, 300)
        # The price of now is another one's.
        latest = exchange.raw("GET", "/v2/stocks/KO/trades/latest").json()["trade"]
        assert latest["p"] != high

        exchange.control(advance_to="2026-09-14T14:01:29Z")
        assert heard(socket, "u") == []
        exchange.control(advance_to="2026-09-14T14:01:30Z")
        (revised,) = heard(socket, "u")
        assert revised == {"T": "u", "S": "KO", **after}

    # What is reported long after is told at the next half minute.
    exchange.control(advance_to="2026-09-14T15:00:30Z")
    with connect(f"{exchange.stream_url}/v2/iex", proxy=None) as socket:
        socket.send(AUTH)
        heard(socket, "u", **WANTED)
        exchange.control("/control/prices", **late, size=99)
        odd = minute(exchange, "2026-09-14T14:00:00Z")
        # An odd lot counts for the volume only.
        assert {**odd, "v": 0, "vw": 0, "n": 0} == {**after, "v": 0, "vw": 0, "n": 0}
        assert odd["v"] == after["v"] + 99
        exchange.control(advance_to="2026-09-14T15:01:30Z")
        assert [one["v"] for one in heard(socket, "u")] == [odd["v"]]


def test_a_minute_without_a_trade_has_a_bar_once_one_is_reported(exchange: Any) -> None:
    exchange.control(advance_to="2026-09-14T20:30:00Z")
    evening = [f"2026-09-14T20:{minute:02}:00Z" for minute in range(2, 28)]
    empty = next(start for start in evening if minute(exchange, start) is None)
    late = {"symbol": "KO", "print": 60.0, "time": empty}
    exchange.control("/control/prices", **late, size=99)
    assert minute(exchange, empty) is None
    exchange.control("/control/prices", **late, size=100)
    bar = minute(exchange, empty)
    assert [bar[name] for name in "ohlcv"] == [60.0, 60.0, 60.0, 60.0, 100]
    # Both are trades, at one time: pages lose neither.
    query = {"start": empty, "end": empty.replace(":00Z", ":59Z"), "limit": 1}
    sizes, token = [], None
    while True:
        more = {"page_token": token} if token else {}
        page = exchange.raw("GET", "/v2/stocks/KO/trades", params=query | more).json()
        sizes += [trade["s"] for trade in page["trades"]]
        token = page["next_page_token"]
        if token is None:
            break
    assert sizes == [99, 100]


def test_late_trades_survive_a_restart_and_none_comes_early(start: Any) -> None:
    first = start()
    first.control(advance_to="2026-09-14T14:10:00Z")
    late = {"symbol": "KO", "print": 99.5, "time": "2026-09-14T14:05:30Z"}
    first.control("/control/prices", **late)
    revised = minute(first, "2026-09-14T14:05:00Z")
    assert revised["h"] == 99.5
    token = {"Authorization": "Bearer control-token"}
    for wrong in (
        {"time": "2026-09-14T14:10:01Z"},
        {"time": "1999-01-01T00:00:00Z"},
        {"time": 5},
        {"size": 0},
        {"size": 1.5},
    ):
        body = {**late, **wrong}
        answer = first.raw("POST", "/control/prices", headers=token, json=body)
        assert answer.status_code == 422, body
    first.kill()
    assert minute(start(), "2026-09-14T14:05:00Z") == revised
