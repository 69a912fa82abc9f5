"""The dashboard as a person sees it: every page by name, and a browser to look at it.

The same addresses serve services that are fakes and services of a running stack.
"""

import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    expect,
    sync_playwright,
)

from trading_system.clients import Services
from trading_system.clock import sleep
from trading_system.config.settings import Settings
from trading_web import menu
from trading_web.app import create

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "web"))
fake_services: Any = import_module("fake_services")

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
LIGHT, DARK = "light", "dark"
THEMES, WIDTHS = (LIGHT, DARK), (360, 1366)

PATIENCE = 120_000
"""Milliseconds that a browser on a busy machine is given; what is well is soon."""

expect.set_options(timeout=30_000)

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

SETTLED = """() => [...document.querySelectorAll('[data-figure]')].every(
  (f) => f.getBoundingClientRect().top > innerHeight + 150
    || f.querySelector('.main-svg')
    || f.dataset.failed || f.dataset.drawn === 'empty')"""


def addresses(services: Services) -> dict[str, str]:
    """Return where each page is, by a short name.

    Every page of the menu is among them, and each page about one thing that exists.
    """
    found = {page.icon: page.href for page in menu.PAGES}
    found |= {
        "chart": "/charts/SPY",
        "chart-daily": "/charts/SPY?tf=1d",
        "what-if": "/risk/what-if?symbol=SPY&side=buy&quantity=10",
        "ticket": "/orders/new?symbol=SPY&side=buy&quantity=10",
        "orders-cancel": "/orders/cancel",
        "latency": "/system/latency",
        "books": "/system/books?symbol=SPY&quantity=1",
        "halt": "/halt",
    }
    tabs = ("history", "executions", "trades", "denied")
    found |= {f"orders-{tab}": f"/orders?tab={tab}" for tab in tabs}
    for decision in services.strategy.decisions(outcome="no_signal", limit=1):
        found["explain-nothing"] = f"/explain/{decision.decision_id}"
    orders = services.execution.orders(limit=200, state="all")
    for order in [each for each in orders if each.status == "FILLED"][:1]:
        found["explain-order"] = f"/explain/order/{order.order_id}"
        found["chart"] = f"/charts/{order.symbol}"
    for position in services.execution.positions()[:1]:
        found["ticket"] = (
            f"/orders/new?symbol={position.symbol}&side=sell"
            f"&quantity={position.quantity}"
        )
    for strategy in services.strategy.strategies()[:1]:
        found["strategy"] = f"/strategies/{strategy.name}"
    tested = [each.backtest_id for each in services.analytics.backtests()][:2]
    if tested:
        found["backtest"] = f"/backtests/{tested[0]}"
    if len(tested) == 2:
        found["compare"] = f"/backtests/compare?id={tested[0]}&id={tested[1]}"
    return found


def chromium_program() -> str | None:
    """Return a browser of the Chromium family, if this machine has one."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def headless(program: str) -> Iterator[Browser]:
    """Yield a headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


def window(browser: Browser, width: int, theme: str, **options: Any) -> BrowserContext:
    """Return a window of its own: no cookie, no choice of an earlier one."""
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if theme == DARK else "light",
        reduced_motion="reduce",
        **options,
    )
    context.set_default_timeout(PATIENCE)
    return context


def settle(page: Page, *, live: bool = True) -> None:
    """Wait until a page is live and the figures in sight are drawn."""
    if live:
        page.wait_for_selector("#feed[data-tone=ok]")
    page.wait_for_function(SETTLED)


def violations(page: Page) -> list[str]:
    """Return what axe finds against WCAG 2.2 AA and best practice, of every impact."""
    asked = {
        "runOnly": {"type": "tag", "values": TAGS},
        # Only what is wrong is worked out in full, which is most of its time.
        "resultTypes": ["violations"],
    }
    found = Axe().run(page, options=asked)
    return [
        f"{fault['id']} ({fault['impact']}): "
        f"{[node['target'] for node in fault['nodes']]}"
        for fault in found.response["violations"]
    ]


def is_wider_than_its_window(page: Page) -> bool:
    """Say whether the page as a whole scrolls sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


class Watched:
    """A page, and everything that went wrong on it."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.faults: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def open(self, path: str) -> Page:
        """Open a page and wait until its figures are drawn."""
        self.page.goto(self.base + path)
        settle(self.page)
        return self.page


class Gateway:
    """A running gateway on fake services."""

    def __init__(self, fake: Any, settings: Settings, port: int = 0) -> None:
        self.fake = fake
        self.services = fake.over_http(settings)
        self._app = create(settings, self.services)
        config = uvicorn.Config(
            self._app,
            log_level="warning",
            ws="websockets-sansio",
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        # Bound here, so that nobody takes the port before the server listens on it.
        bound = socket.create_server(("127.0.0.1", port))
        self.port = int(bound.getsockname()[1])
        self.base = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.run, args=([bound],), daemon=True
        )

    def start(self) -> None:
        """Serve until told to stop."""
        self._thread.start()
        while not self._server.started:
            sleep(0.02)

    def skip_a_frame(self, topic: str) -> None:
        """Count a frame of each tab as sent that never was."""
        for connection in self._app.state.hub.connections:
            connection._sequence[topic] += 1

    def stop(self) -> None:
        """Stop and let go of the port."""
        self._server.should_exit = True
        self._thread.join(10)


# What the services can be found in. A page that was seen before keeps its last values.
LOADED, EMPTY, FAILED, STALE = "loaded", "empty", "failed", "stale"
STATES: dict[str, Callable[[], Any]] = {
    LOADED: fake_services.trading,
    EMPTY: fake_services.empty,
    FAILED: fake_services.trading,
    STALE: fake_services.trading,
}


def fall_silent(fake: Any) -> None:
    """Let no service answer any more."""
    fake.down |= set(fake_services.settings().service_urls)


@cache
def fake_addresses() -> dict[str, str]:
    """Return the pages of the market that fake services tell of."""
    return addresses(fake_services.trading().over_http(fake_services.settings()))


def seen_pairwise(count: int) -> list[tuple[str, str, str, int]]:
    """Return so many of all (page, state, theme, width) that cover most pairs."""
    left = list(product(fake_addresses(), STATES, THEMES, WIDTHS))
    uncovered = {pair for case in left for pair in pairs(case)}
    chosen = []
    while len(chosen) < count and left:
        best = max(left, key=lambda case: len(pairs(case) & uncovered))
        left.remove(best)
        uncovered -= pairs(best)
        chosen.append(best)
    return sorted(chosen)


def pairs(case: tuple[Any, ...]) -> set[tuple[int, Any, int, Any]]:
    """Return every two values of a case with their places."""
    return {
        (i, case[i], j, case[j])
        for i in range(len(case))
        for j in range(i + 1, len(case))
    }
