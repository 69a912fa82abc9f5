"""Garbage on every route and both streams: an answer, and no traceback in the log.

That no log holds a traceback is checked for every exchange of every test.
"""

import re
from collections.abc import Iterator
from socket import SHUT_WR, create_connection
from typing import Any

import httpx
import msgpack  # type: ignore[import-untyped]
import orjson
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection

pytestmark = pytest.mark.integration

KEYS = {"APCA-API-KEY-ID": "paper", "APCA-API-SECRET-KEY": "paper"}
LARGE = 10_000_000
NAMES = ("x", "%00%ff", "..%2f..", "KO%20", "NaN", "9" * 400, "%F0%9F%92%A9")
QUERIES = (
    "",
    "NaN",
    "-1",
    "\x00",
    "0001-01-01",
    "0001-01-01T00:00:00Z",
    "9999-12-31",
    "9999-12-31T23:59:59.999999999-23:59",
    "2026-13-45",
    "9" * 400,
    "é,,,é",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    2**80,
    "NaN",
    "-Infinity",
    "",
    "\x00",
    "\N{PILE OF POO}",
    [],
    [[1]],
    {},
    {"a": {"b": None}},
    ["KO"] * 10_000,
    "9" * 5_000,
)
FIELDS = (
    "symbol symbols qty notional side type time_in_force limit_price stop_price "
    "trail trail_price trail_percent extended_hours client_order_id order_class "
    "take_profit stop_loss position_intent name max_margin_multiplier no_shorting "
    "suspend_trade trade_confirm_email fractional_trading dtbp_check pdt_check"
).split()
CONTENTS = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe",
    b'{"qty": NaN}',
    b'{"qty": 1e400}',
    b"[" * 50_000,
    b'{"symbol": "KO", "symbol": 5}',
    b'{"\x00": 1}',
)


def operations(exchange: Any) -> Iterator[tuple[str, str, list[str]]]:
    """Yield method, path and query names of every documented operation."""
    described = exchange.raw("GET", "/openapi.json").json()
    for path, methods in described["paths"].items():
        if path.startswith("/control"):
            continue
        for method, what in methods.items():
            queries = [
                one["name"] for one in what["parameters"] if one["in"] == "query"
            ]
            yield method.upper(), path, queries


@pytest.fixture(scope="module")
def http(lasting_exchange: Any) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=lasting_exchange.url, headers=KEYS, timeout=60, trust_env=False
    ) as client:
        yield client


def judge(answer: httpx.Response, *what: Any) -> None:
    """An error is one of Alpaca's, in its form; nothing fails."""
    assert answer.status_code < 500, (what, answer.text)
    if answer.status_code >= 400:
        body = answer.json()
        assert set(body) >= {"code", "message"}, what
        assert type(body["code"]) is int and isinstance(body["message"], str)


def test_names_that_nothing_has(lasting_exchange: Any, http: httpx.Client) -> None:
    for method, path, _ in operations(lasting_exchange):
        for name in NAMES:
            if "{" in path:
                filled = re.sub(r"{\w+}", name, path)
                judge(http.request(method, filled), method, filled)


def test_queries_of_every_wrong_kind(lasting_exchange: Any, http: httpx.Client) -> None:
    for method, path, queries in operations(lasting_exchange):
        filled = re.sub(r"{\w+}", "KO", path)
        for name in queries:
            for value in QUERIES:
                answer = http.request(method, filled, params={name: value})
                judge(answer, method, path, name, value)
            doubled = {name: ["1", "2"]}
            judge(http.request(method, filled, params=doubled), method, path, name)


def test_bodies_of_every_wrong_kind(lasting_exchange: Any, http: httpx.Client) -> None:
    for method, path, _ in operations(lasting_exchange):
        if method not in ("POST", "PUT", "PATCH"):
            continue
        filled = re.sub(r"{\w+}", "KO", path)
        for content in CONTENTS:
            judge(http.request(method, filled, content=content), path, content[:30])


@pytest.mark.parametrize("field", FIELDS)
def test_fields_of_every_wrong_kind(http: httpx.Client, field: str) -> None:
    good = {
        "symbol": "KO",
        "qty": "1",
        "side": "buy",
        "type": "limit",
        "limit_price": "1",
        "time_in_force": "day",
    }
    # One of the values may just have turned trading off.
    http.patch("/v2/account/configurations", json={"suspend_trade": False})
    order = http.post("/v2/orders", json=good).json()["id"]
    for value in VALUES:
        for method, path, usual in (
            ("POST", "/v2/orders", good),
            ("PATCH", f"/v2/orders/{order}", {}),
            ("POST", "/v2/watchlists", {"name": f"of {field}", "symbols": ["KO"]}),
            ("PATCH", "/v2/account/configurations", {}),
        ):
            answer = http.request(method, path, json={**usual, field: value})
            judge(answer, method, path, field, value)
    http.delete("/v2/orders")


def test_too_large_a_body_on_every_route_that_takes_one(
    lasting_exchange: Any, http: httpx.Client
) -> None:
    for method, path, _ in operations(lasting_exchange):
        if method in ("POST", "PUT", "PATCH"):
            filled = re.sub(r"{\w+}", "KO", path)
            answer = http.request(method, filled, content=b" " * LARGE)
            assert answer.status_code == 413, path
            judge(answer, path)


