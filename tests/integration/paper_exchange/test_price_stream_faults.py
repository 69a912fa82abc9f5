"""Each fault of the market data stream, seen from a raw client."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection

pytestmark = pytest.mark.integration

AUTHORIZED = {"Authorization": "Bearer control-token"}
LOGIN = {"action": "auth", "key": "paper", "secret": "paper"}
OPENS = "2026-09-14T13:31:00+00:00"


@pytest.fixture
def trading(lasting_exchange: Any) -> Any:
    lasting_exchange.raw("DELETE", "/control/faults", headers=AUTHORIZED)
    if datetime.fromisoformat(lasting_exchange.control()["now"]) < (
        datetime.fromisoformat(OPENS)
    ):
        lasting_exchange.control(advance_to=OPENS)
    return lasting_exchange


def ask(socket: Connection, message: dict[str, Any]) -> Any:
    socket.send(json.dumps(message))
    return orjson.loads(socket.recv(timeout=20))


def connected(trading: Any) -> Connection:
    socket = connect(f"{trading.stream_url}/v2/iex", proxy=None, close_timeout=1)
    assert orjson.loads(socket.recv(timeout=20))[0]["msg"] == "connected"
    return socket


@contextmanager
def listening(trading: Any) -> Iterator[Connection]:
    with connected(trading) as socket:
        assert ask(socket, LOGIN)[0]["msg"] == "authenticated"
        ask(socket, {"action": "subscribe", "bars": ["KO"]})
        yield socket


def strike(trading: Any, kind: str, **more: Any) -> None:
    fault = {"path": "/v2/iex", "count": 1, **more, "kind": kind}
    trading.control("/control/faults", **fault)


def let_pass(trading: Any, minutes: int) -> list[str]:
    """Let minutes pass one by one; return when their bars begin."""
    now = datetime.fromisoformat(trading.control()["now"])
    begun = [now + timedelta(minutes=number) for number in range(minutes)]
    for begin in begun:
        trading.control(advance_to=(begin + timedelta(minutes=1)).isoformat())
    return [f"{begin:%Y-%m-%dT%H:%M:%SZ}" for begin in begun]


def hear(socket: Connection, count: int) -> list[str]:
    return [
        bar["t"]
        for _ in range(count)
        for bar in orjson.loads(socket.recv(timeout=20))
        if bar["T"] == "b"
    ]


def hears_nothing(socket: Connection) -> bool:
    try:
        socket.recv(timeout=0.5)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize(
    ("kind", "heard"),
    [
        ("stream_drop", [1, 2]),
        ("stream_duplicate", [0, 0, 1, 2]),
        ("stream_reorder", [1, 0, 2]),
        ("stream_delay", [1, 2, 0]),
    ],
)
def test_prices_are_lost_doubled_late_or_out_of_order(
    trading: Any, kind: str, heard: list[int]
) -> None:
    with listening(trading) as socket:
        strike(trading, kind, seconds=3)
        minutes = let_pass(trading, 3)

        assert hear(socket, len(heard)) == [minutes[place] for place in heard]
        assert hears_nothing(socket)


def test_a_batch_that_nothing_follows_comes_after_a_while(trading: Any) -> None:
    with listening(trading) as socket:
        strike(trading, "stream_reorder", seconds=0.2)
        minutes = let_pass(trading, 1)

        assert hear(socket, 1) == minutes


def test_old_prices_are_told_again(trading: Any) -> None:
    with listening(trading) as socket:
        (old,) = let_pass(trading, 1)
        strike(trading, "stream_replay")
        (fresh,) = let_pass(trading, 1)

        assert hear(socket, 3) == [old, fresh, old]


def test_a_mute_stream_answers_pings_and_tells_nothing(trading: Any) -> None:
    with listening(trading) as socket:
        strike(trading, "stream_mute", count=2)
        let_pass(trading, 2)

        assert hears_nothing(socket)
        assert socket.ping().wait(20)


def test_a_half_open_stream_answers_nothing_at_all(trading: Any) -> None:
    with listening(trading) as socket:
        strike(trading, "stream_half_open")
        let_pass(trading, 2)

        assert hears_nothing(socket)
        assert not socket.ping().wait(1)


def test_a_new_stream_can_be_refused(trading: Any) -> None:
    strike(trading, "stream_refuse")
    with connected(trading) as socket:
        assert ask(socket, LOGIN)[0]["code"] == 402
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=20)


def test_a_second_stream_is_refused_even_without_a_fault(trading: Any) -> None:
    strike(trading, "stream_refuse_second")
    with listening(trading), connected(trading) as second:
        assert ask(second, LOGIN)[0]["code"] == 406
        with pytest.raises(ConnectionClosed):
            second.recv(timeout=20)
