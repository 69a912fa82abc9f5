"""How fast the paper exchange answers, beside what a bare route of its framework does.

`python benchmarks/exchange.py` starts both as processes and prints a table.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httptools
import orjson

CLIENTS = 8
SECONDS = 5.0
TOKEN = "benchmark"
KEYS = "APCA-API-KEY-ID: paper\r\nAPCA-API-SECRET-KEY: paper\r\n"
BARE = """
import sys
import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import Response

app = FastAPI()

@app.post("/v2/orders")
async def place(request: Request) -> Response:
    await request.body()
    return Response(b'{"id": "1"}', media_type="application/json")

@app.get("/v2/orders/{order_id}")
async def read(request: Request) -> Response:
    return Response(b'{"id": "1"}', media_type="application/json")

uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""


class Answer:
    """The parts of an HTTP answer as they are parsed."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.is_whole = False

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self.body.extend(body)

    def on_message_complete(self) -> None:
        """Note the end."""
        self.is_whole = True


class Client:
    """One keep-alive connection that costs little itself."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> "Client":
        """Return a connected client."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: str = KEYS
    ) -> bytes:
        """Return the body of the answer."""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answer = Answer()
        parser = httptools.HttpResponseParser(answer)
        while not answer.is_whole:
            parser.feed_data(await self._reader.read(1 << 20))
        status = parser.get_status_code()
        if status >= 400:
            raise RuntimeError(
                f"{method} {path}: {status} {bytes(answer.body[:300])!r}"
            )
        return bytes(answer.body)


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def ready(port: int, path: str) -> float:
    """Return the seconds until a path is answered."""
    began = time.perf_counter()
    while True:
        try:
            client = await Client.connect(port)
            await client.ask("GET", path)
            return time.perf_counter() - began
        except OSError:
            await asyncio.sleep(0.01)


async def round_trips(port: int) -> float:
    """Return order round trips (POST, then GET) in a second."""
    order = {
        "symbol": "KO",
        "qty": "1",
        "side": "buy",
        "type": "limit",
        "limit_price": "1",
        "time_in_force": "gtc",
    }
    count = 0
    until = time.perf_counter() + SECONDS

    async def trade(number: int) -> None:
        nonlocal count
        client = await Client.connect(port)
        turn = 0
        while time.perf_counter() < until:
            turn += 1
            body = orjson.dumps({**order, "client_order_id": f"{number}-{turn}"})
            placed = orjson.loads(await client.ask("POST", "/v2/orders", body))
            await client.ask("GET", f"/v2/orders/{placed['id']}")
            count += 1

    began = time.perf_counter()
    await asyncio.gather(*(trade(number) for number in range(CLIENTS)))
    return count / (time.perf_counter() - began)


async def minute_bars(port: int) -> tuple[int, float]:
    """Return the minute bars of a year of one symbol, and how many a second."""
    client = await Client.connect(port)
    path = "/v2/stocks/bars?symbols=AAPL&timeframe=1Min&limit=10000"
    path += "&start=2025-09-14T00:00:00Z&end=2026-09-14T00:00:00Z"
    count, token = 0, ""
    began = time.perf_counter()
    while True:
        page = orjson.loads(await client.ask("GET", path + token))
        count += len(page["bars"].get("AAPL", []))
        if page["next_page_token"] is None:
            return count, count / (time.perf_counter() - began)
        token = f"&page_token={page['next_page_token']}"


async def open_orders(port: int, count: int) -> float:
    """Return how many times real time the market runs with this many open orders."""
    client = await Client.connect(port)
    control = f"Authorization: Bearer {TOKEN}\r\n"
    symbols = [
        asset["symbol"] for asset in orjson.loads(await client.ask("GET", "/v2/assets"))
    ]
    for number in range(count):
        body = {
            "symbol": symbols[number % len(symbols)],
            "qty": "1",
            "side": "buy",
            "type": "limit",
            "limit_price": f"{1 + number % 900 / 100:.2f}",
            "time_in_force": "day",
        }
        await client.ask("POST", "/v2/orders", orjson.dumps(body))
    began = time.perf_counter()
    move = orjson.dumps({"advance_to": "2026-09-14T19:59:00Z"})
    await client.ask("POST", "/control/clock", move, control)
    return 6 * 3600 / (time.perf_counter() - began)


def memory(process: "subprocess.Popen[bytes]") -> str:
    """Return the largest resident size of a process."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return "not measured on this system"
    lines = status.read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmHWM"))
    return f"{int(line.split()[1]) / 1024:.0f} MB"


async def measure(directory: str) -> list[tuple[str, str]]:
    """Run everything and return the rows of the table."""
    rows = []
    bare_port, port = free_port(), free_port()
    bare = subprocess.Popen([sys.executable, "-c", BARE, str(bare_port)])
    try:
        await ready(bare_port, "/v2/orders/1")
        ceiling = await round_trips(bare_port)
    finally:
        bare.kill()
        bare.wait()
    rows.append(("bare route, POST and GET", f"{ceiling:,.0f} a second"))
    command = [sys.executable, "-m", "paper_exchange", "--port", str(port)]
    command += [
        "--data-dir",
        directory,
        "--control-token",
        TOKEN,
        "--cash",
        "100000000",
    ]
    for name in ("first start", "start again"):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        rows.append((name, f"{await ready(port, '/health'):.2f} s"))
        if name == "first start":
            process.kill()
            process.wait()
    try:
        client = await Client.connect(port)
        control = f"Authorization: Bearer {TOKEN}\r\n"
        body = orjson.dumps({"advance_to": "2026-09-14T13:59:00Z"})
        await client.ask("POST", "/control/clock", body, control)
        rate = await round_trips(port)
        rows.append(("order, POST and GET", f"{rate:,.0f} a second"))
        rows.append(("share of the bare route", f"{rate / ceiling:.2f}"))
        count, rate = await minute_bars(port)
        rows.append((f"{count:,} minute bars", f"{rate:,.0f} a second"))
        speed = await open_orders(port, 10_000)
        rows.append(("10,000 open orders", f"{speed:,.0f} times real time"))
        rows.append(("memory at its peak", memory(process)))
    finally:
        process.kill()
        process.wait()
    return rows


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as directory:
        rows = asyncio.run(measure(os.path.join(directory, "exchange")))
    for name, value in rows:
        print(f"{name:32} {value}")


if __name__ == "__main__":
    main()
