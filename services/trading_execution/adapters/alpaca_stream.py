"""Alpaca's `trade_updates` stream: fast, and never the record.

It may drop, repeat or fall silent. Every connection is followed by a catch-up over
REST, and reconciliation tells when a message was missed although the connection stood.
"""

import json
import random
import threading
from collections.abc import Callable
from typing import Any

from loguru import logger
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from trading_execution.adapters import alpaca_forms as forms
from trading_execution.adapters.alpaca import credentials
from trading_execution.ports import StreamUpdate
from trading_system.config.settings import Settings

LONGEST_PAUSE = 30.0
WRONG_KEYS_PAUSE = 60.0


class _Unauthorized(Exception):
    pass


class AlpacaTradeStream:
    """One connection to `trade_updates`, kept up in a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.alpaca_stream_url
        self._key, self._secret = credentials(settings)
        self._stopping = threading.Event()
        self._suspect = threading.Event()
        self._connected = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def connected(self) -> bool:
        """Whether messages can arrive."""
        return self._connected.is_set()

    def start(
        self,
        on_update: Callable[[StreamUpdate], None],
        on_connect: Callable[[], None],
    ) -> None:
        """Begin to listen in a thread of its own, and reconnect for ever."""
        self._thread = threading.Thread(
            target=self._run, args=(on_update, on_connect), name="stream", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End listening."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def suspect(self) -> None:
        """Connect again: a message was missed although the connection stands."""
        self._suspect.set()

    def _run(
        self,
        on_update: Callable[[StreamUpdate], None],
        on_connect: Callable[[], None],
    ) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._listen(on_update, on_connect)
                failures = 0
            except _Unauthorized:
                logger.error("the trade stream refuses the keys")
                self._stopping.wait(WRONG_KEYS_PAUSE)
            except (OSError, WebSocketException, forms.NotUnderstood) as error:
                if self._connected.is_set():
                    failures = 0
                failures += 1
                logger.warning("trade stream lost: {}", error or type(error).__name__)
            self._connected.clear()
            # Never at once: reconnects in a row end in a ban.
            pause = min(2.0 ** min(failures, 5) / 2, LONGEST_PAUSE)
            self._stopping.wait(pause * random.uniform(0.5, 1.0))

    def _listen(
        self,
        on_update: Callable[[StreamUpdate], None],
        on_connect: Callable[[], None],
    ) -> None:
        with connect(
            self._url,
            open_timeout=5,
            close_timeout=1,
            ping_interval=10,
            ping_timeout=20,
            compression=None,
            proxy=None,
        ) as socket:
            self._sign_in(socket)
            self._suspect.clear()
            self._connected.set()
            on_connect()
            while not (self._stopping.is_set() or self._suspect.is_set()):
                try:
                    message = socket.recv(timeout=0.5)
                except TimeoutError:
                    continue
                self._take(message, on_update, on_connect)

    def _sign_in(self, socket: Connection) -> None:
        keys = {"key_id": self._key, "secret_key": self._secret}
        socket.send(json.dumps({"action": "authenticate", "data": keys}))
        answer = _data(socket.recv(timeout=5), "authorization")
        if answer.get("status") != "authorized":
            raise _Unauthorized
        streams = {"streams": ["trade_updates"]}
        socket.send(json.dumps({"action": "listen", "data": streams}))
        _data(socket.recv(timeout=5), "listening")

    def _take(
        self,
        message: str | bytes,
        on_update: Callable[[StreamUpdate], None],
        on_connect: Callable[[], None],
    ) -> None:
        try:
            on_update(forms.update(_data(message, "trade_updates")))
        except forms.NotUnderstood as error:
            # Something happened that we cannot read: the record will tell what.
            logger.warning("message of the trade stream: {}", error)
            on_connect()


def _data(message: str | bytes, stream: str) -> dict[str, Any]:
    text = message if isinstance(message, str) else message.decode("utf-8", "replace")
    body = forms.read(text)
    if not isinstance(body, dict) or body.get("stream") != stream:
        raise forms.NotUnderstood(f"expected {stream}, got {text[:100]}")
    data = body.get("data")
    return data if isinstance(data, dict) else {}
