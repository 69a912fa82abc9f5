"""The market data stream, heard by the broker's own client."""

import asyncio
import threading
import time
from typing import Any

import orjson
import pytest
import websockets
from alpaca.data.enums import DataFeed
from alpaca.data.live import StockDataStream

pytestmark = pytest.mark.integration

AUTH = '{"action":"auth","key":"paper","secret":"paper"}'


def test_minute_bars_and_trades_are_told_in_market_time(exchange: Any) -> None:
    heard: list[Any] = []
    stream = StockDataStream(
        "paper",
        "paper",
        feed=DataFeed.IEX,
        url_override=f"{exchange.stream_url}/v2/iex",
    )

    async def keep(message: Any) -> None:
        heard.append(message)

    stream.subscribe_bars(keep, "KO", "PEP")
    stream.subscribe_trades(keep, "KO")
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    minute = 30
    exchange.control(advance_to="2026-09-14T13:30:00Z")
    while len(heard) < 60 and minute < 59:
        assert time.monotonic() < deadline
        minute += 1
        exchange.control(advance_to=f"2026-09-14T13:{minute}:00Z")
        time.sleep(0.05)
    stream.stop()
    thread.join(20)
    bars = [message for message in heard if hasattr(message, "close")]
    trades = [message for message in heard if not hasattr(message, "close")]
    assert {bar.symbol for bar in bars} == {"KO", "PEP"}
    assert {trade.symbol for trade in trades} == {"KO"}
    times = [trade.timestamp for trade in trades]
    assert times == sorted(times)
    answer = exchange.raw(
        "GET",
        "/v2/stocks/KO/bars",
        params={"timeframe": "1Min", "start": "2026-09-14T12:00:00Z"},
    ).json()["bars"]
    by_time = {row["t"]: row for row in answer}
    for bar in bars:
        if bar.symbol == "KO":
            row = by_time[bar.timestamp.strftime("%Y-%m-%dT%H:%M:%SZ")]
            assert (bar.open, bar.close, bar.volume) == (row["o"], row["c"], row["v"])


async def test_the_protocol_answers_with_its_error_codes(
    lasting_exchange: Any,
) -> None:
    url = f"{lasting_exchange.stream_url}/v2/iex"

    async def heard(socket: Any) -> Any:
        return orjson.loads(await asyncio.wait_for(socket.recv(), 5))[0]

    async with websockets.connect(url, proxy=None) as socket:
        assert (await heard(socket))["msg"] == "connected"
        for frame, code in (
            ("{", 400),
            ("[]", 400),
            ('{"action":"subscribe","bars":["KO"]}', 401),
        ):
            await socket.send(frame)
            assert (await heard(socket))["code"] == code
        await socket.send(AUTH)
        assert (await heard(socket))["msg"] == "authenticated"
        await socket.send(AUTH)
        assert (await heard(socket))["code"] == 403
        await socket.send('{"action":"subscribe","bars":"KO"}')
        assert (await heard(socket))["code"] == 410
        # In fragments, as the client sends what is long.
        await socket.send(iter(['{"action":"subscribe",', '"bars":["*"]}']))
        assert (await heard(socket))["bars"] == ["*"]
        await socket.send('{"action":"unsubscribe","bars":["*"]}')
        assert (await heard(socket))["bars"] == []
        many = [f"S{number}" for number in range(31)]
        for symbols in (many[:30], many[:15]):
            frame = {"action": "subscribe", "trades": symbols, "bars": many}
            await socket.send(orjson.dumps(frame).decode())
            assert (await heard(socket))["trades"] == sorted(many[:30])
        # Trades and quotes count together, and what is refused changes nothing.
        await socket.send(
            orjson.dumps({"action": "subscribe", "quotes": many}).decode()
        )
        assert (await heard(socket))["code"] == 405
        await socket.send('{"action":"subscribe","quotes":["S3"]}')
        assert (await heard(socket))["quotes"] == ["S3"]
        async with websockets.connect(url, proxy=None) as second:
            await heard(second)
            await second.send(AUTH)
            assert (await heard(second))["code"] == 406
    async with websockets.connect(url, proxy=None) as socket:
        await heard(socket)
        await socket.send('{"action":"auth","key":"paper","secret":"no"}')
        assert (await heard(socket))["code"] == 402
