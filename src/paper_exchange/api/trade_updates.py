"""The `trade_updates` stream at /stream."""

import asyncio
from collections import defaultdict, deque
from typing import Any

import msgpack  # type: ignore[import-untyped]
import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from paper_exchange.api.http import find_account, named_model
from paper_exchange.api.routing import Router
from paper_exchange.exchange import Exchange
from paper_exchange.faults import Fault, Faults
from paper_exchange.transaction import Update

router = Router()
# A client that reads nothing is cut off here: about an hour of a busy account.
MOST_WAITING = 50_000
REMEMBERED = 50


class Subscriber:
    """One connection and the frames that wait for it."""

    def __init__(self, socket: WebSocket, as_msgpack: bool) -> None:
        self._socket = socket
        self._as_msgpack = as_msgpack
        self.frames: asyncio.Queue[bytes] = asyncio.Queue(MOST_WAITING)
        self.unsent = 0

    def put(self, message: dict[str, Any]) -> None:
        """Have a message sent; a client that is too slow loses its connection."""
        if self._socket.scope["state"].get("is_deaf"):
            return
        pack = msgpack.packb if self._as_msgpack else orjson.dumps
        try:
            self.frames.put_nowait(pack(message))
        except asyncio.QueueFull:
            # What it missed it has to ask for, as after any lost connection.
            self._task = asyncio.ensure_future(self._socket.close(1008))
            return
        self.unsent += 1

    def become_deaf(self) -> None:
        """Leave the connection open, without an answer to anything, pings included."""
        self._socket.scope["state"]["is_deaf"] = True

    async def send_all(self) -> None:
        """Send frames as they come, until canceled."""
        while True:
            # Alpaca's paper stream is JSON in binary frames.
            await self._socket.send_bytes(await self.frames.get())
            self.unsent -= 1


class TradeUpdates:
    """Everyone who listens, by account."""

    def __init__(self, active: Faults) -> None:
        self._faults = active
        self._told: defaultdict[str, deque[dict[str, Any]]] = defaultdict(
            lambda: deque(maxlen=REMEMBERED)
        )
        self._kept_back: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._listening: defaultdict[str, set[Subscriber]] = defaultdict(set)

    def publish(self, update: Update) -> None:
        """Hand an event to the listeners of its account."""
        listening = self._listening[update.account]
        if not listening:
            return
        fault = self._faults.for_event(update.data["order"]["client_order_id"])
        message = {"stream": "trade_updates", "data": update.data}
        told, kept_back = self._told[update.account], self._kept_back[update.account]
        messages = [message, *kept_back]
        kept_back.clear()
        if fault is not None:
            messages = self._struck(fault, update.account, messages)
        told.append(message)
        self._send(update.account, messages)

    def _struck(
        self, fault: Fault, account: str, messages: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Return what is sent at once when a fault strikes a message."""
        message = messages[0]
        later = asyncio.get_running_loop().call_later
        if fault.kind == "stream_duplicate":
            return [message, *messages]
        if fault.kind == "stream_replay":
            return [*messages, *list(self._told[account])[:1]]
        if fault.kind == "stream_delay":
            later(fault.seconds, self._send, account, messages)
        elif fault.kind == "stream_reorder":
            # Behind the next one; or alone, when there is none for a while.
            self._kept_back[account] += messages
            later(fault.seconds, self._give_back, account)
        elif fault.kind == "stream_half_open":
            for subscriber in self._listening[account]:
                subscriber.become_deaf()
        return []

    def _give_back(self, account: str) -> None:
        messages, self._kept_back[account] = self._kept_back[account], []
        self._send(account, messages)

    def _send(self, account: str, messages: list[dict[str, Any]]) -> None:
        for subscriber in list(self._listening[account]):
            for message in messages:
                subscriber.put(message)

    def is_heard(self, account: str) -> bool:
        """Whether somebody listens to an account already."""
        return bool(self._listening[account])

    @property
    def unsent(self) -> int:
        """Frames that wait to be sent."""
        return sum(
            subscriber.unsent
            for subscribers in self._listening.values()
            for subscriber in subscribers
        )

    async def drained(self, patience: float = 5.0) -> None:
        """Wait until every frame is sent, or a client proves too slow."""
        for _ in range(int(patience / 0.005)):
            if not self.unsent:
                return
            await asyncio.sleep(0.005)

    def listen(self, account: str, subscriber: Subscriber) -> None:
        """Let a connection hear an account's events."""
        self._listening[account].add(subscriber)

    def ignore(self, account: str, subscriber: Subscriber) -> None:
        """Let a connection hear nothing more."""
        self._listening[account].discard(subscriber)


@router.websocket("/stream")
async def trade_updates(socket: WebSocket) -> None:
    """Authenticate, listen, and then tell what happens to the account's orders."""
    await socket.accept(headers=named_model(socket))
    wants_msgpack = socket.headers.get("content-type") == "application/msgpack"
    subscriber = Subscriber(socket, wants_msgpack)
    hub: TradeUpdates = socket.app.state.trade_updates
    sender = asyncio.create_task(subscriber.send_all())
    account: str | None = None
    try:
        while True:
            message = await _message(socket, wants_msgpack)
            account = _answer(message, subscriber, hub, socket.app.state, account)
    except (WebSocketDisconnect, RuntimeError):
        # Starlette raises RuntimeError when the peer went away during a send.
        pass
    finally:
        if account is not None:
            hub.ignore(account, subscriber)
        sender.cancel()


async def _message(socket: WebSocket, as_msgpack: bool) -> dict[str, Any]:
    """Return the next message; what cannot be read is an empty one."""
    frame = await socket.receive()
    if frame["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(frame.get("code", 1000))
    content = frame.get("bytes") or (frame.get("text") or "").encode()
    try:
        message = msgpack.unpackb(content) if as_msgpack else orjson.loads(content)
    except (ValueError, msgpack.UnpackException):
        return {}
    return message if isinstance(message, dict) else {}


def _answer(
    message: dict[str, Any],
    subscriber: Subscriber,
    hub: TradeUpdates,
    state: Any,
    account: str | None,
) -> str | None:
    exchange: Exchange = state.exchange
    action, data = message.get("action"), message.get("data")
    data = data if isinstance(data, dict) else {}
    if action in ("authenticate", "auth"):
        key = data.get("key_id") or message.get("key") or ""
        secret = data.get("secret_key") or message.get("secret") or ""
        found = find_account(exchange, str(key), str(secret))
        second = found is not None and hub.is_heard(found.id)
        if state.faults.refuses_stream("/stream", second):
            found = None
        status = "authorized" if found else "unauthorized"
        subscriber.put(
            {
                "stream": "authorization",
                "data": {"status": status, "action": "authenticate"},
            }
        )
        if found is not None:
            return found.id
    elif action == "listen" and account is not None:
        wanted = data.get("streams")
        streams = [
            name
            for name in (wanted if isinstance(wanted, list) else [])
            if name == "trade_updates"
        ]
        if streams:
            hub.listen(account, subscriber)
        else:
            hub.ignore(account, subscriber)
        subscriber.put({"stream": "listening", "data": {"streams": streams}})
    elif account is None:
        subscriber.put(
            {
                "stream": "authorization",
                "data": {"status": "unauthorized", "action": str(action)[:64]},
            }
        )
    return account
