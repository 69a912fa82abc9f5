"""The pages as a browser draws them: no error, no violation, nothing cut off.

Every page in every state, theme and width: the combinations that cover most pairs of
them by default, and all of them with `-m long`.
"""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest
from dashboard import (
    EMPTY,
    FAILED,
    LIGHT,
    LOADED,
    STALE,
    STATES,
    THEMES,
    WIDTHS,
    Gateway,
    Watched,
    fake_addresses,
    fake_services,
    fall_silent,
    is_wider_than_its_window,
    seen_pairwise,
    settle,
    violations,
    window,
)
from playwright.sync_api import Browser, Page

from trading_system import login
from trading_system.clock import utc_now

pytestmark = pytest.mark.browser

PAGES = fake_addresses()

# What Chromium itself says of an answer that is no success.
NO_SUCCESS = "error: Failed to load resource: the server responded with a status of "

Show = Callable[[str, str, int], Watched]


@pytest.fixture(scope="module")
def show(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    """Return a function that opens a tab in a theme and width on a state."""
    gateways: dict[str, Gateway] = {}
    cookies = {}
    contexts = []

    def in_state(state: str) -> Gateway:
        if state not in gateways:
            place: Path = tmp_path_factory.mktemp(state)
            settings = fake_services.settings(trading_data_dir=place)
            gateway = gateways[state] = Gateway(STATES[state](), settings)
            gateway.start()
            person = chromium.new_context()
            link = login.link(gateway.base, fake_services.SECRET, utc_now())
            assert person.request.get(link).ok
            if state == STALE:
                for path in PAGES.values():
                    assert person.request.get(gateway.base + path).ok
            if state in (FAILED, STALE):
                fall_silent(gateway.fake)
            cookies[state] = person.storage_state()
            person.close()
        return gateways[state]

    def shown(state: str, theme: str, width: int) -> Watched:
        gateway = in_state(state)
        context = window(chromium, width, theme, storage_state=cookies[state])
        contexts.append(context)
        return Watched(context.new_page(), gateway.base)

    yield shown
    for context in contexts:
        context.close()
    for gateway in gateways.values():
        gateway.stop()


def open_page(tab: Watched, name: str, state: str) -> list[str]:
    """Open a page and return what its console said that it should not."""
    tab.faults.clear()
    answer = tab.page.goto(tab.base + PAGES[name])
    assert answer is not None
    # What does not exist yet, or whose service is away, has an error page.
    assert answer.ok or (state != LOADED and answer.status in (404, 503))
    settle(tab.page, live=tab.page.locator("#feed").count() > 0)
    if state in (LOADED, EMPTY) and answer.ok:
        return tab.faults
    # A page or a figure whose service is away says so, and the browser repeats it.
    return [fault for fault in tab.faults if not fault.startswith(NO_SUCCESS)]


def drawn_wrongly(page: Page) -> list[str]:
    """Return what is wrong with a page as it stands."""
    wide = ["it scrolls sideways"] if is_wider_than_its_window(page) else []
    return violations(page) + wide


@pytest.mark.parametrize(("name", "state", "theme", "width"), seen_pairwise(40))
def test_a_page_is_clean(
    show: Show, name: str, state: str, theme: str, width: int
) -> None:
    tab = show(state, theme, width)
    assert not open_page(tab, name, state)
    assert not drawn_wrongly(tab.page)


@pytest.mark.soak
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("state", STATES)
def test_a_page_is_clean_in_each_theme_and_width(
    show: Show, state: str, name: str
) -> None:
    tab = show(state, LIGHT, WIDTHS[0])
    wrong = open_page(tab, name, state)
    for theme, width in product(THEMES, WIDTHS):
        tab.page.emulate_media(color_scheme=theme)
        tab.page.set_viewport_size({"width": width, "height": 800})
        settle(tab.page, live=False)
        found = drawn_wrongly(tab.page)
        wrong += [f"{theme}, {width} wide: {each}" for each in found]
    tab.page.context.close()
    assert not wrong


def test_nothing_needs_sideways_scrolling_on_the_narrowest_screen(serve, look) -> None:
    tab = look(serve(fake_services.trading()), 320)
    assert not [
        path for path in PAGES.values() if is_wider_than_its_window(tab.open(path))
    ]
    assert not tab.faults


def test_the_open_halt_dialog_is_clean(serve, look) -> None:
    tab = look(serve(fake_services.trading()))
    opened = tab.open("/")
    opened.get_by_role("link", name="Halt", exact=True).click()
    assert opened.get_by_role("dialog").is_visible()
    assert not violations(opened)
    assert not tab.faults


def test_the_open_list_of_keys_is_clean(serve, look) -> None:
    tab = look(serve(fake_services.trading()))
    opened = tab.open("/")
    opened.keyboard.press("?")
    assert opened.get_by_role("dialog").is_visible()
    assert not violations(opened)
    assert not tab.faults


def test_a_theme_and_a_palette_stay_chosen_and_paint_the_first_frame(
    serve, look
) -> None:
    opened = look(serve(fake_services.trading())).open("/")
    light = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    opened.locator("header summary").click()
    opened.get_by_label("Dark").check()
    opened.get_by_label("Green and red").check()
    opened.reload()
    root = opened.locator("html")
    assert root.get_attribute("data-theme") == "dark"
    assert root.get_attribute("data-palette") == "green"
    dark = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light


def test_the_login_page_is_clean(serve, chromium) -> None:
    gateway = serve(fake_services.empty())
    page = chromium.new_page()
    page.goto(gateway.base + "/")
    assert page.get_by_role("heading", name="Sign in").is_visible()
    assert not violations(page)
    page.close()
