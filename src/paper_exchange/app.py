"""The exchange as an ASGI application."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from types import MappingProxyType

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from paper_exchange.api import (
    account,
    control,
    corporate_actions,
    data,
    market_stream,
    orders,
    trade_updates,
    watchlists,
)
from paper_exchange.api.http import Gate, Json, error_answer, failure, unknown_path
from paper_exchange.api.openapi import described
from paper_exchange.api.routing import Operations, routes
from paper_exchange.errors import ApiError
from paper_exchange.exchange import Exchange
from paper_exchange.faults import Faults
from paper_exchange.pacer import Pacer

LOG = logging.getLogger(__name__)
# The orders come first because they are asked for most.
ROUTERS = [
    module.router
    for module in (
        orders,
        account,
        watchlists,
        corporate_actions,
        data,
        control,
        trade_updates,
        market_stream,
    )
]


def create(
    exchange: Exchange,
    pacer: Pacer,
    control_token: str | None = None,
    requests_per_minute: int = 200,
    whose: Mapping[str, str | None] = MappingProxyType({}),
) -> Gate:
    """Return the application of an exchange that is ready to trade.

    `whose` is what `/health` says of who started it and where it keeps its state.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        exchange.journal.gathers = True
        keeping = asyncio.create_task(pacer.keep_time())
        keeping.add_done_callback(_say_why_it_ended)
        yield
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        exchange.close()

    active = Faults(exchange.seed)
    app = Starlette(
        routes=[*routes(ROUTERS), Route("/openapi.json", _description)],
        lifespan=lifespan,
        exception_handlers={
            ApiError: _refused,
            HTTPException: _unknown_path,
            Exception: _failed,
        },
    )
    app.state.exchange = exchange
    app.state.pacer = pacer
    app.state.control_token = control_token
    app.state.whose = dict(whose)
    app.state.faults = active
    active.note = partial(exchange.journal.note_only, "fault")
    exchange.floor.executions = active.executions
    app.state.trade_updates = trade_updates.TradeUpdates(active)
    app.state.market_stream = market_stream.MarketStream(exchange, active)
    exchange.journal.listeners.append(app.state.trade_updates.publish)
    exchange.journal.is_heard = app.state.trade_updates.is_heard
    pacer.after_step.append(app.state.market_stream.publish)
    exchange.after_intervention.append(app.state.market_stream.intervened)
    return Gate(app, Operations(ROUTERS), exchange, pacer, active, requests_per_minute)


def _say_why_it_ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        LOG.critical("The market's clock stopped.", exc_info=task.exception())


async def _description(_: Request) -> Response:
    return Json(described(ROUTERS))


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_answer(error)


async def _unknown_path(request: Request, error: Exception) -> Response:
    return unknown_path(_methods(request))


def _methods(request: Request) -> set[str]:
    """Return the methods of a path; each is a route of its own."""
    return {
        method
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] != Match.NONE
        for method in route.methods or ()
    }


async def _failed(_: Request, error: Exception) -> Response:
    return failure(error)
