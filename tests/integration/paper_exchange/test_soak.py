"""A simulated day and night with random clients: memory stays flat, sums stay true."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from websockets.sync.client import connect
from websockets.sync.connection import Connection

pytestmark = [pytest.mark.integration, pytest.mark.soak]

SYMBOLS = ("KO", "PEP", "AAPL", "XOM", "JPM")
BEGINS = datetime.fromisoformat("2026-09-14T13:30:00Z")
HOURS, SPEED = 24, 600
STEP = timedelta(minutes=15)
# The first hours fill caches and SQLite's pages; then nothing may grow.
WARM_UP = 0.25
# What a second half may hold more than the first: pages of the allocator, in kB.
ALLOWANCE = 6_000
SHORT_SALE_MARKUP = Decimal("1.03")
CENT = Decimal("0.01")


def resident(process: Any) -> int:
    """Return the resident size of a process in kB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@dataclass
class RandomClient:
    """One account: what its owner does at random, and what its stream has told."""

    http: httpx.Client
    stream: Connection
    draw: random.Random
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: int = 0
    requests: int = 0

    def get(self, path: str, **params: Any) -> Any:
        answer = self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def act(self, until: datetime) -> None:
        """Do things until the market's time has come; refusals are answers too."""
        while datetime.fromisoformat(self.get("/v2/clock")["timestamp"]) < until:
            for _ in range(10):
                self.act_once()
        self.listen()

    def act_once(self) -> None:
        draw = self.draw
        symbol = draw.choice(SYMBOLS)
        body = {
            "symbol": symbol,
            "qty": str(draw.randint(1, 20)),
            "side": draw.choice(("buy", "sell")),
            "type": draw.choice(("market", "limit")),
            "time_in_force": draw.choice(("day", "gtc", "ioc")),
        }
        if body["type"] == "limit":
            body["limit_price"] = str(draw.randint(20, 300))
        bars = {"symbols": symbol, "timeframe": "1Hour"}
        orders = {"status": "all", "limit": "100"}
        requests: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "/v2/orders", {"json": body}),
            ("GET", "/v2/orders", {"params": orders}),
            ("GET", "/v2/stocks/bars", {"params": bars}),
            ("GET", "/v2/account/portfolio/history", {}),
            ("DELETE", f"/v2/positions/{symbol}", {}),
            ("DELETE", "/v2/orders", {}),
        ]
        weights = (60, 10, 10, 5, 10, 5)
        method, path, more = draw.choices(requests, weights)[0]
        answer = self.http.request(method, path, **more)
        assert answer.status_code < 500, answer.text
        self.requests += 1

    def listen(self) -> None:
        """Read what the stream has told so far; its answer comes behind all of it."""
        listening = {"action": "listen", "data": {"streams": ["trade_updates"]}}
        self.stream.send(orjson.dumps(listening).decode())
        while True:
            frame = orjson.loads(self.stream.recv(timeout=60))
            if frame["stream"] == "listening":
                return
            self.events += 1
            self.told[frame["data"]["order"]["id"]] = frame["data"]["order"]

    def check(self) -> None:
        """Compare sums, reservations and events with what is answered."""
        account = self.get("/v2/account")
        held = {one["symbol"]: one for one in self.get("/v2/positions")}
        value = sum(Decimal(one["market_value"]) for one in held.values())
        equity = Decimal(account["equity"])
        # Each of them is rounded for itself.
        assert abs(Decimal(account["cash"]) + value - equity) <= CENT * (1 + len(held))
        marks = {
            symbol: Decimal(str(trade["p"]))
            for symbol, trade in self.get(
                "/v2/stocks/trades/latest", symbols=",".join(SYMBOLS)
            )["trades"].items()
        }
        found = self.get("/v2/orders", status="open", limit=500)
        # A longer list would be cut, and no sum over it true.
        assert len(found) < 500
        bound = Decimal(0)
        for order in found:
            quantity = Decimal(held.get(order["symbol"], {"qty": "0"})["qty"])
            remaining = Decimal(order["qty"]) - Decimal(order["filled_qty"])
            limit = Decimal(order["limit_price"] or 0)
            mark = marks[order["symbol"]]
            if order["side"] == "buy" and quantity >= 0:
                bound += remaining * (limit or mark)
            elif order["side"] == "sell" and quantity <= 0:
                bound += remaining * max(limit, mark * SHORT_SALE_MARKUP)
        free = (equity - Decimal(account["initial_margin"])) * 4 - bound
        assert account["multiplier"] == "4"
        assert abs(max(Decimal(0), free) - Decimal(account["buying_power"])) < 1
        recent = self.get("/v2/orders", status="all", limit=500)
        for order in recent:
            assert self.told.pop(order["id"], order) == order
        # Those that are not on the page are finished; nothing more is told of them.
        self.told.clear()


def enter(exchange: Any, number: int) -> RandomClient:
    key = f"client-{number}"
    exchange.control("/control/accounts", key=key, secret=key, cash=100_000)
    http = httpx.Client(
        base_url=exchange.url,
        headers={"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": key},
        timeout=60,
        trust_env=False,
    )
    stream = connect(f"{exchange.stream_url}/stream", proxy=None, ping_interval=None)
    login = {"key_id": key, "secret_key": key}
    stream.send(orjson.dumps({"action": "authenticate", "data": login}).decode())
    assert orjson.loads(stream.recv())["data"]["status"] == "authorized"
    client = RandomClient(http, stream, random.Random(number))
    client.listen()
    return client


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads sizes from /proc")
def test_a_day_of_random_clients_leaves_memory_flat_and_sums_true(start: Any) -> None:
    exchange = start(directory="soak")
    exchange.control(advance_to=BEGINS.isoformat())
    clients = [enter(exchange, number) for number in range(3)]
    steps = int(timedelta(hours=HOURS) / STEP)
    sizes = []
    with ThreadPoolExecutor(len(clients)) as threads:
        for step in range(1, steps + 1):
            exchange.control(run=SPEED, skip_closed=False)
            until = BEGINS + step * STEP
            working = [threads.submit(client.act, until) for client in clients]
            for work in working:
                work.result()
            exchange.control(stop=True)
            for client in clients:
                client.listen()
                client.check()
            sizes.append(resident(exchange.process))
    for client in clients:
        client.http.close()
        client.stream.close()

    passed = datetime.fromisoformat(exchange.control()["now"]) - BEGINS
    assert passed >= timedelta(hours=HOURS)
    requests = sum(client.requests for client in clients)
    events = sum(client.events for client in clients)
    warm = sizes[int(len(sizes) * WARM_UP) :]
    first, second = (
        max(half) for half in (warm[: len(warm) // 2], warm[len(warm) // 2 :])
    )
    print(
        f"{requests} requests, {events} events, {steps} checks of {len(clients)} "
        f"accounts; kB at first {sizes[0]}, warm {first}, at last {second}"
    )
    assert second <= first + ALLOWANCE
