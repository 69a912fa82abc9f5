"""The same requests at the same market times are answered by the same bytes."""

import random
from typing import Any

import httpx
import orjson
import pytest
from websockets.sync.client import connect

pytestmark = pytest.mark.integration

KEYS = {"APCA-API-KEY-ID": "paper", "APCA-API-SECRET-KEY": "paper"}
TIMES = (
    "2026-09-14T13:26:00Z",
    "2026-09-14T13:45:00Z",
    "2026-09-14T17:00:00Z",
    "2026-09-14T19:59:00Z",
    "2026-09-14T21:30:00Z",
    "2026-09-15T14:00:00Z",
    "2026-09-18T20:30:00Z",
)
SYMBOLS = ("KO", "AMD", "SPY")
# Enough for orders that a market with a participation cap fills in parts.
RICH = ("--cash", "1000000000")
READS = (
    "/v2/account",
    "/v2/account/configurations",
    "/v2/account/activities",
    "/v2/account/portfolio/history?period=1D&timeframe=1Min",
    "/v2/assets/KO",
    "/v2/calendar?start=2026-09-01&end=2026-09-30",
    "/v2/clock",
    "/v2/orders?status=all&nested=true",
    "/v2/positions",
    "/v2/watchlists",
    "/v2/stocks/bars?symbols=KO,AMD&timeframe=1Hour&start=2026-09-10T00:00:00Z",
    "/v2/stocks/KO/quotes?limit=50",
    "/v2/stocks/KO/trades?limit=50",
    "/v2/stocks/snapshots?symbols=KO,SPY",
    "/v2/stocks/auctions?symbols=KO",
    "/v1/corporate-actions?symbols=KO",
)
# What belongs to the machine and the connection, not to the market.
OF_THE_MACHINE = ("x-request-id", "x-ratelimit-reset", "date")

Answer = tuple[int, list[tuple[str, str]], bytes]


def order(draw: random.Random, number: int) -> dict[str, Any]:
    """Return an order that may or may not be taken."""
    body: dict[str, Any] = {
        "symbol": draw.choice(SYMBOLS),
        "side": draw.choice(("buy", "buy", "sell")),
        "qty": draw.choice(("1", "20", "60000", "0.5")),
        "type": draw.choice(("market", "market", "limit", "trailing_stop")),
        "time_in_force": draw.choice(("day", "gtc", "cls", "ioc")),
    }
    if body["type"] == "limit":
        body["limit_price"] = str(draw.randint(20, 300))
    if body["type"] == "trailing_stop":
        body["trail_percent"] = "0.5"
    if number % 2:
        body["client_order_id"] = f"mine-{number}"
    return body


def what_happened(exchange: Any) -> tuple[list[Answer], list[bytes], bytes]:
    """Return the answers, the stream's frames and the tape of one and the same week."""
    draw = random.Random(11)
    answers: list[Answer] = []
    frames: list[bytes] = []
    with (
        connect(f"{exchange.stream_url}/stream", proxy=None) as stream,
        httpx.Client(base_url=exchange.url, headers=KEYS, trust_env=False) as http,
    ):

        def say(message: dict[str, Any]) -> None:
            stream.send(orjson.dumps(message).decode())

        def hear() -> None:
            """Read up to the answer that comes behind everything that was told."""
            say({"action": "listen", "data": {"streams": ["trade_updates"]}})
            while b'"listening"' not in (frame := stream.recv(timeout=20)):
                assert isinstance(frame, bytes)
                frames.append(frame)

        def ask(method: str, path: str, body: Any = None) -> None:
            answer = http.request(method, path, json=body)
            kept = [
                (name, value)
                for name, value in answer.headers.items()
                if name not in OF_THE_MACHINE
            ]
            answers.append((answer.status_code, kept, answer.content))

        login = {"key_id": "paper", "secret_key": "paper"}
        say({"action": "authenticate", "data": login})
        stream.recv(timeout=20)
        hear()
        for place, instant in enumerate(TIMES):
            exchange.control(advance_to=instant)
            for number in range(12):
                ask("POST", "/v2/orders", order(draw, 100 * place + number))
            ask("POST", "/v2/watchlists", {"name": instant, "symbols": ["KO"]})
            for path in READS:
                ask("GET", path)
            if place == 3:
                exchange.control("/control/prices", symbol="KO", split=2)
                ask("DELETE", "/v2/orders")
                ask("DELETE", "/v2/positions/SPY?percentage=50")
            hear()
        ask("DELETE", "/v2/positions?cancel_orders=true")
        hear()
    return answers, frames, (exchange.directory / "tape.jsonl").read_bytes()


@pytest.mark.parametrize("model", ["alpaca-paper", "realistic"])
def test_two_fresh_exchanges_answer_and_tell_the_same_bytes(
    start: Any, model: str
) -> None:
    one, two = (
        what_happened(start("--fill-model", model, *RICH, directory=name))
        for name in ("one", "two")
    )

    assert one == two
    answers, frames, _ = one
    assert {status for status, _, _ in answers} >= {200, 207, 422}
    # Something was at stake: orders were partly filled, and the exchange told of it.
    assert any(b'"partial_fill"' in frame for frame in frames)


def test_another_seed_is_another_market(start: Any) -> None:
    one, other = (
        what_happened(start("--seed", seed, *RICH, directory=seed))
        for seed in ("7", "8")
    )
    assert one != other
