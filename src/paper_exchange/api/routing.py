"""Routes as they are declared: for the server, and for its description.

The handlers take a request and return an answer, so nothing of what FastAPI does for
each request is needed; without it a request costs a third less and the program starts
sooner. The operations of both APIs are found here, by a look into a table: Starlette
tries one route after the other, and wraps the one it found twice.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

Handler = Callable[[Request], Awaitable[Response]]
Listener = Callable[[WebSocket], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    tag: str
    status: int


@dataclass
class Router:
    """The operations of one part of the API, in the order in which they are tried."""

    tag: str = ""
    prefix: str = ""
    operations: list[Operation] = field(default_factory=list)
    streams: list[WebSocketRoute] = field(default_factory=list)

    def _declare(
        self, method: str, path: str, status: int
    ) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            path_ = self.prefix + path
            self.operations.append(Operation(method, path_, handler, self.tag, status))
            return handler

        return declare

    def get(self, path: str) -> Callable[[Handler], Handler]:
        """Declare what reads."""
        return self._declare("GET", path, 200)

    def post(self, path: str) -> Callable[[Handler], Handler]:
        """Declare what adds."""
        return self._declare("POST", path, 200)

    def put(self, path: str) -> Callable[[Handler], Handler]:
        """Declare what puts something in the place of another."""
        return self._declare("PUT", path, 200)

    def patch(self, path: str) -> Callable[[Handler], Handler]:
        """Declare what changes."""
        return self._declare("PATCH", path, 200)

    def delete(self, path: str, status: int = 200) -> Callable[[Handler], Handler]:
        """Declare what removes."""
        return self._declare("DELETE", path, status)

    def websocket(self, path: str) -> Callable[[Listener], Listener]:
        """Declare a stream."""

        def declare(listener: Listener) -> Listener:
            self.streams.append(WebSocketRoute(path, listener))
            return listener

        return declare


def is_api(path: str) -> bool:
    """Whether a path belongs to Alpaca's APIs, which need keys."""
    return path.startswith(("/v1/", "/v2/", "/v3/", "/v1beta1/", "/v2beta1/"))


class Operations:
    """The operations of both APIs, found by method and path."""

    def __init__(self, routers: Iterable[Router]) -> None:
        self._exact: dict[tuple[str, str], Handler] = {}
        self._patterns: list[tuple[str, re.Pattern[str], Handler]] = []
        for router in routers:
            for one in router.operations:
                if not is_api(one.path):
                    continue
                if "{" not in one.path:
                    self._exact[one.method, one.path] = one.handler
                    continue
                text = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(one.path))
                self._patterns.append((one.method, re.compile(text), one.handler))

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        """Return the handler and the parameters of a path, or None."""
        handler = self._exact.get((method, path))
        if handler is not None:
            return handler, {}
        for its_method, pattern, handler in self._patterns:
            if its_method == method and (match := pattern.fullmatch(path)):
                return handler, match.groupdict()
        return None

    def methods(self, path: str) -> set[str]:
        """Return the methods that a path has."""
        exact = {method for method, known in self._exact if known == path}
        return exact | {
            method for method, pattern, _ in self._patterns if pattern.fullmatch(path)
        }


def routes(routers: Iterable[Router]) -> list[BaseRoute]:
    """Return what Starlette looks through: streams, and what is no part of an API."""
    found: list[BaseRoute] = []
    for router in routers:
        for operation in router.operations:
            if is_api(operation.path):
                continue
            route = Route(operation.path, operation.handler, methods=[operation.method])
            # The broker knows no HEAD, which Starlette adds to every GET.
            route.methods = {operation.method}
            found.append(route)
        found += router.streams
    return found