def test_ten_thousand_symbols(lasting_exchange: Any, http: httpx.Client) -> None:
    many = ",".join(f"S{number}" for number in range(10_000))
    for method, path, queries in operations(lasting_exchange):
        if "symbols" in queries:
            judge(http.request(method, f"{path}?timeframe=1Min&symbols={many}"), path)
    body = {"name": "many", "symbols": many.split(",")}
    judge(http.post("/v2/watchlists", json=body))


FRAMES: tuple[str | bytes, ...] = (
    "",
    "{",
    "null",
    "5",
    "[[[[",
    "[" * 50_000,
    b"\xff\xfe\x00",
    b"\xc1",
    '{"action": null}',
    '{"action": ["auth"]}',
    '{"action": {"a": 1}, "data": "text"}',
    '{"action": "auth", "key": 5, "secret": [1]}',
    '{"action": "auth", "key": "\\u00e9", "secret": "\\ud83d"}',
    '{"action": "auth", "key": "é", "secret": "é"}',
    '{"action": "authenticate", "data": {"key_id": {}, "secret_key": "é"}}',
    '{"action": "listen", "data": {"streams": 5}}',
    '{"action": "listen", "data": {"streams": [5, null, []]}}',
    '{"action": "subscribe", "bars": {"KO": 1}}',
    '{"action": "subscribe", "bars": [1, null]}',
    '{"action": "subscribe", "trades": "*"}',
)
BROKEN = (
    *FRAMES,
    msgpack.packb({"action": "auth", "key": b"\xff", "secret": 1}),
    msgpack.packb({1: 2, None: 3}),
    msgpack.packb({"action": "subscribe", "bars": [b"\xff"]}),
)


def answers(socket: Connection) -> None:
    """Hear until nothing more comes, or the other side has had enough."""
    try:
        while True:
            socket.recv(timeout=0.02)
    except (TimeoutError, ConnectionClosed):
        return


@pytest.mark.parametrize("path", ["/stream", "/v2/iex", "/v2/sip", "/v2/nothing"])
@pytest.mark.parametrize("kind", ["application/json", "application/msgpack"])
@pytest.mark.parametrize("is_known", [False, True])
def test_broken_frames_on_every_stream(
    lasting_exchange: Any, path: str, kind: str, is_known: bool
) -> None:
    url = f"{lasting_exchange.stream_url}{path}"
    login: dict[str, Any] = {"action": "auth", "key": "paper", "secret": "paper"}
    if path == "/stream":
        login = {"action": "auth", "data": {"key_id": "paper", "secret_key": "paper"}}
    for frame in BROKEN:
        headers = {"Content-Type": kind}
        with connect(
            url, proxy=None, additional_headers=headers, close_timeout=1
        ) as socket:
            pack = msgpack.packb if "msgpack" in kind else orjson.dumps
            try:
                if is_known:
                    socket.send(pack(login))
                socket.send(frame)
                socket.send(b"\x00\x01")
            except ConnectionClosed:
                continue
            answers(socket)
    assert lasting_exchange.raw("GET", "/v2/clock").status_code == 200


@pytest.mark.parametrize("path", ["/stream", "/v2/iex"])
@pytest.mark.parametrize(
    "content",
    [
        b"\xff" * 40,
        b"\x81\x82\x00\x00\x00\x00\xff\xfe",  # text that is no UTF-8
        b"\x81\x02{}",  # not masked
        b"\x88\x81\x00\x00\x00\x00\x01",  # a close with half a code
        b"\x01\x81\x00\x00\x00\x00{\x81\x81\x00\x00\x00\x00}",  # no end
        b"GET / HTTP/1.1\r\n\r\n",
        b"",
    ],
)
def test_bytes_that_are_no_frames(
    lasting_exchange: Any, path: str, content: bytes
) -> None:
    host, port = lasting_exchange.url.removeprefix("http://").split(":")
    upgrade = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with create_connection((host, int(port)), timeout=20) as raw:
        raw.sendall(upgrade.encode())
        assert raw.recv(12) == b"HTTP/1.1 101"
        raw.sendall(content)
        raw.shutdown(SHUT_WR)
        # The other side ends it too, instead of waiting for more for ever.
        while raw.recv(65536):
            pass
    assert lasting_exchange.raw("GET", "/v2/clock").status_code == 200


@pytest.mark.parametrize("path", ["/stream", "/v2/iex"])
def test_a_frame_of_ten_megabytes_and_of_ten_thousand_symbols(
    lasting_exchange: Any, path: str
) -> None:
    url = f"{lasting_exchange.stream_url}{path}"
    with connect(url, proxy=None, close_timeout=1) as socket:
        socket.send("x" * LARGE)
        answers(socket)
    many = [f"S{number}" for number in range(10_000)]
    with connect(url, proxy=None, close_timeout=1) as socket:
        socket.send('{"action":"auth","key":"paper","secret":"paper"}')
        socket.send(orjson.dumps({"action": "subscribe", "bars": many}).decode())
        answers(socket)
    assert lasting_exchange.raw("GET", "/v2/clock").status_code == 200
