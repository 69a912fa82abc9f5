"""What goes over one connection: answers whole and in order, until it ends."""

import socket
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

pytestmark = pytest.mark.integration

KEYS = "APCA-API-KEY-ID: paper\r\nAPCA-API-SECRET-KEY: paper\r\n"
ORDER = {
    "symbol": "KO",
    "qty": "1",
    "side": "buy",
    "type": "limit",
    "limit_price": "1",
    "time_in_force": "gtc",
}


def asked(method: str, path: str, body: bytes = b"", more: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{KEYS}{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def answered(exchange: Any, *pieces: bytes) -> bytes:
    """Return all that comes on one connection until the exchange ends it."""
    where = urlsplit(exchange.url)
    with socket.create_connection((where.hostname, where.port), 60) as connection:
        for piece in pieces:
            connection.sendall(piece)
        received = b""
        while more := connection.recv(1 << 16):
            received += more
    return received


def split(received: bytes) -> tuple[bytes, bytes, bytes]:
    """Return head and body of the first answer, and what follows it."""
    head, _, rest = received.partition(b"\r\n\r\n")
    lines = (line.partition(b": ") for line in head.split(b"\r\n")[1:])
    stated = {name.lower(): value for name, _, value in lines}
    length = int(stated.get(b"content-length", b"0"))
    return head, rest[:length], rest[length:]


def test_requests_sent_together_are_answered_in_their_order(
    lasting_exchange: Any,
) -> None:
    body = orjson.dumps({**ORDER, "client_order_id": "pipelined"})
    received = answered(
        lasting_exchange,
        asked("POST", "/v2/orders", body)
        + asked("GET", "/v2/orders:by_client_order_id?client_order_id=pipelined")
        + asked("GET", "/health")
        + asked("GET", "/v2/clock", more="Connection: close\r\n"),
    )
    _, placed, received = split(received)
    _, read, received = split(received)
    _, health, received = split(received)
    head, clock, received = split(received)
    assert orjson.loads(placed)["id"] == orjson.loads(read)["id"]
    assert orjson.loads(health)["program"]
    assert not orjson.loads(clock)["is_open"]
    assert b"connection: close" in head and received == b""


def test_an_answer_without_a_body_says_so(lasting_exchange: Any) -> None:
    placed = lasting_exchange.raw("POST", "/v2/orders", json=ORDER).json()
    closing = "Connection: close\r\n"
    path = f"/v2/orders/{placed['id']}"
    received = answered(lasting_exchange, asked("DELETE", path, more=closing))
    head, _, rest = split(received)
    assert head.startswith(b"HTTP/1.1 204 ") and rest == b""
    assert b"transfer-encoding" not in head
    received = answered(lasting_exchange, asked("HEAD", "/v2/account", more=closing))
    head, _, rest = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ") and rest == b""


def test_a_slow_reader_gets_every_page_whole(lasting_exchange: Any) -> None:
    path = "/v2/stocks/bars?symbols=AAPL&timeframe=1Min&limit=10000"
    path += "&start=2026-06-01T00:00:00Z&end=2026-09-11T00:00:00Z"
    requests = asked("GET", path) * 19 + asked(
        "GET", path, more="Connection: close\r\n"
    )
    where = urlsplit(lasting_exchange.url)
    with socket.create_connection((where.hostname, where.port), 60) as connection:
        # Nothing is read until everything was asked: the answers fill every buffer.
        connection.sendall(requests)
        lasting_exchange.raw("GET", "/v2/clock")
        received = bytearray()
        while more := connection.recv(1 << 20):
            received += more
    rest, pages = bytes(received), []
    while rest:
        _, body, rest = split(rest)
        pages.append(body)
    assert len(pages) == 20 and len(set(pages)) == 1
    assert len(orjson.loads(pages[0])["bars"]["AAPL"]) == 10_000
