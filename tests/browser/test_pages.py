"""The pages as a browser draws them: no error, no violation, nothing cut off."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from fake_services import (
    STRATEGY,
    FakeServices,
    a_market,
    backtest,
    empty,
    trading,
)

pytestmark = pytest.mark.browser

BOUGHT = next(o for o in a_market().outcomes if o.outcome == "approved")
PAGES = {
    "portfolio": "/",
    "orders": "/orders?tab=history",
    "trades": "/orders?tab=trades",
    "chart": "/charts/AAPL",
    "decisions": "/explain",
    "explain": f"/explain/signal/{BOUGHT.signal_id}",
    "risk": "/risk/what-if?symbol=AAPL&side=buy&quantity=10",
    "strategies": "/strategies",
    "strategy": f"/strategies/{STRATEGY}",
    "performance": "/performance",
    "backtests": "/backtests",
    "compare": f"/backtests/compare?id={backtest(20).backtest_id}"
    f"&id={backtest(40).backtest_id}",
    "data": "/data",
    "alerts": "/alerts",
    "logs": "/logs",
    "ticket": "/orders/new?symbol=AAPL&side=buy&quantity=10",
    "system": "/system",
    "latency": "/system/latency",
    "settings": "/settings",
    "halt": "/halt",
}
# Pages about one thing have no page where that thing does not exist.
OF_ONE_THING = {"explain", "strategy", "compare", "risk", "ticket"}
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def failing() -> FakeServices:
    fake = trading()
    fake.down |= {"analytics", "risk", "notification"}
    return fake


STATES: dict[str, Callable[[], FakeServices]] = {
    "trading": trading,
    "empty": empty,
    "failing": failing,
}
# Each page in each state, the widths and themes spread over them.
SEEN = [
    (page, state, (360, 1366)[(i + j) % 2], ("light", "dark")[(i // 2 + j) % 2])
    for i, page in enumerate(PAGES)
    for j, state in enumerate(STATES)
    if page not in OF_ONE_THING or state == "trading"
]
SEEN += [
    (page, "trading", width, theme)
    for page in ("portfolio", "chart", "explain")
    for width in (360, 1366)
    for theme in ("light", "dark")
]


def serious(found: Any) -> list[str]:
    return [
        f"{fault['id']}: {[node['target'] for node in fault['nodes']]}"
        for fault in found.response["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(("page", "state", "width", "theme"), sorted(set(SEEN)))
def test_a_page_is_clean(serve, look, page, state, width, theme):
    tab = look(serve(STATES[state]()), width, theme)
    opened = tab.open(PAGES[page])
    assert not serious(Axe().run(opened, options={"runOnly": TAGS}))
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert not tab.faults


@pytest.mark.parametrize("page", PAGES)
def test_nothing_needs_sideways_scrolling_on_the_narrowest_screen(serve, look, page):
    opened = look(serve(trading()), 320).open(PAGES[page])
    assert opened.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_open_halt_dialog_is_clean(serve, look):
    tab = look(serve(trading()))
    opened = tab.open("/")
    opened.get_by_role("link", name="Halt", exact=True).click()
    assert opened.get_by_role("dialog").is_visible()
    assert not serious(Axe().run(opened, options={"runOnly": TAGS}))
    assert not tab.faults


def test_a_theme_and_a_palette_stay_chosen_and_paint_the_first_frame(serve, look):
    opened = look(serve(trading())).open("/")
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


def test_the_login_page_is_clean(serve, chromium):
    stack = serve(empty())
    page = chromium.new_page()
    page.goto(stack.base + "/")
    assert page.get_by_role("heading", name="Sign in").is_visible()
    assert not serious(Axe().run(page, options={"runOnly": TAGS}))
    page.close()
