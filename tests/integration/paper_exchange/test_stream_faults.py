"""Each fault of the order stream, seen from a raw client."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from websockets.sync.client import connect
from websockets.sync.connection import Connection

pytestmark = pytest.mark.integration

AUTHORIZED = {"Authorization": "Bearer control-token"}
LOGIN = {
    "action": "authenticate",
    "data": {"key_id": "paper", "secret_key": "paper"},
}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}


@pytest.fixture
def trading(lasting_exchange: Any) -> Any:
    lasting_exchange.raw("DELETE", "/control/faults", headers=AUTHORIZED)
    lasting_exchange.raw("DELETE", "/v2/orders")
    return lasting_exchange


def ask(socket: Connection, message: dict[str, Any]) -> Any:
    socket.send(json.dumps(message))
    return orjson.loads(socket.recv(timeout=20))


@contextmanager
def listening(trading: Any) -> Iterator[Connection]:
    with connect(f"{trading.stream_url}/stream", proxy=None) as socket:
        assert ask(socket, LOGIN)["data"]["status"] == "authorized"
        ask(socket, LISTEN)
        yield socket


def strike(trading: Any, kind: str, **more: Any) -> None:
    trading.control("/control/faults", **{"count": 1, **more, "kind": kind})


def order(trading: Any) -> Any:
    """Place an order and cancel it: `pending_new`, `new`, `canceled`."""
    body = {
        "symbol": "KO",
        "qty": "1",
        "side": "buy",
        "type": "limit",
        "limit_price": "1",
        "time_in_force": "gtc",
        "extended_hours": True,
    }
    placed = trading.raw("POST", "/v2/orders", json=body).json()
    trading.raw("DELETE", f"/v2/orders/{placed['id']}")


def hear(socket: Connection, count: int) -> list[str]:
    frames = [orjson.loads(socket.recv(timeout=20)) for _ in range(count)]
    return [frame["data"]["event"] for frame in frames]


def hears_nothing(socket: Connection) -> bool:
    try:
        socket.recv(timeout=0.5)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize(
    ("kind", "heard"),
    [
        ("stream_drop", ["new", "canceled"]),
        ("stream_duplicate", ["pending_new", "pending_new", "new", "canceled"]),
        ("stream_reorder", ["new", "pending_new", "canceled"]),
        ("stream_delay", ["new", "canceled", "pending_new"]),
    ],
)
def test_events_are_lost_doubled_late_or_out_of_order(
    trading: Any, kind: str, heard: list[str]
) -> None:
    with listening(trading) as socket:
        strike(trading, kind, seconds=2)
        order(trading)

        assert hear(socket, len(heard)) == heard
        assert hears_nothing(socket)


def test_an_old_event_is_told_again(trading: Any) -> None:
    with listening(trading) as socket:
        order(trading)
        hear(socket, 3)
        strike(trading, "stream_replay")
        order(trading)

        fresh, old = (orjson.loads(socket.recv(timeout=20)) for _ in range(2))
        assert fresh["data"]["event"] == "pending_new"
        assert old["data"]["order"]["id"] != fresh["data"]["order"]["id"]


def test_a_mute_stream_answers_pings_and_tells_nothing(trading: Any) -> None:
    with listening(trading) as socket:
        strike(trading, "stream_mute", count=3)
        order(trading)

        assert hears_nothing(socket)
        assert socket.ping().wait(20)


def test_a_half_open_stream_answers_nothing_at_all(trading: Any) -> None:
    with connect(f"{trading.stream_url}/stream", proxy=None, close_timeout=1) as socket:
        ask(socket, LOGIN)
        ask(socket, LISTEN)
        strike(trading, "stream_half_open")
        order(trading)

        assert hears_nothing(socket)
        assert not socket.ping().wait(1)


def test_a_new_stream_can_be_refused(trading: Any) -> None:
    strike(trading, "stream_refuse")
    with connect(f"{trading.stream_url}/stream", proxy=None) as socket:
        assert ask(socket, LOGIN)["data"]["status"] == "unauthorized"


def test_a_second_stream_can_be_refused(trading: Any) -> None:
    strike(trading, "stream_refuse_second")
    with (
        listening(trading),
        connect(f"{trading.stream_url}/stream", proxy=None) as second,
    ):
        assert ask(second, LOGIN)["data"]["status"] == "unauthorized"
