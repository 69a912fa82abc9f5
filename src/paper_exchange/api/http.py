"""What every request passes: size, keys, rate limit, market time, tape, error shape."""

import asyncio
import hmac
import logging
import random
import time
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from paper_exchange import faults
from paper_exchange.accounts import Account
from paper_exchange.api.routing import Operations, is_api
from paper_exchange.errors import ApiError, invalid, malformed
from paper_exchange.exchange import Exchange
from paper_exchange.faults import Fault, Faults
from paper_exchange.pacer import Pacer

LOG = logging.getLogger(__name__)
LARGEST_BODY = 1_000_000
PER_MINUTE = 200
# Faster than this a client is driven step by step and must never be held up.
FASTEST_LIMITED = 120
RawHeaders = list[tuple[bytes, bytes]]
WRITES = frozenset(("POST", "PATCH", "PUT", "DELETE"))
WriteAnswer = Callable[[int, RawHeaders, bytes], Awaitable[None]]
"""Writes status, headers and body in one piece; the headers state the length."""

WRITE_ANSWER = "paper_exchange.write_answer"
"""Where a scope has a `WriteAnswer`, when its server knows how."""

Tell = Callable[..., Awaitable[None]]
"""Sends an answer and more headers, whole or broken off."""


class Json(Response):
    """A JSON answer."""

    def __init__(self, content: Any, status_code: int = 200) -> None:
        # Starlette would look for a type, a length and a character set to add.
        self.status_code = status_code
        self.background = None
        self.body = orjson.dumps(content)
        self.raw_headers = [
            (b"content-length", b"%d" % len(self.body)),
            (b"content-type", b"application/json"),
        ]


def named_model(socket: WebSocket) -> RawHeaders:
    """Return the header that names the fill model when a stream is taken."""
    model = socket.app.state.exchange.market.fill_model
    return [(b"x-fill-model", model.name.encode())]


def error_answer(error: ApiError) -> Json:
    """Return an error in Alpaca's form."""
    return Json(error.body(), status_code=error.status)


def unknown_path(methods: set[str]) -> Json:
    """Return the answer to a path that is not there, or has only other methods."""
    if not methods:
        return error_answer(ApiError(404, 40410000, "endpoint not found."))
    answer = error_answer(ApiError(405, 40510000, "Method Not Allowed"))
    answer.headers["Allow"] = ", ".join(sorted(methods))
    return answer


def failure(error: Exception) -> Json:
    """Return the answer to a request that failed by a defect, which goes to the log."""
    LOG.error("A request failed.", exc_info=error)
    return error_answer(ApiError(500, 50010000, "internal server error occurred"))


async def json_body(request: Request) -> Any:
    """Return the JSON a request carries."""
    try:
        return orjson.loads(await request.body() or b"{}")
    except orjson.JSONDecodeError:
        raise malformed("request body format is invalid") from None


def flag(request: Request, name: str) -> bool:
    """Return a yes or no of the query, in any case."""
    value = request.query_params.get(name, "").lower()
    if value not in ("", "true", "false", "1", "0"):
        raise invalid(f"invalid {name}: it must be true or false")
    return value in ("true", "1")


def number(request: Request, name: str, default: int, most: int) -> int:
    """Return a whole number of the query between 1 and a bound."""
    value = request.query_params.get(name)
    if value is None or value == "":
        return default
    if not value.isdecimal() or len(value) > 9 or not 1 <= int(value) <= most:
        raise invalid(f"invalid {name}: it must be from 1 to {most}")
    return int(value)


def choice(request: Request, name: str, default: str, *others: str) -> str:
    """Return one of some words of the query."""
    value = request.query_params.get(name) or default
    if value not in (default, *others):
        raise invalid(f"invalid {name}")
    return value


class RateLimit:
    """So many requests a minute of machine time for each account."""

    def __init__(self, pacer: Pacer, per_minute: int) -> None:
        self._pacer = pacer
        self._per_minute = per_minute
        self._windows: dict[str, tuple[int, int]] = {}

    def take(self, account: str) -> tuple[bool, RawHeaders]:
        """Count a request; say whether it may pass, and what the headers say."""
        pacer = self._pacer
        is_on = pacer.is_running and pacer.speed <= FASTEST_LIMITED
        most = int(self._per_minute * max(1.0, pacer.speed))
        # The header speaks of the client's own time; the market's has no part in it.
        minute = int(time.time()) // 60
        window, count = self._windows.get(account, (minute, 0))
        count = count + 1 if window == minute else 1
        self._windows[account] = (minute, count if is_on else 0)
        left = max(0, most - count) if is_on else most
        return not is_on or count <= most, _limit_headers(most, left, minute)


@lru_cache(maxsize=64)
def _limit_headers(most: int, left: int, minute: int) -> RawHeaders:
    return [
        (b"x-ratelimit-limit", b"%d" % most),
        (b"x-ratelimit-remaining", b"%d" % left),
        (b"x-ratelimit-reset", b"%d" % ((minute + 1) * 60)),
    ]


