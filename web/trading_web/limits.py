"""How often a sign-in link may be tried."""

import math
import threading
from collections.abc import Callable
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

SIGN_IN: Final = "/login"


class Bucket:
    """Holds up to `size` requests and refills at `rate` a second."""

    def __init__(
        self, size: float, rate: float, monotonic: Callable[[], float]
    ) -> None:
        self._size, self._rate, self._monotonic = size, rate, monotonic
        self._left, self._at = size, monotonic()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take one and return 0, or return the seconds until there is one."""
        with self._lock:
            now = self._monotonic()
            self._left = min(self._size, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left >= 1:
                self._left -= 1
                return 0.0
            return (1 - self._left) / self._rate


class SignInLimit:
    """Refuse guesses of a link: ten at once, then one every six seconds.

    One bucket for all: the gateway listens on loopback and serves one person, so a
    peer's address tells nothing.
    """

    def __init__(self, app: ASGIApp, monotonic: Callable[[], float]) -> None:
        self.app = app
        self._bucket = Bucket(10, 1 / 6, monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != SIGN_IN:
            return await self.app(scope, receive, send)
        wait = self._bucket.take()
        if not wait:
            return await self.app(scope, receive, send)
        answer = PlainTextResponse(
            "Too many tries. Wait a moment and open the link again.",
            429,
            {"Retry-After": str(math.ceil(wait)), "Cache-Control": "no-store"},
        )
        await answer(scope, receive, send)
