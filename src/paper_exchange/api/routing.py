"""Routes as they are declared: for the server, and for its description.

The handlers take a request and return an answer, so nothing of what FastAPI does for
each request is needed; without it a request costs a third less and the program starts
sooner.
"""

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


def routes(routers: Iterable[Router]) -> list[BaseRoute]:
    """Return what the server looks through, first match first."""
    found: list[BaseRoute] = []
    for router in routers:
        for operation in router.operations:
            route = Route(operation.path, operation.handler, methods=[operation.method])
            # The broker knows no HEAD, which Starlette adds to every GET.
            route.methods = {operation.method}
            found.append(route)
        found += router.streams
    return found
