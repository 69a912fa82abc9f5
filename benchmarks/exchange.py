"""How fast the paper exchange answers, beside what a bare route of a framework does.

`python benchmarks/exchange.py` starts both as processes and prints a table: what was
measured, its goal, and whether it is met.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httptools
import numpy as np
import orjson
import polars as pl

CLIENTS = 8
SYMBOLS, ORDERS = 500, 10_000
SECONDS = 5.0
SPEED, SPEED_SECONDS = 600, 3.0
REST = timedelta(minutes=30)
# The clock moves fifty times a second: one such step is not behind.
STEP_SECONDS = 0.05
TOKEN = "benchmark"
KEYS = "APCA-API-KEY-ID: paper\r\nAPCA-API-SECRET-KEY: paper\r\n"
BARE = """
import gc
import sys
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

async def place(request: Request) -> Response:
    await request.body()
    return Response(b'{"id": "1"}', media_type="application/json")

async def read(request: Request) -> Response:
    return Response(b'{"id": "1"}', media_type="application/json")

if sys.argv[2] == "FastAPI":
    from fastapi import FastAPI
    app = FastAPI()
    app.post("/v2/orders")(place)
    app.get("/v2/orders/{order_id}")(read)
else:
    from starlette.applications import Starlette
    from starlette.routing import Route
    app = Starlette(routes=[
        Route("/v2/orders", place, methods=["POST"]),
        Route("/v2/orders/{order_id}", read, methods=["GET"]),
    ])
gc.freeze()
gc.set_threshold(50_000, 20, 20)
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""


@dataclass(frozen=True)
class Row:
    """One line of the table; `is_met` is None where there is no goal."""

    name: str
    measured: str
    goal: str = ""
    is_met: bool | None = None

    def __str__(self) -> str:
        verdict = {None: "", True: "met", False: "MISSED"}[self.is_met]
        return f"{self.name:34} {self.measured:44} {self.goal:16} {verdict}".rstrip()


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


async def minute_bars(
    port: int, process: "subprocess.Popen[bytes]"
) -> tuple[int, float, float]:
    """Return the minute bars of a year of one symbol, and how many a second.

    The last number is the microseconds one costs the server; the client's own reading
    of the JSON is in the rate.
    """
    client = await Client.connect(port)
    worked = server_time(process)
    path = "/v2/stocks/bars?symbols=AAPL&timeframe=1Min&limit=10000"
    path += "&start=2025-09-14T00:00:00Z&end=2026-09-14T00:00:00Z"
    count, token = 0, ""
    began = time.perf_counter()
    while True:
        page = orjson.loads(await client.ask("GET", path + token))
        count += len(page["bars"].get("AAPL", []))
        if page["next_page_token"] is None:
            rate = count / (time.perf_counter() - began)
            return count, rate, (server_time(process) - worked) / count * 1e6
        token = f"&page_token={page['next_page_token']}"


def market_of(symbols: int, path: Path) -> None:
    """Write a day of minute bars of many symbols, as random walks around 100."""
    draw = np.random.default_rng(7)
    opened = datetime(2026, 9, 14, 9, 30, tzinfo=ZoneInfo("America/New_York"))
    minutes = [opened + timedelta(minutes=number) for number in range(390)]
    frames = []
    for number in range(symbols):
        close = np.round(100 * np.exp(np.cumsum(draw.normal(0, 0.0006, 390))), 2)
        open = np.concatenate(([100.0], close[:-1]))
        frames.append(
            pl.DataFrame(
                {
                    "symbol": f"S{number:03d}",
                    "timestamp": minutes,
                    "open": open,
                    "high": np.maximum(open, close),
                    "low": np.minimum(open, close),
                    "close": close,
                    "volume": draw.integers(1_000, 100_000, 390),
                }
            )
        )
    pl.concat(frames).with_columns(
        pl.col("timestamp").dt.convert_time_zone("UTC")
    ).write_parquet(path)


async def open_orders(port: int, count: int) -> tuple[float, float, int]:
    """Let the market run with this many open orders, paced and as fast as it goes.

    They lie within two percent of the price, so that an hour of trading fills many.
    Returns the seconds that a clock of speed 600 is behind at the end, how many times
    real time the next half an hour ran, and how many orders were left.
    """
    clients = [await Client.connect(port) for _ in range(CLIENTS)]
    control = f"Authorization: Bearer {TOKEN}\r\n"
    assets = orjson.loads(await clients[0].ask("GET", "/v2/assets"))
    symbols = [asset["symbol"] for asset in assets]
    move = orjson.dumps({"advance_to": "2026-09-14T13:30:00Z"})
    await clients[0].ask("POST", "/control/clock", move, control)

    async def place(client: Client, numbers: range) -> None:
        for number in numbers:
            body = {
                "symbol": symbols[number % len(symbols)],
                "qty": "1",
                "side": "buy",
                "type": "limit",
                "limit_price": f"{100 - 0.1 - number % 190 / 100:.2f}",
                "time_in_force": "day",
            }
            await client.ask("POST", "/v2/orders", orjson.dumps(body))

    await asyncio.gather(
        *(
            place(client, range(first, count, CLIENTS))
            for first, client in enumerate(clients)
        )
    )
    opened = datetime.fromisoformat("2026-09-14T13:30:00Z")

    async def passed() -> float:
        read = orjson.loads(await clients[0].ask("GET", "/control/clock", b"", control))
        return (datetime.fromisoformat(read["now"]) - opened).total_seconds()

    run = orjson.dumps({"run": SPEED})
    await clients[0].ask("POST", "/control/clock", run, control)
    began, already = time.perf_counter(), await passed()
    await asyncio.sleep(SPEED_SECONDS)
    ran = await passed() - already
    behind = time.perf_counter() - began - ran / SPEED
    await clients[0].ask("POST", "/control/clock", b'{"stop": true}', control)
    reached = opened + timedelta(seconds=await passed())
    began = time.perf_counter()
    move = orjson.dumps({"advance_to": (reached + REST).isoformat()})
    await clients[0].ask("POST", "/control/clock", move, control)
    rate = REST.total_seconds() / (time.perf_counter() - began)
    path = "/v2/positions"
    held = orjson.loads(await clients[0].ask("GET", path))
    filled = sum(int(position["qty"]) for position in held)
    return behind, rate, count - filled


