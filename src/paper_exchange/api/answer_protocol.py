"""The server's side of an HTTP connection that takes an answer in one piece."""

from functools import partial
from typing import cast

from starlette.types import Scope
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from paper_exchange.api.http import WRITE_ANSWER, RawHeaders


class AnswerProtocol(HttpToolsProtocol):
    """A connection whose application may write head and body of an answer at once.

    ASGI has them sent one after the other: two calls of the system, and often two
    wakes of the client, where one would do.
    """

    def _start_asgi_task(
        self, cycle: RequestResponseCycle, app: ASGI3Application
    ) -> None:
        cast(Scope, cycle.scope)[WRITE_ANSWER] = partial(_write, cycle)
        super()._start_asgi_task(cycle, app)


async def _write(
    cycle: RequestResponseCycle, status: int, headers: RawHeaders, body: bytes
) -> None:
    """Write an answer, and end its cycle as two sent messages would."""
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    pieces = [STATUS_LINE[status]]
    for name, value in (*cycle.default_headers, *headers):
        pieces += (name, b": ", value, b"\r\n")
    if not cycle.keep_alive:
        pieces.append(b"connection: close\r\n")
    pieces.append(b"\r\n")
    if cycle.scope["method"] != "HEAD":
        pieces.append(body)
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(b"".join(pieces))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
