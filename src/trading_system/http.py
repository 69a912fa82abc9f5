"""How any process becomes a FastAPI app, with no knowledge of a database.

Every app answers problem+json, knows its callers, limits their rate, guards its Host,
gives each request an id, counts what it serves and brings its documentation along.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, Response
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from loguru import logger
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trading_system.config.settings import Settings
from trading_system.errors import TradingError
from trading_system.personal_tokens import token_hash
from trading_system.security import BodyLimit, Caller, HostGuard
from trading_system.vocabulary import new_id

REQUEST_ID = "X-Request-ID"
DEFAULT_RATE = parse("6000/minute")
"""Requests of one caller; far above what our own parts need."""

UNLIMITED = ("/health", "/idle", "/metrics", "/trading-state", "/halt")
"""Paths no rate limit stands in front of: a halt is never refused for its rate."""

request_id: ContextVar[str] = ContextVar("request_id", default="")

STATIC = Path(__file__).parent / "static"


class Problem(BaseModel):
    """An error as RFC 9457 has it."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str = ""


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"}
            }
        },
    }
    for status in (400, 401, 403, 404, 409, 413, 421, 422, 429, 503)
}
# Named once, Problem is among the schemas. FastAPI builds a field for each time, of
# each route: named at every status they are most of what a first request waits for.
PROBLEMS[422]["model"] = Problem


def product_version() -> str:
    """Return the version that is installed."""
    try:
        return version("trading-system")
    except PackageNotFoundError:  # running from a checkout that was not installed
        return "0+unknown"


def create_http_app(
    title: str,
    settings: Settings,
    *,
    description: str = "",
    lifespan: Any = None,
    hosts: frozenset[str] | None = None,
    rate: RateLimitItem = DEFAULT_RATE,
    larger_bodies: dict[str, int] | None = None,
) -> FastAPI:
    """Return an app with everything that does not need a database."""
    app = FastAPI(
        title=title,
        description=description,
        version=product_version(),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=PROBLEMS,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings = settings
    app.state.callers = {
        digest: Caller(name=grant.caller, scopes=grant.scopes)
        for digest, grant in settings.service_token_hashes.items()
    }
    registry = app.state.registry = CollectorRegistry()
    _answer_problems(app)
    _show_metrics(app, registry)
    app.add_middleware(BodyLimit, larger=larger_bodies or {})
    app.add_middleware(HostGuard, hosts=hosts)
    app.add_middleware(Edge, rate=rate, registry=registry)
    _bring_documentation(app)
    return app


def problem(
    status: int, code: str, detail: str, title: str | None = None, **extra: Any
) -> JSONResponse:
    """Return a problem document."""
    body = Problem(
        type=f"/problems/{code}",
        title=title or HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        trace_id=request_id.get(),
        **extra,
    )
    return JSONResponse(
        body.model_dump(mode="json"), status, media_type="application/problem+json"
    )


def _answer_problems(app: FastAPI) -> None:
    @app.exception_handler(TradingError)
    def anticipated(request: Request, error: TradingError) -> JSONResponse:
        extra = dict(error.extra)
        if error.remedy:
            extra["remedy"] = error.remedy
        return problem(error.status, error.code, error.detail, error.title, **extra)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            {"pointer": "/" + "/".join(map(str, e["loc"])), "detail": e["msg"]}
            for e in error.errors()
        ]
        said = "; ".join(f"{e['pointer']}: {e['detail']}" for e in errors[:5])
        return problem(422, "invalid", said, "Invalid input", errors=errors[:50])

    @app.exception_handler(HTTPException)
    def plain(request: Request, error: HTTPException) -> JSONResponse:
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        answer = problem(error.status_code, code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer


class Edge:
    """The outermost layer: names each request, limits rates, counts, and answers for
    what nobody expected.

    Pure ASGI, since it stands in front of everything.
    """

    def __init__(
        self, app: ASGIApp, rate: RateLimitItem, registry: CollectorRegistry
    ) -> None:
        self._app = app
        self._rate = rate
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._served = Counter(
            "http_requests",
            "Requests served.",
            ("method", "path", "status"),
            registry=registry,
        )
        self._took = Histogram(
            "http_request_seconds",
            "Time to answer.",
            ("method", "path"),
            registry=registry,
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        name = _given_name(headers) or str(new_id())
        token = request_id.set(name)
        status = 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (REQUEST_ID.lower().encode(), name.encode()),
                ]
            await send(message)

        begun = time.perf_counter()
        try:
            with logger.contextualize(request_id=name):
                await self._serve(scope, receive, named, headers, lambda: status)
        finally:
            request_id.reset(token)
        # The template of the path, never the path: ids must not become series.
        path = getattr(scope.get("route"), "path", "unknown")
        self._served.labels(scope["method"], path, status).inc()
        self._took.labels(scope["method"], path).observe(time.perf_counter() - begun)

    async def _serve(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: dict[bytes, bytes],
        status: Callable[[], int],
    ) -> None:
        wait = self._seconds_to_wait(scope, headers)
        if wait is not None:
            answer = problem(
                429, "rate-limited", f"More than {self._rate}.", retry_after=wait
            )
            answer.headers["Retry-After"] = str(wait)
            await answer(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception:  # the last resort: an id for the caller, the rest to the log
            logger.exception("{} {} failed", scope["method"], scope["path"])
            if status():
                raise
            detail = "Something unexpected happened; the log has it under this id."
            await problem(500, "internal", detail)(scope, receive, send)

    def _seconds_to_wait(self, scope: Scope, headers: dict[bytes, bytes]) -> int | None:
        if scope["path"].startswith(UNLIMITED):
            return None
        given = headers.get(b"authorization")
        client = scope.get("client") or ("?", 0)
        who = token_hash(given.decode("latin-1"))[:16] if given else client[0]
        if self._limiter.hit(self._rate, who):
            return None
        until = self._limiter.get_window_stats(self._rate, who).reset_time
        return max(1, round(until - time.time()))


def _given_name(headers: dict[bytes, bytes]) -> str | None:
    given = headers.get(REQUEST_ID.lower().encode(), b"").decode("latin-1")
    return given if 0 < len(given) <= 64 and given.isprintable() else None


def _show_metrics(app: FastAPI, registry: CollectorRegistry) -> None:
    ProcessCollector(registry=registry)

    @app.get("/metrics", tags=["System"], response_class=Response)
    def metrics() -> Response:
        """Show what was counted, as Prometheus reads it."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _bring_documentation(app: FastAPI) -> None:
    assets = STATIC / "swagger"
    if assets.is_dir():
        app.mount("/docs/assets", StaticFiles(directory=assets), name="docs_assets")

    @app.get("/docs", include_in_schema=False)
    def documentation() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="data:,",
        )
