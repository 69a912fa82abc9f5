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

    def send_receive_event_to_app(self) -> None:
        """Hand on a message; text that is no UTF-8 ends the connection (1007).

        Uvicorn does the same, but puts a traceback of its own into the log.
        """
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()
