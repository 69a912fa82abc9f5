"""The gateway's application: guards outside, pages inside."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import NamedTuple

from fastapi import APIRouter, Depends, FastAPI

from trading_system.clients import Services
from trading_system.clock import monotonic
from trading_system.config.settings import Settings
from trading_system.errors import Misconfigured
from trading_system.http import create_http_app
from trading_web import access, errors, health, static, stream
from trading_web.backups import Backups
from trading_web.desk import Desk
from trading_web.guards import LocalGuard, SecurityHeaders, ShownZone
from trading_web.limits import SignInLimit
from trading_web.pages import PAGES
from trading_web.session import Sessions
from trading_web.shell import guard_forms, open_shell


class Prefect(NamedTuple):
    """Where the flows are watched, and who may."""

    url: str
    sign_in: str


def create(
    settings: Settings | None = None, services: Services | None = None
) -> FastAPI:
    """Return the gateway; tests hand in services of their own."""
    settings = settings or Settings()
    secret = settings.session_secret.get_secret_value()
    if not secret:
        raise Misconfigured(
            "SESSION_SECRET is not set.", remedy="`trading up` sets it for the gateway."
        )
    static.assets()
    services = services or Services(settings, acting_for="dashboard", timeout=5.0)
    desk = Desk(services, settings.trading_mode)
    hub = stream.Hub(desk, settings.redis_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with hub.running():
            yield
        desk.close()

    app = create_http_app("Trading dashboard", settings, lifespan=lifespan)
    # Pages only, no API of its own: there is nothing to document.
    app.router.routes[:] = [
        route
        for route in app.router.routes
        if not getattr(route, "path", "").startswith(("/docs", "/openapi.json"))
    ]
    app.state.desk, app.state.hub, app.state.secret = desk, hub, secret
    app.state.settings = settings
    app.state.backups = Backups(settings.trading_data_dir)
    app.state.prefect = Prefect(
        settings.prefect_api_url, os.environ.get("PREFECT_API_AUTH_STRING", "")
    )
    book = settings.trading_data_dir / "gateway" / "sessions.json"
    app.state.sessions = Sessions(secret, book)
    app.router.routes += _addresses().routes
    errors.install(app)
    # The last one added sees a request first.
    app.add_middleware(ShownZone)
    app.add_middleware(SignInLimit, monotonic=monotonic)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(LocalGuard)
    return app


@cache
def _addresses() -> APIRouter:
    """Return everything that is answered, the same for each app of this process.

    FastAPI works out an address when it is first asked for, and keeps it where the
    address was included: here, and not in an app, of which tests make hundreds.
    """
    addresses = APIRouter()
    for router in (static.router, health.router, access.router, stream.router):
        addresses.include_router(router)
    for page in PAGES:
        addresses.include_router(
            page,
            dependencies=[Depends(guard_forms), Depends(open_shell)],
            include_in_schema=False,
        )
    return addresses
