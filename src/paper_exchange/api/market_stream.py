"""The market data stream at /v2/iex, /v2/sip and /v2/test.

Messages follow market time: trades and quotes at each price point, a minute's bar when
it has ended, and the day's bar with it.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgpack  # type: ignore[import-untyped]
import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from paper_exchange import instants
from paper_exchange.api.http import find_account, named_model
from paper_exchange.api.routing import Router
from paper_exchange.exchange import Exchange
from paper_exchange.faults import Faults
from paper_exchange.instants import MINUTE
from paper_exchange.market import bars, prints
from paper_exchange.market.bars import Row
from paper_exchange.market.interventions import Intervention
from paper_exchange.market.market import Market

router = Router()
CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds")
LETTERS = {
    "trades": "t",
    "quotes": "q",
    "bars": "b",
    "updatedBars": "u",
    "dailyBars": "d",
    "statuses": "s",
}
OF_THE_CLOCK = ("trades", "quotes", "bars", "dailyBars")
# Codes on the tapes A and B and on tape C, text, and the same of the reason.
STATUSES = {
    "halt": (("2", "H"), "Trading Halt", ("P", "T1"), "News Pending"),
    "resume": (("3", "T"), "Trading Resumption", ("D", "T3"), "News Disseminated"),
}
MOST_WAITING = 20_000
# What the broker's free plan allows: trades and quotes of so many symbols.
MOST_SYMBOLS = 30
LIMITED = ("trades", "quotes")
# Seconds of the machine after which a client that does not say who it is has to go.
AUTH_SECONDS = 10.0
MOST_AT_ONCE = 500
MINUTES, DAYS = bars.timeframe("1Min"), bars.timeframe("1Day")

Message = dict[str, Any]


class Refused(Exception):
    """An error of the stream's protocol."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body: Message = {"T": "error", "code": code, "msg": message}


class Connection:
    """One client: who it is, what it wants to hear, and what waits for it."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._as_msgpack = socket.headers.get("content-type") == "application/msgpack"
        self.feed = str(socket.path_params["feed"])
        self.before: list[Message] = []
        """The last batch that it was sent."""
        self._kept_back: list[list[Message]] = []
        self.account: str | None = None
        self._known_by = asyncio.get_running_loop().time() + AUTH_SECONDS
        self.wanted: dict[str, set[str]] = {channel: set() for channel in CHANNELS}
        self.waiting: asyncio.Queue[list[Message]] = asyncio.Queue(MOST_WAITING)

    @property
    def is_deaf(self) -> bool:
        """Whether it is open for the client's eyes only."""
        return bool(self._socket.scope["state"].get("is_deaf"))

    def become_deaf(self) -> None:
        """Leave the connection open, without an answer to anything, pings included."""
        self._socket.scope["state"]["is_deaf"] = True

    def wants(self, channel: str, symbol: str) -> bool:
        """Whether it subscribed to a symbol on a channel."""
        return symbol in self.wanted[channel] or "*" in self.wanted[channel]

    def put(self, messages: list[Message]) -> None:
        """Have messages sent; what a slow client cannot take is dropped."""
        try:
            self.waiting.put_nowait(messages)
        except asyncio.QueueFull:
            while not self.waiting.empty():
                self.waiting.get_nowait()
            self.waiting.put_nowait([Refused(407, "slow client").body])

    def keep_back(self, messages: list[Message]) -> None:
        """Have a batch sent by the next `give_back`."""
        self._kept_back.append(messages)

    def give_back(self) -> None:
        """Send what was kept back."""
        kept_back, self._kept_back = self._kept_back, []
        for messages in kept_back:
            self.put(messages)

    async def send_all(self) -> None:
        """Send what waits, until canceled."""
        while True:
            messages = await self.waiting.get()
            if self._as_msgpack:
                await self._socket.send_bytes(msgpack.packb(_packed(messages)))
            else:
                await self._socket.send_text(orjson.dumps(messages).decode())

    async def receive(self) -> Message:
        """Return the next message of the client, who may not stay unknown for long."""
        deadline = self._known_by if self.account is None else None
        try:
            async with asyncio.timeout_at(deadline):
                frame = await self._socket.receive()
        except TimeoutError:
            raise Refused(404, "auth timeout") from None
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame.get("code", 1000))
        content = frame.get("bytes") or (frame.get("text") or "").encode()
        try:
            if self._as_msgpack:
                message = msgpack.unpackb(content)
            else:
                message = orjson.loads(content)
        except (ValueError, msgpack.UnpackException):
            raise Refused(400, "invalid syntax") from None
        if not isinstance(message, dict):
            raise Refused(400, "invalid syntax")
        return message

    def state(self) -> Message:
        """Return the whole subscription."""
        symbols = {channel: sorted(self.wanted[channel]) for channel in CHANNELS}
        return {
            "T": "subscription",
            **symbols,
            "corrections": symbols["trades"],
            "cancelErrors": symbols["trades"],
        }


