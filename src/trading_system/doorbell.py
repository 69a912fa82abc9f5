"""Redis pub/sub as a bell: it says that there is something new, never what."""

import threading
from collections.abc import Callable

import redis
from loguru import logger

from trading_system.clock import monotonic


class Doorbell:
    """Rings when events were committed, and hears others ring.

    Losing a message, or Redis, costs at most a second: consumers look by themselves. A
    Redis that hangs is left alone for a while, so that it cannot slow an order.
    """

    CHANNEL = "trading:events"

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=0.05, socket_connect_timeout=0.2
        )
        self._listening = redis.Redis.from_url(
            url, socket_timeout=2.0, socket_connect_timeout=0.5
        )
        self._errors = (redis.RedisError, OSError)
        self._quiet_until = 0.0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.connected = False

    def ring(self, topics: list[str], sequence: int) -> None:
        """Tell whoever listens that these topics have something new."""
        if monotonic() < self._quiet_until:
            return
        try:
            self._redis.publish(
                self.CHANNEL, f"{sequence} {' '.join(dict.fromkeys(topics))}"
            )
        except self._errors as error:
            self._quiet_until = monotonic() + 1.0
            logger.debug("doorbell is silent: {}", error)

    def listen(self, ring: Callable[[set[str]], None]) -> None:
        """Call `ring` with the topics of each message, in a thread of its own."""
        self._thread = threading.Thread(
            target=self._listen, args=(ring,), name="doorbell", daemon=True
        )
        self._thread.start()

    def _listen(self, ring: Callable[[set[str]], None]) -> None:
        while not self._stopping.is_set():
            try:
                with self._listening.pubsub(  # type: ignore[no-untyped-call]
                    ignore_subscribe_messages=True
                ) as channel:
                    channel.subscribe(self.CHANNEL)
                    self.connected = True
                    while not self._stopping.is_set():
                        message = channel.get_message(timeout=1.0)
                        if message is not None:
                            words = message["data"].decode("utf-8", "replace").split()
                            ring(set(words[1:]))
            except self._errors as error:
                self.connected = False
                logger.debug("doorbell does not answer: {}", error)
                self._stopping.wait(0.5)

    def stop(self) -> None:
        """End listening."""
        self._stopping.set()
        # Wakes our own listener, and tells the others nothing.
        self.ring([], 0)
        if self._thread is not None:
            self._thread.join(timeout=4)
        self._redis.close()
        self._listening.close()