def memory(process: "subprocess.Popen[bytes]") -> Row:
    """Return the largest resident size of a process."""
    name, status = "memory at its peak, with these", Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return Row(name, "not measured on this system", "150 MB")
    lines = status.read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmHWM"))
    size = int(line.split()[1]) / 1024
    return Row(name, f"{size:.0f} MB", "150 MB", size <= 150)


def started(port: int, directory: Path, *options: str) -> "subprocess.Popen[bytes]":
    """Return the process of an exchange."""
    command = [sys.executable, "-m", "paper_exchange", "--port", str(port)]
    command += ["--data-dir", str(directory), "--control-token", TOKEN]
    command += ["--cash", "100000000", *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def ended(process: "subprocess.Popen[bytes]") -> None:
    """End a process."""
    process.kill()
    process.wait()


def server_time(process: "subprocess.Popen[bytes]") -> float:
    """Return the seconds a process has worked, which other work hardly changes."""
    status = Path(f"/proc/{process.pid}/stat")
    if not status.exists():
        return float("nan")
    ticks = status.read_text().rsplit(")", 1)[1].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


async def worked_round_trips(
    port: int, process: "subprocess.Popen[bytes]"
) -> tuple[float, float]:
    """Return round trips in a second, and the microseconds one costs the server."""
    worked = server_time(process)
    rate = await round_trips(port)
    return rate, (server_time(process) - worked) / (rate * SECONDS) * 1e6


async def bare_route(framework: str) -> tuple[float, float]:
    """Return what `worked_round_trips` measures on routes that do nothing."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", BARE, str(port), framework])
    try:
        await ready(port, "/v2/orders/1")
        return await worked_round_trips(port, process)
    finally:
        ended(process)


async def measure(directory: Path) -> list[Row]:
    """Run everything and return the rows of the table."""
    rows: list[Row] = []
    ceilings = {}
    for framework in ("FastAPI", "Starlette"):
        ceiling, cost = await bare_route(framework)
        ceilings[framework] = ceiling, cost
        measured = f"{ceiling:,.0f} a second, {cost:,.0f} us of the server"
        rows.append(Row(f"bare route of {framework}", measured))
    port = free_port()
    for name in ("first start", "start again"):
        process = started(port, directory / "generated")
        seconds = await ready(port, "/health")
        rows.append(Row(name, f"{seconds:.2f} s", "2 s", seconds <= 2))
        if name == "first start":
            ended(process)
    try:
        client = await Client.connect(port)
        control = f"Authorization: Bearer {TOKEN}\r\n"
        body = orjson.dumps({"advance_to": "2026-09-14T13:59:00Z"})
        await client.ask("POST", "/control/clock", body, control)
        rate, cost = await worked_round_trips(port, process)
        measured = f"{rate:,.0f} a second, {cost:,.0f} us of the server"
        rows.append(Row(f"order, POST and GET, {CLIENTS} clients", measured))
        for framework, (ceiling, least) in ceilings.items():
            share = rate / ceiling
            measured = f"{share:.2f} by the clock, {least / cost:.2f} by work"
            name = f"share of {framework}'s"
            rows.append(Row(name, measured, "0.33", share >= 1 / 3))
        for name in ("first", "again"):
            count, rate, cost = await minute_bars(port, process)
            measured = f"{rate:,.0f} a second, {cost:.1f} us of the server"
            is_met = rate >= 200_000
            name = f"{count:,} minute bars, {name}"
            rows.append(Row(name, measured, "200,000 a second", is_met))
    finally:
        ended(process)
    replay = directory / "bars.parquet"
    market_of(SYMBOLS, replay)
    process = started(port, directory / "replayed", "--replay", str(replay))
    try:
        await ready(port, "/health")
        behind, speed, left = await open_orders(port, ORDERS)
        name = f"{ORDERS:,} orders, {SYMBOLS} symbols"
        measured = f"{max(0.0, behind) * 1000:.0f} ms behind a clock of speed {SPEED}"
        is_met = behind <= STEP_SECONDS
        rows.append(Row(name, measured, f"{STEP_SECONDS * 1000:.0f} ms", is_met))
        measured = f"{speed:,.0f} times real time"
        rows.append(Row("as fast as it goes", measured, f"{SPEED}", speed >= SPEED))
        rows.append(Row("of them left at the end", f"{left:,}"))
        rows.append(memory(process))
    finally:
        ended(process)
    return rows


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as directory:
        rows = asyncio.run(measure(Path(directory)))
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
