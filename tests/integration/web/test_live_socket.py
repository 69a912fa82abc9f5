"""The socket of a running gateway: who may open it, and how soon it tells an event."""

import asyncio
import json
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import websockets

from trading_system import login
from trading_system.clock import sleep, utc_now
from trading_system.contracts.system import EventView
from trading_system.doorbell import Doorbell
from trading_system.vocabulary import new_id
from trading_web import stream
from trading_web.app import create

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "web"))
fake_services: Any = import_module("fake_services")

pytestmark = pytest.mark.integration


class Running:
    """A gateway under uvicorn, with a signed-in cookie at hand."""

    def __init__(self, port: int, redis_url: str, folder: Path) -> None:
        self.port = port
        self.base = f"http://127.0.0.1:{port}"
        self.fake = fake_services.trading()
        given = fake_services.settings(trading_data_dir=folder).model_copy(
            update={"redis_url": redis_url}
        )
        self.app = create(given, self.fake.over_http(given))
        self.server = uvicorn.Server(
            uvicorn.Config(
                self.app,
                log_level="warning",
                ws="websockets-sansio",
                timeout_graceful_shutdown=2,
            )
        )

    def sign_in(self) -> str:
        """Return a cookie header of a new session."""
        link = login.link(self.base, fake_services.SECRET, utc_now())
        answer = httpx.get(link)
        return "; ".join(f"{name}={value}" for name, value in answer.cookies.items())

    @asynccontextmanager
    async def following(
        self, topics: str = "portfolio", **headers: str
    ) -> AsyncIterator[websockets.ClientConnection]:
        """Open the socket as a page of ours does."""
        given = {"Origin": self.base, "Cookie": self.sign_in()} | headers
        url = f"ws://127.0.0.1:{self.port}/ws?topics={topics}"
        async with websockets.connect(url, additional_headers=given) as opened:
            yield opened


@pytest.fixture
def running(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    # A hurried gateway: ten looks a second, where people have one.
    monkeypatch.setattr(stream, "TICK", 0.1)
    # Bound here, so that nobody takes the port before the server listens on it.
    bound = socket.create_server(("127.0.0.1", 0))
    gateway = Running(bound.getsockname()[1], redis_url, tmp_path)
    thread = threading.Thread(target=gateway.server.run, args=([bound],), daemon=True)
    thread.start()
    while not gateway.server.started:
        sleep(0.02)
    yield gateway
    gateway.server.should_exit = True
    thread.join(10)


async def until(opened: websockets.ClientConnection, **wanted: str) -> dict[str, Any]:
    """Return the next frame that has these values."""
    while True:
        frame = json.loads(await asyncio.wait_for(opened.recv(), 10))
        if all(frame.get(name) == value for name, value in wanted.items()):
            return frame


def closed(symbol: str) -> EventView:
    return EventView(
        seq=1,
        topic="execution.order_closed",
        key="x",
        payload={
            "status": "rejected",
            "symbol": symbol,
            "reason": "insufficient buying power",
            "order_id": str(new_id()),
        },
        producer="execution",
        occurred_at=utc_now(),
    )


async def test_a_tab_is_greeted_and_gets_its_values(running):
    async with running.following() as opened:
        hello = await until(opened, t="hello")
        first: dict[str, Any] = {}
        while first.keys() != {"portfolio", "shell"}:
            frame = await until(opened, t="cells")
            first.setdefault(frame["topic"], frame)
    assert hello["seq"] == {"events": 0, "portfolio": 0, "shell": 0}
    assert {frame["seq"] for frame in first.values()} == {1}
    assert "account.equity" in first["portfolio"]["v"]
    assert "market.state" in first["shell"]["v"]


async def test_an_event_comes_when_the_bell_rings(running, redis_url):
    bell = Doorbell(redis_url)
    async with running.following() as opened:
        await until(opened, t="cells", topic="shell")
        # The log is followed from where it stood when the tab opened.
        while running.app.state.hub.follows is None:
            await asyncio.sleep(0.05)
        running.fake.events.append(closed("AAPL"))
        bell.ring(["execution.order_closed"], 1)
        frame = await until(opened, t="event", group="orders")
    bell.stop()
    assert frame["urgent"] is True
    assert "The broker rejected AAPL" in frame["say"]


async def test_without_redis_an_event_comes_all_the_same(running):
    async with running.following() as opened:
        await until(opened, t="cells", topic="shell")
        while running.app.state.hub.follows is None:
            await asyncio.sleep(0.05)
        running.fake.events.append(closed("MSFT"))
        assert (await until(opened, t="event"))["group"] == "orders"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Cookie": "trading_session=forged"},
        {"Host": "evil.example"},
    ],
)
async def test_another_site_and_another_browser_get_no_socket(running, headers):
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with running.following(**headers):
            pass
    assert refused.value.response.status_code in (403, 421)


async def test_a_session_that_ends_ends_its_socket(running):
    cookie = running.sign_in()
    async with running.following(Cookie=cookie) as opened:
        await until(opened, t="hello")
        value = cookie.partition("=")[2]
        session = running.app.state.sessions.read(value, utc_now())
        running.app.state.sessions.close(session, utc_now())
        with pytest.raises(websockets.ConnectionClosed) as ended:
            while True:
                await asyncio.wait_for(opened.recv(), 10)
    assert ended.value.rcvd is not None and ended.value.rcvd.code == 1008


async def test_a_hidden_tab_gets_its_values_less_often(running):
    async with running.following() as opened:
        await until(opened, t="cells", topic="portfolio")
        await opened.send(stream.HIDDEN)
        await until(opened, t="cells", topic="portfolio")
        (tab,) = running.app.state.hub.connections
        assert tab.hidden
        assert tab.due - running.app.state.hub.ticked_at > 5


@pytest.mark.parametrize("said", ["{", "[]", "7", '{"t": 1}', "\x00"])
async def test_nonsense_from_a_tab_is_survived(running, said):
    async with running.following() as opened:
        await until(opened, t="hello")
        await opened.send(said)
    async with running.following() as again:
        await until(again, t="cells")


async def test_nothing_is_read_while_nobody_looks(running):
    async with running.following() as opened:
        await until(opened, t="cells")
    while running.app.state.hub.connections:
        await asyncio.sleep(0.05)
    await asyncio.sleep(5 * stream.TICK)
    assert running.app.state.hub.follows is None
