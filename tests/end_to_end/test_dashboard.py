"""The dashboard on the real stack: every page, and each process killed under it."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from dashboard import (
    DARK,
    LIGHT,
    Watched,
    addresses,
    chromium_program,
    headless,
    is_wider_than_its_window,
    settle,
    violations,
    window,
)
from playwright.sync_api import Browser, Page, expect
from stack import Stack, running_stack

from trading_system import login
from trading_system.clock import monotonic, sleep, utc_now
from trading_system.runtime import status
from trading_system.vocabulary import ServiceName

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.browser,
    pytest.mark.long,
    pytest.mark.timeout(1800),
]

PATIENCE = 180.0
MS = 1000

Open = Callable[..., Watched]

# What the page said of itself while nobody looked: the feed's words, stale sections.
REMEMBER = """
window.remembered = new Set();
addEventListener("DOMContentLoaded", () => {
  const look = () => {
    const feed = document.querySelector("#feed");
    if (feed) remembered.add(feed.textContent.trim().split(" ")[0]);
    for (const each of document.querySelectorAll("[data-state=stale]"))
      remembered.add("stale " + each.id);
    if (document.querySelector("#services"))
      remembered.add(document.querySelector("#services strong").textContent);
  };
  look();
  new MutationObserver(look).observe(
    document.body,
    {subtree: true, childList: true, characterData: true, attributes: true});
});
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The default: a generated market of 24 symbols and SPY, sixty times as fast."""
    with running_stack() as stack:
        with stack.services() as services:
            until(services.execution.positions, "a position")
        yield stack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser; the tests are skipped where there is none."""
    program = chromium_program()
    if program is None:
        pytest.skip("no Chromium on PATH")
    with headless(program) as browser:
        yield browser


@pytest.fixture
def tab(stack: Stack, browser: Browser) -> Iterator[Open]:
    """Return a function that opens a signed-in tab."""
    contexts = []
    gateway = stack.run.urls["gateway"]

    def opened(width: int = 1366, theme: str = LIGHT) -> Watched:
        context = window(browser, width, theme)
        context.add_init_script(REMEMBER)
        contexts.append(context)
        secret = stack.secrets.session.get_secret_value()
        assert context.request.get(login.link(gateway, secret, utc_now())).ok
        return Watched(context.new_page(), gateway)

    yield opened
    for context in contexts:
        context.close()


def until(holds: Callable[[], object], what: str) -> None:
    deadline = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < deadline, f"it never came to pass: {what}"
        sleep(0.2)


@pytest.mark.parametrize(("width", "theme"), [(1366, LIGHT), (360, DARK)])
def test_every_page_is_clean_on_what_was_traded(
    stack: Stack, tab: Open, width: int, theme: str
) -> None:
    watched = tab(width, theme)
    with stack.services() as services:
        pages = addresses(services)
    wrong = []
    for name, path in pages.items():
        page = watched.open(path)
        wrong += [f"{name}: {found}" for found in violations(page)]
        if is_wider_than_its_window(page):
            wrong.append(f"{name}: it scrolls sideways")
    assert not wrong
    assert not watched.faults


def test_each_of_25_loads_opens_its_socket(tab: Open) -> None:
    watched = tab()
    for _ in range(25):
        watched.page.goto(watched.base + "/halt")
        watched.page.wait_for_selector("#feed[data-tone=ok]")
    assert not watched.faults


def said(page: Page, *words: str) -> bool:
    """Say whether a page has shown these together at any time since it was opened."""
    found = page.evaluate(
        "(words) => [...remembered].some("
        "(each) => words.every((word) => each.includes(word)))",
        list(words),
    )
    return bool(found)


def ask_again(page: Page) -> None:
    """Let an open page fetch its sections, as it does by itself from time to time."""
    page.evaluate("window.live.refreshAll()")
    page.wait_for_timeout(1000)


def kill(stack: Stack, name: str) -> int:
    killed = stack.pid_of(name)
    stack.kill(name)
    return killed


def is_back(stack: Stack, name: str, killed: int) -> bool:
    """Say whether another process has taken the place of a killed one, and is ready."""
    found = asyncio.run(status.read_status(stack.place))
    return found is not None and any(
        part.name == name and part.state == "ready" and part.pid not in (None, killed)
        for part in found.components
    )


def test_each_process_killed_under_open_pages_is_named_and_comes_back(
    stack: Stack, tab: Open
) -> None:
    portfolio, system = tab().page, tab().page
    gateway = stack.run.urls["gateway"]
    for name in (*ServiceName, "valkey", "prefect", "flows", "exchange", "postgres"):
        for page, path in ((portfolio, "/"), (system, "/system")):
            page.goto(gateway + path)
            settle(page)
            page.evaluate("window.untouched = true")
        killed = kill(stack, name)
        if name in list(ServiceName):
            while not said(system, "do not answer", name):
                assert not is_back(stack, name, killed), f"{name} was not named"
                ask_again(system)
        if name == ServiceName.EXECUTION:
            until(lambda: said(portfolio, "stale kpis"), "values marked stale")
        until(lambda n=name, k=killed: is_back(stack, n, k), f"{name} back")
        kpis = portfolio.locator("#kpis")
        expect(kpis).not_to_have_attribute("data-state", "stale", timeout=PATIENCE * MS)
        deadline = monotonic() + PATIENCE
        while system.get_by_text("do not answer").count():
            assert monotonic() < deadline, f"{name} is back and still named"
            ask_again(system)
        expect(portfolio.locator("#feed")).to_contain_text("Live")
        for page in (portfolio, system):
            assert page.evaluate("window.untouched"), f"{name}: loaded again"


def test_a_killed_gateway_is_found_again_without_a_reload(
    stack: Stack, tab: Open
) -> None:
    page = tab().open("/orders?tab=history")
    page.evaluate("window.untouched = true")
    kill(stack, "gateway")
    lost = ("Reconnecting", "Connecting")
    until(lambda: any(said(page, word) for word in lost), "a lost feed")
    feed = page.locator("#feed")
    expect(feed).to_contain_text("Live", timeout=PATIENCE * MS)
    assert page.evaluate("window.untouched")
    ids = page.locator("#list tbody tr").evaluate_all("all => all.map(e => e.id)")
    assert len(set(ids)) == len(ids)
