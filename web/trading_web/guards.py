"""Who may talk to the gateway at all. Pure ASGI, so that WebSockets are covered too.

Everything is compared with the port this process listens on and never with the Host
header: a page of another site that rebinds its name controls Host and Origin alike.
"""

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trading_web import formats

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
ZONE_COOKIE: Final = "trading_zone"
NAMES: Final = ("127.0.0.1", "localhost", "[::1]")

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "manifest-src 'self'",
    )
)

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class LocalGuard:
    """Refuse another Host, another site's Origin, and what a browser would not send."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        refusal = _refusal(scope)
        if refusal is None:
            return await self.app(scope, receive, send)
        await _refuse(scope, send, *refusal)


class SecurityHeaders:
    """Add the content security policy and its companions to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                # What a page shows is private and passes; assets say otherwise.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_guarded)


class ShownZone:
    """Write the times of an answer in the zone that the browser has chosen."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        chosen = HTTPConnection(scope).cookies.get(ZONE_COOKIE, "")
        with formats.shown_in(formats.zone_named(chosen)):
            await self.app(scope, receive, send)


def _refusal(scope: Scope) -> tuple[int, str] | None:
    headers = Headers(scope=scope)
    server = scope.get("server")
    port = server[1] if server else None
    hosts = {f"{name}:{port}" for name in NAMES}
    host = headers.getlist("host")
    # Missing, doubled, foreign, or carrying a path: all are refused.
    if len(host) != 1 or host[0].lower() not in hosts:
        return 421, "This address is not served here."
    origins = {f"http://{name}" for name in hosts}
    unsafe = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin not in origins:
        if unsafe or site == "cross-site":
            return 403, "Requests from other sites are refused."
    if unsafe and site in ("cross-site", "same-site"):
        return 403, "Requests from other sites are refused."
    bearer = headers.get("authorization", "").startswith("Bearer ")
    # Browsers always send Origin here; scripts identify themselves with a token.
    if unsafe and origin is None and not bearer:
        return 403, "An Origin header is required."
    return None


async def _refuse(scope: Scope, send: Send, status: int, detail: str) -> None:
    if scope["type"] == "websocket":
        # Before the handshake is accepted the client sees this as HTTP 403.
        await send({"type": "websocket.close", "code": 1008})
        return
    body = detail.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
