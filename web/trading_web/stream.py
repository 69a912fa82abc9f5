"""Live updates: one socket a tab, fed by one reader of events and one of values."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from loguru import logger

from trading_system.clock import monotonic, utc_now
from trading_system.doorbell import Doorbell
from trading_web import formats
from trading_web.announcements import announce
from trading_web.desk import Desk
from trading_web.events import EventReader
from trading_web.session import cookie_name
from trading_web.topics import TOPICS, Reading

TICK: Final = 1.0
HIDDEN_TICK: Final = 10.0
HIDDEN: Final = '{"t":"hidden"}'
QUEUE: Final = 256
STUCK: Final = 5.0

router = APIRouter()


class Connection:
    """A tab: what it watches, what it was sent, and what waits to be sent."""

    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self.zone = formats.zone()
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUE)
        self.hidden = False
        self.due = 0.0
        self._sequence: dict[str, int] = {}
        self._sent: dict[str, dict[str, list[str]]] = {}
        self._problems: dict[str, str | None] = {}
        self._full_since: float | None = None

    @property
    def sequences(self) -> dict[str, int]:
        """The last number used in each topic."""
        return {topic: self._sequence.get(topic, 0) for topic in self.topics}

    def put(self, topic: str, frame: dict[str, Any]) -> None:
        """Queue a frame; one that finds no room is missed, and the number tells."""
        self._sequence[topic] = self._sequence.get(topic, 0) + 1
        frame |= {"topic": topic, "seq": self._sequence[topic]}
        frame["ts"] = utc_now().isoformat()
        try:
            self.queue.put_nowait(frame)
            self._full_since = None
        except asyncio.QueueFull:
            self._full_since = self._full_since or monotonic()

    @property
    def stuck(self) -> bool:
        """Whether the tab has not read anything for too long."""
        full = self._full_since
        return full is not None and monotonic() - full > STUCK

    def show(self, topic: str, reading: Reading) -> None:
        """Send the values that look different from what this tab last got."""
        sent = self._sent.setdefault(topic, {})
        changed = {
            name: list(cell)
            for name, cell in reading.cells.items()
            if sent.get(name) != list(cell)
        }
        sent |= changed
        frame = {"t": "cells", "v": changed, "as_of": reading.as_of}
        self.put(topic, frame | {"problem": reading.problem})


class Hub:
    """All tabs, and the two tasks that feed them."""

    def __init__(self, desk: Desk, redis_url: str) -> None:
        self._desk = desk
        self._redis_url = redis_url
        self._events = EventReader(desk.services)
        self._bell: asyncio.Event = asyncio.Event()
        self.boot = uuid4().hex
        self.connections: set[Connection] = set()
        self.ticked_at = 0.0

    @property
    def follows(self) -> int | None:
        """The last event that was seen, or None while nobody looks."""
        return self._events.cursor

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Feed the tabs until the gateway stops."""
        loop = asyncio.get_running_loop()

        def ring(topics: set[str]) -> None:
            loop.call_soon_threadsafe(self._bell.set)

        doorbell = Doorbell(self._redis_url) if self._redis_url else None
        if doorbell is not None:
            doorbell.listen(ring)
        tasks = [asyncio.create_task(run()) for run in (self._tick, self._hear)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if doorbell is not None:
                await asyncio.to_thread(doorbell.stop)

    async def _tick(self) -> None:
        while True:
            started = self.ticked_at = monotonic()
            due = [c for c in self.connections if c.due <= started]
            wanted = {(t, c.zone) for c in due for t in c.topics if t in TOPICS}
            readings = await asyncio.gather(*(self._read(*each) for each in wanted))
            found = dict(zip(wanted, readings, strict=True))
            for connection in due:
                pause = HIDDEN_TICK if connection.hidden else TICK
                connection.due = started + pause - TICK / 2
                for topic in connection.topics:
                    reading = found.get((topic, connection.zone))
                    if reading is not None:
                        connection.show(topic, reading)
            await asyncio.sleep(max(0.05, TICK - (monotonic() - started)))

    async def _read(self, topic: str, zone: ZoneInfo) -> Reading | None:
        try:
            with formats.shown_in(zone):
                return await asyncio.to_thread(TOPICS[topic], self._desk)
        except Exception:  # one broken topic must not stop the others' updates
            logger.exception("live topic {} could not be read", topic)
            return None

    async def _hear(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), TICK)
            self._bell.clear()
            if not self.connections:
                self._events.rest()
                continue
            try:
                events = await asyncio.to_thread(self._events.read)
            except Exception:  # an event this code cannot read must not end the task
                logger.exception("events could not be read")
                continue
            for frame in announce(events):
                self.send("events", frame)

    def send(self, topic: str, frame: dict[str, Any]) -> None:
        """Queue a frame for every tab."""
        for connection in self.connections:
            connection.put(topic, dict(frame))


@router.websocket("/ws")
async def follow(socket: WebSocket, topics: str = "") -> None:
    """Send a tab what changes on it until it goes away."""
    sessions, hub = socket.app.state.sessions, socket.app.state.hub
    cookie = socket.cookies.get(cookie_name(socket.scope))
    if sessions.read(cookie, utc_now()) is None:
        await socket.close(1008)
        return
    await socket.accept()
    connection = Connection(frozenset({"events", "shell", *topics.split(",")} - {""}))
    hello = {"t": "hello", "boot": hub.boot, "tick_ms": int(TICK * 1000)}
    hub.connections.add(connection)
    await socket.send_text(json.dumps(hello | {"seq": connection.sequences}))
    listening = asyncio.create_task(_listen(socket, connection))
    try:
        while not listening.done():
            with suppress(TimeoutError):
                frame = await asyncio.wait_for(connection.queue.get(), TICK)
                await socket.send_text(json.dumps(frame))
            if connection.stuck:
                await socket.close(1013)
                return
            if sessions.read(cookie, utc_now()) is None:
                await socket.close(1008)
                return
    except (WebSocketDisconnect, RuntimeError):
        pass  # the tab closed while a frame was on its way
    finally:
        hub.connections.discard(connection)
        listening.cancel()


async def _listen(socket: WebSocket, connection: Connection) -> None:
    """Hear whether the tab is looked at; nothing else is expected from it."""
    with suppress(WebSocketDisconnect):
        while True:
            said = await socket.receive_text()
            connection.hidden = said == HIDDEN
            connection.due = 0.0
