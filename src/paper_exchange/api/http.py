"""What every request passes: size, keys, rate limit, market time, tape, error shape."""

import asyncio
import hmac
import time
from base64 import b64decode
from binascii import Error as NotBase64
from typing import Any
from uuid import uuid4

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paper_exchange import faults
from paper_exchange.accounts import Account
from paper_exchange.errors import ApiError, invalid, malformed
from paper_exchange.exchange import Exchange
from paper_exchange.faults import Fault, Faults
from paper_exchange.pacer import Pacer

LARGEST_BODY = 1_000_000
PER_MINUTE = 200
# Faster than this a client is driven step by step and must never be held up.
FASTEST_LIMITED = 120
Answer = tuple[int, bytes, bytes]
"""Status, content type and body."""
WRITES = frozenset(("POST", "PATCH", "PUT", "DELETE"))


class Json(Response):
    """A JSON answer."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the bytes of the answer."""
        return orjson.dumps(content)


def error_answer(error: ApiError) -> Json:
    """Return an error in Alpaca's form."""
    return Json(error.body(), status_code=error.status)


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

    def take(self, account: str) -> tuple[bool, dict[str, str]]:
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
        headers = {
            "X-RateLimit-Limit": str(most),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str((minute + 1) * 60),
        }
        return not is_on or count <= most, headers


