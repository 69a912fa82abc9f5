"""The gateway on a port of its own, and a headless Chromium to look at it."""

import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from trading_system import login
from trading_system.clock import sleep, utc_now
from trading_web.app import create

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "web"))
fake_services: Any = import_module("fake_services")

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
LIGHT, DARK = "light", "dark"


class Stack:
    """A running gateway on fake services."""

    def __init__(self, fake: Any, server: uvicorn.Server, port: int) -> None:
        self.fake = fake
        # Bound here, so that nobody takes the port before the server listens on it.
        bound = socket.create_server(("127.0.0.1", port))
        self.port = int(bound.getsockname()[1])
        self.base = f"http://127.0.0.1:{self.port}"
        self._server = server
        self._thread = threading.Thread(target=server.run, args=([bound],), daemon=True)

    def start(self) -> None:
        """Serve until told to stop."""
        self._thread.start()
        while not self._server.started:
            sleep(0.02)

    def stop(self) -> None:
        """Stop and let go of the port."""
        self._server.should_exit = True
        self._thread.join(10)


class Watched:
    """A page, and everything that went wrong on it."""

    def __init__(self, page: Page, stack: Stack) -> None:
        self.page = page
        self.stack = stack
        self.faults: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def open(self, path: str) -> Page:
        """Open a page and wait until its figures are drawn."""
        self.page.goto(self.stack.base + path)
        self.page.wait_for_selector("#feed[data-tone=ok]")
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('[data-figure]')].every("
            "f => f.getBoundingClientRect().top > innerHeight + 150"
            " || f.querySelector('.main-svg')"
            " || f.dataset.failed || f.dataset.drawn === 'empty')"
        )
        return self.page


# Not for the whole session: while it lives the thread has a running event loop, in
# which no other test could start one.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless browser; tests are skipped where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Return a function that starts a gateway on fake services."""
    running: list[Stack] = []

    def served(fake: Any, mode: str = "simulated", port: int = 0) -> Stack:
        given = fake_services.settings(mode, trading_data_dir=tmp_path)
        config = uvicorn.Config(
            create(given, fake.over_http(given)),
            log_level="warning",
            ws="websockets-sansio",
            timeout_graceful_shutdown=2,
        )
        stack = Stack(fake, uvicorn.Server(config), port)
        stack.start()
        running.append(stack)
        return stack

    yield served
    for stack in running:
        stack.stop()


@pytest.fixture
def look(chromium: Browser) -> Iterator[Callable[..., Watched]]:
    """Return a function that opens a signed-in tab."""
    contexts = []

    def looked(stack: Stack, width: int = 1366, theme: str = LIGHT) -> Watched:
        context = chromium.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if theme == DARK else "light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        # Signed in beside the tab: its first page is the one that a test opens.
        link = login.link(stack.base, fake_services.SECRET, utc_now())
        assert context.request.get(link).ok
        return Watched(context.new_page(), stack)

    yield looked
    for context in contexts:
        context.close()