def _packed(messages: list[Message]) -> list[Message]:
    """Return messages whose times are MessagePack timestamps, as the client expects."""
    packed = []
    for message in messages:
        if "t" in message:
            seconds, nanoseconds = divmod(instants.parse(message["t"]), instants.SECOND)
            message = {**message, "t": msgpack.Timestamp(seconds, nanoseconds)}
        packed.append(message)
    return packed


def _status(market: Market, act: Intervention) -> Message:
    """Return a halt or its end as the stream writes it."""
    codes, message, reasons, reason = STATUSES[act.kind]
    tape = prints.TAPES.get(market.listings[act.symbol].exchange, "A")
    place = 1 if tape == "C" else 0
    return {
        "sc": codes[place],
        "sm": message,
        "rc": reasons[place],
        "rm": reason,
        "t": instants.rfc3339(act.time),
        "z": tape,
    }


class MarketStream:
    """Everyone who hears the market, and how far they have heard it."""

    def __init__(self, exchange: Exchange, active: Faults) -> None:
        self._exchange = exchange
        self._faults = active
        self._heard_until = exchange.now
        self._revised: set[tuple[int, str, int]] = set()
        """When a minute that a late trade changed is told anew, of what, and which."""
        self.connections: list[Connection] = []

    def publish(self) -> None:
        """Tell what the market did since the last call."""
        since, until = self._heard_until, self._exchange.now
        self._heard_until = until
        revised = sorted(one for one in self._revised if one[0] <= until)
        self._revised.difference_update(revised)
        listeners = [one for one in self.connections if any(one.wanted.values())]
        if until <= since or not listeners:
            return
        events = [
            event
            for symbol in self._exchange.market.listings
            for channel in OF_THE_CLOCK
            if any(one.wants(channel, symbol) for one in listeners)
            for event in self._events(channel, symbol, since, until)
        ]
        events += [
            (due, "updatedBars", {"T": "u", "S": symbol, **row})
            for due, symbol, minute in revised
            for _, row in self._minutes(symbol, minute, minute)
        ]
        # Market time first; what happens at one instant keeps the channels' order.
        events.sort(key=lambda event: event[0])
        self._tell(listeners, events)

    def intervened(self, act: Intervention) -> None:
        """Tell of a trade that was printed, or of a halt, at this very instant."""
        market, symbol = self._exchange.market, act.symbol
        told: list[tuple[str, Message]] = []
        if act.kind in STATUSES:
            told = [("statuses", _status(market, act))]
        elif act.kind == "print" and (point := market.last(symbol, act.time)):
            told = [("trades", prints.trade(market, symbol, point))]
            if act.time == self._exchange.now:
                told.append(("quotes", prints.quote(market, symbol, point)))
            else:
                self._revise(symbol, act.time - act.time % MINUTE)
        events = [
            (act.time, channel, {"T": LETTERS[channel], "S": symbol, **message})
            for channel, message in told
        ]
        self._tell(self.connections, events)

    def _revise(self, symbol: str, minute: int) -> None:
        """Have a minute that was told already told anew, at half a minute as it is."""
        now, half = self._exchange.now, MINUTE // 2
        if minute + MINUTE <= now:
            due = max(minute + MINUTE + half, now - (now + half) % MINUTE + MINUTE)
            self._revised.add((due, symbol, minute))

    def _minutes(self, symbol: str, first: int, last: int) -> Iterator[Row]:
        """Yield the minutes that begin between two instants and have ended."""
        market, now = self._exchange.market, self._exchange.now
        return bars.rows(market, symbol, MINUTES, first, last, now, newest_first=False)

    def _tell(
        self, listeners: list[Connection], events: list[tuple[int, str, Message]]
    ) -> None:
        """Hand each listener what it wants of some events."""
        for listener in listeners:
            messages = [
                message
                for _, channel, message in events
                if listener.wants(channel, message["S"])
            ]
            for first in range(0, len(messages), MOST_AT_ONCE):
                self._put(listener, messages[first : first + MOST_AT_ONCE])

    def _put(self, listener: Connection, messages: list[Message]) -> None:
        """Hand a batch to a listener, as a fault has it."""
        if listener.is_deaf:
            return
        fault = self._faults.for_prices(listener.feed)
        kind = None if fault is None else fault.kind
        if fault is not None and kind in ("stream_delay", "stream_reorder"):
            later = asyncio.get_running_loop().call_later
            if kind == "stream_delay":
                later(fault.seconds, listener.put, messages)
            else:
                # Behind the next one; or alone, when there is none for a while.
                listener.keep_back(messages)
                later(fault.seconds, listener.give_back)
        elif kind == "stream_half_open":
            listener.become_deaf()
        elif kind not in ("stream_drop", "stream_mute"):
            listener.put(messages)
            listener.give_back()
            if kind == "stream_duplicate":
                listener.put(messages)
            elif kind == "stream_replay":
                listener.put(listener.before)
            listener.before = messages

    def refuses(self, connection: Connection) -> bool:
        """Whether a fault turns a new connection away."""
        return self._faults.refuses_stream(f"/v2/{connection.feed}", False)

    def _events(
        self, channel: str, symbol: str, since: int, until: int
    ) -> Iterator[tuple[int, str, Message]]:
        """Yield when something is told, on which channel, and what."""
        market = self._exchange.market
        letter = LETTERS[channel]
        if channel in ("trades", "quotes"):
            rows = prints.rows(
                market, symbol, channel, since + 1, until, until, newest_first=False
            )
        else:
            # A minute is told when it has ended: those that began a minute earlier.
            rows = self._minutes(symbol, since - MINUTE + 1, until - MINUTE)
            if channel == "dailyBars" and any(True for _ in rows):
                midnight = instants.new_york_midnight(instants.new_york_date(until))
                rows = bars.rows(market, symbol, DAYS, midnight, until, until, False)
        for label, row in rows:
            told = label if channel in ("trades", "quotes") else label + MINUTE
            if channel == "dailyBars":
                told = until
            yield told, channel, {"T": letter, "S": symbol, **row}