class Gate:
    """ASGI middleware around both APIs."""

    def __init__(
        self,
        app: ASGIApp,
        exchange: Exchange,
        pacer: Pacer,
        active: Faults,
        per_minute: int,
    ) -> None:
        self._app = app
        self._exchange = exchange
        self._fill_model = exchange.market.fill_model.name
        self._pacer = pacer
        self._faults = active
        self._remembered: dict[tuple[str, str, bytes], tuple[float, Answer]] = {}
        self._limits = {
            "trading": RateLimit(pacer, per_minute),
            "data": RateLimit(pacer, per_minute),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        journal = self._exchange.journal
        if not is_api(scope["path"]):

            async def when_settled(message: Message) -> None:
                await journal.settled()
                await send(message)

            await self._app(scope, receive, when_settled)
            return
        self._pacer.catch_up()
        headers = {"X-Request-ID": uuid4().hex, "X-Fill-Model": self._fill_model}
        request_headers = Headers(scope=scope)
        path, method = scope["path"], scope["method"]
        is_data = path.startswith(("/v2/stocks", "/v1"))
        try:
            account = account_of(self._exchange, request_headers)
            may_pass, limits = self._limits["data" if is_data else "trading"].take(
                account.id
            )
            headers |= limits
            if not may_pass:
                raise ApiError(429, 42910000, "rate limit exceeded")
            body = await _read(request_headers, receive)
        except ApiError as error:
            if method in WRITES:
                await _drain(receive)
            self._note(scope, b"", error.status, orjson.dumps(error.body()))
            answer = error_answer(error)
            answer.headers.update(headers)
            await journal.settled()
            await answer(scope, receive, send)
            return
        scope.setdefault("state", {})["account"] = account
        watch = method in WRITES and not is_data
        if method == "GET" and (old := self._stale(scope, account)) is not None:
            await _send(send, *old)
            return
        fault = self._faults.for_request(method, path, body)
        status, answered = 500, bytearray()
        start: Message | None = None

        async def answer_with_headers(message: Message) -> None:
            nonlocal status, start
            if message["type"] == "http.response.start":
                status = message["status"]
                extra = [
                    (name.lower().encode(), value.encode())
                    for name, value in headers.items()
                ]
                start = {**message, "headers": [*message["headers"], *extra]}
                return
            if watch:
                answered.extend(message.get("body", b""))
                if not message.get("more_body"):
                    # On the tape before the client can know of it.
                    whole = fault is None
                    self._note(scope, body, status, bytes(answered), whole)
            # Nobody hears of what a killed process might lose.
            await journal.settled()
            if start is not None:
                await send(start)
                start = None
            await send(message)

        if fault is None:
            await self._app(scope, _again(body, receive), answer_with_headers)
        else:
            journal.note_only("fault", {"path": path, **fault.record()})
            if fault.kind == "429_without_headers":
                headers.clear()
            await self._struck(fault, scope, body, receive, answer_with_headers)
        if not watch and not is_data and path != "/v2/clock":
            self._note(scope, b"", status, b"")

    async def _struck(
        self, fault: Fault, scope: Scope, body: bytes, receive: Receive, send: Send
    ) -> None:
        """Answer a request as a fault has it."""
        if fault.kind in faults.BEFORE:
            await _send(send, *faults.refusal(fault.kind))
            return
        if fault.kind == "hang_before_accepting":
            await asyncio.sleep(fault.seconds)
        status, content_type, answer = 500, b"application/json", bytearray()

        async def keep(message: Message) -> None:
            nonlocal status, content_type
            if message["type"] == "http.response.start":
                status = message["status"]
                content_type = dict(message["headers"]).get(
                    b"content-type", content_type
                )
            else:
                answer.extend(message.get("body", b""))

        await self._app(scope, _again(body, receive), keep)
        if fault.kind == "stale":
            until = time.monotonic() + fault.seconds
            key = (scope["state"]["account"].id, scope["path"], scope["query_string"])
            self._remembered[key] = until, (status, content_type, bytes(answer))
        if fault.kind == "hang_after_accepting":
            await asyncio.sleep(fault.seconds)
        if fault.kind == "504_after_accepting":
            await _send(send, *faults.refusal(fault.kind))
        elif fault.kind == "reset":
            # Fewer bytes than announced: the server breaks the connection off.
            await _send(send, status, content_type, bytes(answer), is_whole=False)
        elif fault.kind in faults.AFTER:
            content = faults.damaged(fault, bytes(answer))
            await _send(send, status, content_type, content)
        else:
            await _send(send, status, content_type, bytes(answer))

    def _stale(self, scope: Scope, account: Account) -> Answer | None:
        """Return what a read was answered before, while a fault keeps it."""
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
        what: dict[str, Any] = {
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode("latin-1"),
            "status": status,
        }
        account = scope.get("state", {}).get("account")
        if account is not None:
            what["account"] = account.id
        if body:
            what["body"] = _shown(body)
        if answer:
            # Whole answers are JSON of our own making; a fault's may be anything.
            what["answer"] = orjson.Fragment(answer) if is_whole else _shown(answer)
        self._exchange.journal.note_only("request", what)


async def _send(
    send: Send, status: int, content_type: bytes, body: bytes, is_whole: bool = True
) -> None:
    headers = [(b"content-type", content_type)]
    if status != 204:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    content = body if is_whole else body[: len(body) // 2]
    await send(
        {"type": "http.response.body", "body": content, "more_body": not is_whole}
    )


def is_api(path: str) -> bool:
    """Whether a path belongs to Alpaca's APIs, which need keys."""
    return path.startswith(("/v1/", "/v2/", "/v3/", "/v1beta1/", "/v2beta1/"))


def account_of(exchange: Exchange, headers: Headers) -> Account:
    """Return the account whose keys a request carries."""
    key = headers.get("apca-api-key-id", "")
    secret = headers.get("apca-api-secret-key", "")
    # A header that is missing is the dearest to look for.
    authorization = "" if key else headers.get("authorization", "")
    if authorization.lower().startswith("basic "):
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


async def _read(headers: Headers, receive: Receive) -> bytes:
    """Return the whole body, or refuse one that is too large."""
    stated = headers.get("content-length", "0")
    too_large = ApiError(413, 41310000, "request body is too large")
    if not stated.isdecimal() or int(stated) > LARGEST_BODY:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        body.extend(message.get("body", b""))
        if len(body) > LARGEST_BODY:
            raise too_large
        if not message.get("more_body"):
            return bytes(body)


async def _drain(receive: Receive, most: int = 50_000_000) -> None:
    """Read what a refused client still sends, so that it gets to read the answer."""
    seen = 0
    while seen < most:
        message = await receive()
        seen += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that hands out a body that was read already."""
    is_given = False

    async def give() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give


def _shown(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return content[:2_000].decode("utf-8", "replace")
