"""A client of the market data stream has to say who it is."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from paper_exchange import app
from paper_exchange.api import market_stream
from paper_exchange.exchange import Exchange
from paper_exchange.pacer import Pacer

pytestmark = pytest.mark.unit


async def connected(gate: Any, frames: list[bytes]) -> list[dict[str, Any]]:
    """Return what a client is sent that sends some frames and then nothing more."""
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})
    for frame in frames:
        incoming.put_nowait({"type": "websocket.receive", "bytes": frame})
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/v2/iex",
        "raw_path": b"/v2/iex",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/msgpack")],
        "subprotocols": [],
        "state": {},
    }
    await gate(scope, incoming.get, send)
    return sent


def test_who_does_not_say_who_it_is_has_to_go(
    build: Callable[..., Exchange], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market_stream, "AUTH_SECONDS", 0.05)
    exchange = build()
    gate = app.create(exchange, Pacer(exchange))
    # Words that say nothing buy no time.
    chatter = [msgpack.packb({"action": "subscribe", "bars": ["KO"]})] * 3
    sent = asyncio.run(connected(gate, chatter))
    told = [msgpack.unpackb(one["bytes"]) for one in sent if "bytes" in one]
    codes = [message.get("code") for batch in told for message in batch]
    assert codes == [None, 401, 401, 401, 404]
    assert sent[-1]["type"] == "websocket.close"
