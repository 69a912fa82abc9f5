"""Who may ask what: bearer tokens with scopes, and guards in front of every app."""

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trading_system import personal_tokens
from trading_system.errors import Forbidden, Unauthorized
from trading_system.personal_tokens import ADMIN, token_hash

ACTING_USER = "X-Acting-User"
"""In whose name the dashboard or the command line asks."""

BODY_LIMIT = 1_000_000
"""Bytes a request may bring, unless a route says otherwise."""

_bearer = HTTPBearer(
    auto_error=False, description="A token of `trading token`, or of a part of ours."
)


class Caller(BaseModel):
    """Who asks, and what that one may do."""

    model_config = ConfigDict(frozen=True)

    name: str
    scopes: frozenset[str]
    is_person: bool = False

    def may(self, scope: str) -> bool:
        """Say whether the scope was granted; `admin` includes every other."""
        return scope in self.scopes or ADMIN in self.scopes


def caller_of(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Return the caller that the request's bearer token belongs to."""
    if credentials is None:
        raise Unauthorized(
            "This address needs a bearer token.", remedy="Send Authorization: Bearer."
        )
    caller = _known(request.app.state, token_hash(credentials.credentials))
    if caller is None:
        raise Unauthorized("The bearer token is not known here.")
    if caller.is_person and ACTING_USER in request.headers:
        raise Forbidden(f"{caller.name} acts for itself: leave out {ACTING_USER}.")
    request.state.caller = caller
    return caller


def _known(state: State, digest: str) -> Caller | None:
    """Return one of our own parts, or the person whose token has this hash."""
    callers: Mapping[str, Caller] = state.callers
    if digest in callers:
        return callers[digest]
    file = personal_tokens.file_in(state.settings.trading_data_dir)
    found = personal_tokens.of_hash(file, digest)
    if found is None:
        return None
    return Caller(name=f"token {found.name}", scopes=found.scopes, is_person=True)


def requires(scope: str) -> Any:
    """Return the dependency that lets only callers with a scope through."""

    def allowed(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if not caller.may(scope):
            raise Forbidden(f"{caller.name} may not do this: it needs `{scope}`.")
        return caller

    return Depends(allowed)


def local_hosts(port: int) -> frozenset[str]:
    """Return the Host headers that mean this machine and this port."""
    names = ("127.0.0.1", "localhost", "[::1]")
    return frozenset(f"{name}:{port}" for name in names)


class HostGuard:
    """Refuses a request whose Host is not ours, against DNS rebinding.

    Without a list, any port of this machine will do: services learn their port only
    from the server they run in.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] | None = None) -> None:
        self._app = app
        self._hosts = None if hosts is None else frozenset(h.lower() for h in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 421."""
        if scope["type"] not in ("http", "websocket") or self._is_ours(scope):
            await self._app(scope, receive, send)
            return
        await refuse(scope, send, 421, "misdirected", "This Host is not served here.")

    def _is_ours(self, scope: Scope) -> bool:
        # Read from the raw headers: a Host with a path in it changes request.url.
        hosts = [v for k, v in scope["headers"] if k.lower() == b"host"]
        if len(hosts) != 1:
            return False
        host = hosts[0].decode("latin-1").lower()
        if self._hosts is not None:
            return host in self._hosts
        server = scope.get("server") or (None, None)
        return host in local_hosts(int(server[1] or 0)) or server[1] is None


class BodyLimit:
    """Refuses a body that is larger than its limit, however it is announced.

    `larger` maps a path to a limit of its own.
    """

    def __init__(
        self,
        app: ASGIApp,
        limit: int = BODY_LIMIT,
        larger: dict[str, int] | None = None,
    ) -> None:
        self._app = app
        self._limit = limit
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], self._limit)
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > limit:
            await self._too_large(scope, send, limit)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _TooLarge
            return message

        async def watched(message: Message) -> None:
            # What the app answers to a body that broke off is not the reason.
            if received <= limit:
                await send(message)

        try:
            await self._app(scope, counted, watched)
        except _TooLarge:
            pass
        if received > limit:
            await self._too_large(scope, send, limit)

    async def _too_large(self, scope: Scope, send: Send, limit: int) -> None:
        detail = f"The body is larger than {limit:,} bytes."
        await refuse(scope, send, 413, "too-large", detail)


class _TooLarge(Exception):
    pass


async def refuse(scope: Scope, send: Send, status: int, code: str, detail: str) -> None:
    """Answer with a problem document; close a WebSocket before it is accepted."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    problem = {
        "type": f"/problems/{code}",
        "title": detail,
        "status": status,
        "detail": detail,
        "code": code,
    }
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(problem).encode()})
