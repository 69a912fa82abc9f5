"""The server's side of a WebSocket that can be told to hear nothing more."""

from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)


class StreamProtocol(WebSocketsSansIOProtocol):
    """A WebSocket; a deaf one stays open and answers nothing, pings included."""

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client, or let them fall."""
        scope = getattr(self, "scope", None)
        if scope is None or not scope["state"].get("is_deaf"):
            super().data_received(data)
