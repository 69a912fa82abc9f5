"""The gateway in process, with fake services behind the real clients."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from trading_system import login
from trading_system.clock import utc_now
from trading_web.app import create

sys.path.insert(0, str(Path(__file__).parent))
fake_services: Any = import_module("fake_services")

BASE = "http://127.0.0.1:8000"


class Browser:
    """A client that behaves as a browser does on the gateway's own pages."""

    def __init__(self, app: FastAPI, http: httpx.AsyncClient) -> None:
        self.app = app
        self.http = http

    async def sign_in(self) -> httpx.Response:
        """Open a fresh sign-in link."""
        return await self.get(login.link("", fake_services.SECRET, utc_now()))

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page."""
        accept = {"Accept": "text/html"} | _named(headers)
        return await self.http.get(path, headers=accept)

    async def send(self, path: str, **fields: str) -> httpx.Response:
        """Send a form of the page, with its token."""
        session = self.app.state.sessions.read(
            next(iter(self.http.cookies.values()), None), utc_now()
        )
        token = self.app.state.sessions.csrf_token(session) if session else ""
        return await self.http.post(
            path,
            data={"csrf_token": token} | fields,
            headers={"Origin": BASE, "Accept": "text/html"},
        )


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


Open = Callable[..., "Browser"]


@pytest.fixture
async def open_browser(tmp_path: Path) -> AsyncIterator[Open]:
    """Return a function that starts a gateway and a browser without a session."""
    async with AsyncExitStack() as stack:
        browsers: list[Browser] = []

        def opened(fake: Any, mode: str = "simulated") -> Browser:
            given = fake_services.settings(mode, trading_data_dir=tmp_path)
            app = create(given, fake.over_http(given))
            http = httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=False),
                base_url=BASE,
            )
            stack.push_async_callback(http.aclose)
            stack.callback(app.state.desk.close)
            browsers.append(Browser(app, http))
            return browsers[-1]

        yield opened
