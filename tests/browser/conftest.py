"""The gateway on a port of its own, and a headless Chromium to look at it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dashboard import (
    LIGHT,
    Gateway,
    Watched,
    chromium_program,
    fake_services,
    headless,
    window,
)
from playwright.sync_api import Browser

from trading_system import login
from trading_system.clock import utc_now


# Not for the whole session: while it lives the thread has a running event loop, in
# which no other test could start one.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless browser; tests are skipped where there is none."""
    program = chromium_program()
    if program is None:
        pytest.skip("no Chromium on PATH")
    with headless(program) as browser:
        yield browser


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Return a function that starts a gateway on fake services."""
    running: list[Gateway] = []

    def served(fake, mode: str = "simulated", port: int = 0) -> Gateway:
        given = fake_services.settings(mode, trading_data_dir=tmp_path)
        gateway = Gateway(fake, given, port)
        gateway.start()
        running.append(gateway)
        return gateway

    yield served
    for gateway in running:
        gateway.stop()


@pytest.fixture
def look(chromium: Browser) -> Iterator[Callable[..., Watched]]:
    """Return a function that opens a signed-in tab."""
    contexts = []

    def looked(gateway: Gateway, width: int = 1366, theme: str = LIGHT) -> Watched:
        context = window(chromium, width, theme)
        contexts.append(context)
        # Signed in beside the tab: its first page is the one that a test opens.
        link = login.link(gateway.base, fake_services.SECRET, utc_now())
        assert context.request.get(link).ok
        return Watched(context.new_page(), gateway.base)

    yield looked
    for context in contexts:
        context.close()
