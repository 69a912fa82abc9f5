"""How a failure looks: a page for people, problem+json for scripts."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.routing import APIRoute
from loguru import logger
from starlette.exceptions import HTTPException
from starlette.responses import Response

from trading_system.errors import TradingError
from trading_system.http import request_id
from trading_web.access import frame, signed_out
from trading_web.rendering import templates
from trading_web.shell import NotSignedIn


def install(app: FastAPI) -> None:
    """Give every kind of failure its answer."""
    app.add_exception_handler(NotSignedIn, _not_signed_in)
    app.add_exception_handler(TradingError, _anticipated)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _not_signed_in(request: Request, error: Exception) -> Response:
    if request.url.path == "/" or _wants_html(request):
        return signed_out(request)
    return _problem(request, 401, "Not signed in", "Open the link of `trading login`.")


async def _anticipated(request: Request, error: Exception) -> Response:
    assert isinstance(error, TradingError)
    return _problem(request, error.status, error.title, str(error))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'][1:])}: {fault['msg']}"
        for fault in error.errors()
    )
    return _problem(request, 422, "Invalid input", said)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    detail = "There is no such page." if error.status_code == 404 else error.detail
    return _problem(request, error.status_code, title, detail)


class PageRoute(APIRoute):
    """A route whose unexpected failures are a page too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with the last resort around it."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except (TradingError, NotSignedIn, HTTPException, RequestValidationError):
                raise
            except Exception:  # the last resort: a page for people, the rest to the log
                logger.exception("{} {} failed", request.method, request.url.path)
                detail = f"The gateway's log has it under {request_id.get()}."
                return _problem(request, 500, "Something went wrong", detail)

        return handled


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _problem(request: Request, status: int, title: str, detail: str) -> Response:
    if not _wants_html(request):
        body = {"type": "about:blank", "title": title, "status": status}
        return JSONResponse(
            {**body, "detail": detail, "instance": request.url.path},
            status,
            media_type="application/problem+json",
        )
    name = "_problem.html" if request.headers.get("HX-Request") else "error.html"
    page = templates.get_template(name).render(
        frame(request), title=title, detail=detail, status=status
    )
    return HTMLResponse(page, status)