NO_QUERY = QueryParams()


class Received(Request):
    """A request whose body was read already."""

    def __init__(self, scope: Scope, body: bytes) -> None:
        super().__init__(scope)
        self._received = body

    async def body(self) -> bytes:
        """Return the body."""
        return self._received

    @property
    def query_params(self) -> QueryParams:
        """What the query says: most requests have none, and it need not be read."""
        return super().query_params if self.scope["query_string"] else NO_QUERY


class Gate:
    """The ASGI application that answers both APIs; whatever else there is passes it."""

    def __init__(
        self,
        app: Starlette,
        operations: Operations,
        exchange: Exchange,
        pacer: Pacer,
        active: Faults,
        per_minute: int,
    ) -> None:
        self._app = app
        self._operations = operations
        self._exchange = exchange
        self._fill_model = exchange.market.fill_model.name.encode()
        self._pacer = pacer
        self._faults = active
        self._remembered: dict[tuple[str, str, bytes], tuple[float, Response]] = {}
        self._limits = {
            "trading": RateLimit(pacer, per_minute),
            "data": RateLimit(pacer, per_minute),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # It leads back to the scope: together they would wait for the collector.
        write = scope.pop(WRITE_ANSWER, None)
        if not is_api(scope["path"]):
            journal = self._exchange.journal

            async def when_settled(message: Message) -> None:
                await journal.settled()
                if message["type"] == "http.response.start":
                    message["headers"] = [
                        *message["headers"],
                        (b"x-fill-model", self._fill_model),
                    ]
                await send(message)

            await self._app(scope, receive, when_settled)
        else:
            scope["app"] = self._app
            tell = partial(_send, send, write)
            try:
                await self._serve(scope, receive, tell)
            except Exception as error:  # a full disk, say: the client must hear of it
                await tell(failure(error), [])

    async def _serve(self, scope: Scope, receive: Receive, tell: Tell) -> None:
        """Answer a request to one of the APIs."""
        journal = self._exchange.journal
        path, method = scope["path"], scope["method"]
        self._pacer.catch_up()
        # The server has the names in lower case.
        given: dict[bytes, bytes] = dict(scope["headers"])
        headers = [
            (b"x-request-id", b"%032x" % random.getrandbits(128)),
            (b"x-fill-model", self._fill_model),
        ]
        is_data = path.startswith(("/v2/stocks", "/v1"))
        try:
            account = account_of(self._exchange, given)
            may_pass, limits = self._limits["data" if is_data else "trading"].take(
                account.id
            )
            headers += limits
            if not may_pass:
                raise ApiError(429, 42910000, "rate limit exceeded")
            body = await _read(given, receive)
        except ApiError as error:
            if method in WRITES:
                await _drain(receive)
            refusal = error_answer(error)
            self._note(scope, b"", error.status, bytes(refusal.body))
            await journal.settled()
            await tell(refusal, headers)
            return
        scope.setdefault("state", {})["account"] = account
        watch = method in WRITES and not is_data
        if method == "GET" and (old := self._stale(scope, account)) is not None:
            await tell(old, headers)
            what = {**_told(scope, old.status_code), "is_stale": True}
            journal.note_soon("request", what)
            return
        fault = self._faults.for_request(
            method, path, lambda: self._order_of(scope, body)
        )
        if fault is None:
            answer = await self._answer(scope, body)
        else:
            if fault.kind == "429_without_headers":
                headers = [each for each in headers if each not in limits]
            answer = await self._struck(fault, scope, body)
        if watch:
            # On the tape before the client can know of it.
            content, is_whole = bytes(answer.body), fault is None
            self._note(scope, body, answer.status_code, content, is_whole)
        # Nobody hears of what a killed process might lose.
        await journal.settled()
        breaks = fault is not None and fault.kind == "reset"
        await tell(answer, headers, breaks)
        if not watch and not is_data and path != "/v2/clock":
            journal.note_soon("request", _told(scope, answer.status_code))

    async def _answer(self, scope: Scope, body: bytes) -> Response:
        """Return what the API says to a request, whatever happens to it."""
        found = self._operations.find(scope["method"], scope["path"])
        if found is None:
            return unknown_path(self._operations.methods(scope["path"]))
        handler, scope["path_params"] = found
        try:
            return await handler(Received(scope, body))
        except ApiError as error:
            return error_answer(error)
        except Exception as error:  # a defect of ours is answered in Alpaca's form too
            return failure(error)

    async def _struck(self, fault: Fault, scope: Scope, body: bytes) -> Response:
        """Return the answer to a request as a fault has it."""
        if fault.kind in faults.BEFORE:
            return _made(*faults.refusal(fault.kind))
        if fault.kind == "hang_before_accepting":
            await asyncio.sleep(fault.seconds)
        answer = await self._answer(scope, body)
        if fault.kind == "stale":
            until = time.monotonic() + fault.seconds
            key = (scope["state"]["account"].id, scope["path"], scope["query_string"])
            self._remembered[key] = until, answer
        if fault.kind == "hang_after_accepting":
            await asyncio.sleep(fault.seconds)
        if fault.kind == "504_after_accepting":
            return _made(*faults.refusal(fault.kind))
        if fault.kind in faults.AFTER and fault.kind != "reset":
            content = faults.damaged(fault, bytes(answer.body))
            return _made(answer.status_code, b"application/json", content)
        return answer

    def _order_of(self, scope: Scope, body: bytes) -> str | None:
        """Return the client's id of the order that a request is about, or None."""
        order_id = scope["path"].removeprefix("/v2/orders/")
        if order_id != scope["path"]:
            order = self._exchange.find(scope["state"]["account"], order_id)
            return None if order is None else order.client_order_id
        named = parse_qs(scope["query_string"].decode("latin-1"))
        return faults.client_order_id(body) or named.get("client_order_id", [None])[0]

    def _stale(self, scope: Scope, account: Account) -> Response | None:
        """Return what a read was answered before, while a fault keeps it."""
        if not self._remembered:
            return None
        key = (account.id, scope["path"], scope["query_string"])
        until, answer = self._remembered.get(key, (0.0, None))
        if time.monotonic() < until:
            return answer
        self._remembered.pop(key, None)
        return None

    def _note(
        self,
        scope: Scope,
        body: bytes,
        status: int,
        answer: bytes,
        is_whole: bool = True,
    ) -> None:
        what = _told(scope, status)
        if body:
            what["body"] = _shown(body)
        if answer:
            # Whole answers are JSON of our own making; a fault's may be anything.
            what["answer"] = orjson.Fragment(answer) if is_whole else _shown(answer)
        self._exchange.journal.note_only("request", what)


def _told(scope: Scope, status: int) -> dict[str, Any]:
    """Return what the tape says of every request."""
    what = {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode("latin-1"),
        "status": status,
    }
    account = scope.get("state", {}).get("account")
    if account is not None:
        what["account"] = account.id
    return what


async def _send(
    send: Send,
    write: WriteAnswer | None,
    answer: Response,
    headers: RawHeaders,
    breaks: bool = False,
) -> None:
    """Send an answer, in one piece if we may; one that breaks off says it is longer."""
    headers = [*answer.raw_headers, *headers]
    if write is not None and not breaks:
        await write(answer.status_code, headers, bytes(answer.body))
        return
    start = {
        "type": "http.response.start",
        "status": answer.status_code,
        "headers": headers,
    }
    await send(start)
    content = answer.body
    if breaks:
        content = content[: len(content) // 2]
    await send({"type": "http.response.body", "body": content, "more_body": breaks})


def _made(status: int, content_type: bytes, content: bytes) -> Response:
    headers = {"content-type": content_type.decode()}
    return Response(content, status_code=status, headers=headers)


def account_of(exchange: Exchange, headers: Mapping[bytes, bytes]) -> Account:
    """Return the account whose keys a request carries."""
    key = headers.get(b"apca-api-key-id", b"").decode("latin-1")
    secret = headers.get(b"apca-api-secret-key", b"").decode("latin-1")
    if not key:
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        if not authorization.lower().startswith("basic "):
            raise ApiError(401, 40110000, "unauthorized.")
        try:
            key, _, secret = b64decode(authorization[6:]).decode().partition(":")
        except (NotBase64, UnicodeDecodeError):
            key = ""
    if not key or not secret:
        raise ApiError(401, 40110000, "unauthorized.")
    account = find_account(exchange, key, secret)
    if account is None:
        raise ApiError(403, 40310000, "forbidden.")
    return account


def find_account(exchange: Exchange, key: str, secret: str) -> Account | None:
    """Return the account of a key and its secret, or None."""
    for account in exchange.accounts.values():
        same_key = hmac.compare_digest(account.key.encode(), key.encode())
        if same_key and hmac.compare_digest(account.secret.encode(), secret.encode()):
            return account
    return None


async def _read(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """Return the whole body, or refuse one that is too large."""
    stated = headers.get(b"content-length", b"0")
    if not stated.isdigit() or int(stated) > LARGEST_BODY:
        raise _too_large()
    if stated == b"0" and b"transfer-encoding" not in headers:
        return b""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY:
            raise _too_large()
        more = message.get("more_body", False)
    return b"".join(parts)


def _too_large() -> ApiError:
    return ApiError(413, 41310000, "request body is too large")


async def _drain(receive: Receive, most: int = 50_000_000) -> None:
    """Read what a refused client still sends, so that it gets to read the answer."""
    seen = 0
    while seen < most:
        message = await receive()
        seen += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return


def _shown(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return content[:2_000].decode("utf-8", "replace")