@router.websocket("/v2/{feed}")
async def market_data(socket: WebSocket) -> None:
    """Greet, authenticate, keep the subscription, and tell what the market does."""
    await socket.accept(headers=named_model(socket))
    connection = Connection(socket)
    stream: MarketStream = socket.app.state.market_stream
    exchange: Exchange = socket.app.state.exchange
    sender = asyncio.create_task(connection.send_all())
    connection.put([{"T": "success", "msg": "connected"}])
    try:
        if socket.path_params["feed"] not in ("iex", "sip", "test"):
            raise Refused(409, "insufficient subscription")
        while True:
            try:
                message = await connection.receive()
                connection.put([_answer(message, connection, stream, exchange)])
            except Refused as refusal:
                connection.put([refusal.body])
                if refusal.body["code"] in (402, 404, 406):
                    await _flushed(connection)
                    await socket.close()
                    return
    except Refused as refusal:
        connection.put([refusal.body])
        await _flushed(connection)
        await socket.close()
    except (WebSocketDisconnect, RuntimeError):
        # Starlette raises RuntimeError when the peer went away during a send.
        pass
    finally:
        if connection in stream.connections:
            stream.connections.remove(connection)
        sender.cancel()


async def _flushed(connection: Connection) -> None:
    while not connection.waiting.empty():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)


def _answer(
    message: Message, connection: Connection, stream: MarketStream, exchange: Exchange
) -> Message:
    action = message.get("action")
    if action == "auth":
        if connection.account is not None:
            raise Refused(403, "already authenticated")
        key, secret = str(message.get("key", "")), str(message.get("secret", ""))
        account = find_account(exchange, key, secret)
        if stream.refuses(connection):
            account = None
        if account is None:
            raise Refused(402, "auth failed")
        if any(other.account == account.id for other in stream.connections):
            raise Refused(406, "connection limit exceeded")
        connection.account = account.id
        stream.connections.append(connection)
        return {"T": "success", "msg": "authenticated"}
    if connection.account is None:
        raise Refused(401, "not authenticated")
    if action not in ("subscribe", "unsubscribe"):
        raise Refused(400, "invalid syntax")
    wanted = {}
    for channel in CHANNELS:
        symbols = message.get(channel) or []
        if not isinstance(symbols, list) or not all(
            isinstance(symbol, str) for symbol in symbols
        ):
            raise Refused(410, "invalid subscribe action")
        before = connection.wanted[channel]
        adds = action == "subscribe"
        wanted[channel] = before | set(symbols) if adds else before - set(symbols)
    if action == "subscribe" and connection.feed == "iex":
        if len(set().union(*(wanted[channel] for channel in LIMITED))) > MOST_SYMBOLS:
            raise Refused(405, "symbol limit exceeded")
    connection.wanted = wanted
    return connection.state()
