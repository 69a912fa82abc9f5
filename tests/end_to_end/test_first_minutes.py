"""What a new user sees: one line, a link, and a market that trades as they watch."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dashboard import (
    DARK,
    LIGHT,
    Watched,
    chromium_program,
    headless,
    is_wider_than_its_window,
    violations,
    window,
)
from judge import judge
from playwright.sync_api import Browser
from stack import Stack, running_stack

pytestmark = [pytest.mark.end_to_end, pytest.mark.browser]

WIDE = 1366
WIDTHS = ((WIDE, LIGHT), (360, DARK))


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The default: a generated market of 24 symbols and SPY, sixty times as fast."""
    with running_stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser; the tests are skipped where there is none."""
    program = chromium_program()
    if program is None:
        pytest.skip("no Chromium on PATH")
    with headless(program) as browser:
        yield browser


@pytest.fixture(scope="module")
def signed_in(stack: Stack, browser: Browser) -> Any:
    """What a browser keeps after the link of `trading login` was opened."""
    link = re.search(r"http://\S+", stack.cli("login").stdout)
    assert link is not None
    context = browser.new_context()
    page = context.new_page()
    page.goto(link.group(0))
    # The page that signs in goes on to the first one by itself.
    page.wait_for_url(stack.run.urls["gateway"] + "/")
    kept = context.storage_state()
    context.close()
    return kept


@pytest.fixture
def tab(
    stack: Stack, browser: Browser, signed_in: Any
) -> Iterator[Callable[..., Watched]]:
    """Return a function that opens the dashboard and keeps what goes wrong in it."""
    contexts = []

    def opened(width: int = 1366, theme: str = LIGHT) -> Watched:
        context = window(browser, width, theme, storage_state=signed_in)
        contexts.append(context)
        tab = Watched(context.new_page(), stack.run.urls["gateway"])
        tab.page.goto(tab.base + "/")
        return tab

    yield opened
    for context in contexts:
        context.close()


def until(holds: Callable[[], Any], what: str, seconds: float = 150) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"it never came to pass: {what}"
        time.sleep(0.25)
    return found


def test_the_first_hour_trades_and_the_page_shows_it_without_reload(
    stack: Stack, tab: Callable[..., Watched]
) -> None:
    page = tab().page
    page.wait_for_selector("#feed[data-tone=ok]")
    loaded = page.evaluate("() => { window.untouched = true; return true; }")
    assert loaded and "SIMULATED" in page.title()
    with stack.services() as services:
        filled = until(
            lambda: [o for o in services.execution.orders() if o.filled_quantity],
            "an order that filled",
        )
        position = until(services.execution.positions, "a position")[0]
    symbol = page.locator("#positions", has_text=position.symbol)
    symbol.wait_for(timeout=30_000)
    equity = page.locator("[data-cell='account.equity']").first
    before = equity.inner_text()
    until(lambda: equity.inner_text() != before, "equity that moves", 60)
    assert page.evaluate("() => window.untouched"), "the page was loaded again"
    assert filled


def test_every_step_of_a_trade_is_one_click_away(
    stack: Stack, tab: Callable[..., Watched]
) -> None:
    page = tab().page
    with stack.services() as services:
        until(services.execution.positions, "a position")
    page.goto(stack.run.urls["gateway"] + "/")
    page.get_by_role("link", name="Why?").first.click()
    page.wait_for_url("**/explain/**")
    text = page.locator("main").inner_text()
    for word in ("Bar", "Indicators", "Signal", "Risk", "Order", "Fill"):
        assert word in text, word
    assert "No record" not in text


@pytest.mark.parametrize(("width", "theme"), WIDTHS)
def test_the_five_pages_have_no_error_no_violation_and_fit(
    stack: Stack, tab: Callable[..., Watched], width: int, theme: str
) -> None:
    seen = tab(width, theme)
    with stack.services() as services:
        decision = services.strategy.decisions(limit=1)[0].decision_id
    for path in (
        "/",
        "/orders?tab=history",
        "/charts/SPY",
        f"/explain/{decision}",
        "/system",
    ):
        page = seen.open(path)
        # axe looks at every page in every theme and width in tests/browser.
        assert width < WIDE or not violations(page), path
        assert not is_wider_than_its_window(page), path
    assert not seen.faults


def test_trading_is_halted_in_two_clicks_and_nothing_enters_after(
    stack: Stack, tab: Callable[..., Watched]
) -> None:
    page = tab().page
    page.wait_for_selector("#feed[data-tone=ok]")
    page.get_by_role("link", name="Halt").or_(
        page.get_by_role("button", name="Halt")
    ).first.click()
    page.get_by_role("button", name="Pause entries").first.click()
    page.get_by_text("Entries paused").first.wait_for()
    with stack.services() as services:
        state = services.risk.trading_state()
        assert (state.state, state.level) == ("REDUCING", 1)
        seen = services.strategy.strategies()[0].decisions
        until(
            lambda: services.strategy.strategies()[0].decisions > seen,
            "another hour",
            180,
        )
        later = [
            outcome
            for outcome in services.risk.outcomes(limit=200)
            if outcome.created_at > state.set_at and outcome.side == "buy"
        ]
    assert all(outcome.order_id is None for outcome in later)


def test_the_books_hold_at_the_end_of_it(stack: Stack) -> None:
    # Market time runs on, so the judge asks until nothing is under way.
    def holds() -> bool:
        try:
            return bool(judge(stack))
        except AssertionError:
            return False

    until(holds, "books that agree with the exchange's", 90)
