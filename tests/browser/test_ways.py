"""What a person comes for is three clicks away, and the keys do what they promise."""

from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

import pytest
from dashboard import menu
from fake_services import NOW, STRATEGY, a_market, trading
from playwright.sync_api import Error, Page, expect

from trading_system.clock import monotonic
from trading_system.contracts.execution import CancelResult
from trading_system.contracts.ingestion import QualityResult
from trading_system.vocabulary import TradingState
from trading_web.order_states import is_open

pytestmark = pytest.mark.browser


TYPE = "type"


class Way(NamedTuple):
    """From a page to what a person wants; what is typed on the way is no click."""

    start: str
    steps: tuple[tuple[str, str], ...]
    arrives: str
    """Part of the address in the end, or what a service was asked to do."""

    @property
    def clicks(self) -> int:
        """How often something is clicked."""
        return sum(kind != TYPE for kind, _ in self.steps)


WAYS = {
    "close a position": Way(
        "/", (("link", "Close…"), ("button", "Sell")), "risk /manual-orders"
    ),
    "see why it was bought": Way("/", (("link", "Why?"),), "/explain/"),
    "pause a strategy's entries": Way(
        "/", (("button", "Pause mom"),), f"strategy /strategies/{STRATEGY}/status"
    ),
    "change a parameter": Way(
        f"/strategies/{STRATEGY}",
        (
            (TYPE, "threshold=0.03"),
            ("button", "See what would change"),
            (TYPE, "reason=Fewer false starts"),
            ("button", "Put in force"),
        ),
        f"strategy /strategies/{STRATEGY}",
    ),
    "cancel an order": Way(
        "/", (("link", "Orders"), ("button", "Cancel")), "execution /orders/"
    ),
    "export the orders": Way(
        "/", (("link", "Orders"), ("link", "History"), ("link", "CSV")), "history.csv"
    ),
    "find why one was refused": Way(
        "/",
        (("link", "Orders"), ("link", "Denied by risk"), ("link", "Why?")),
        "/explain/",
    ),
    "see why a trade ended": Way(
        "/",
        (("link", "Orders"), ("link", "Round trips"), ("link", "Why out?")),
        "/explain/",
    ),
    "see a decision on a chart": Way(
        "/", (("link", "AAPL"), ("link", "Why?")), "/explain/"
    ),
    "take a chart's bars": Way("/charts/AAPL", (("link", "CSV"),), "bars.csv"),
    "compare two backtests": Way(
        "/backtests",
        (
            ("checkbox", "Compare"),
            ("checkbox", "Compare"),
            ("button", "Compare the chosen"),
        ),
        "/backtests/compare?id=",
    ),
    "stop entries": Way(
        "/risk", (("link", "Halt"), ("button", "Pause entries")), "/trading-state/halt"
    ),
    "flatten": Way(
        "/data",
        (("link", "Halt"), ("button", "Flatten everything")),
        "/trading-state/halt",
    ),
    "see which part is not well": Way("/", (("link", "System"),), "/system"),
    "check the bars": Way(
        "/", (("link", "Data"), ("button", "Check")), "ingestion /bars/validate"
    ),
    "mark an alert as read": Way(
        "/",
        (("link", "Alerts"), ("button", "Mark as read")),
        "notification /notifications/",
    ),
    "see what a service wrote": Way("/", (("link", "Logs"),), "/logs"),
}


def ready_to_act():
    """Return services that do what they are asked."""
    fake = trading()
    listed = fake.answers["execution", "/orders"]({})
    working = next(order for order in listed if is_open(order))
    path = f"/orders/{working.order_id}/cancel"
    fake.answers["execution", path] = CancelResult(
        order_id=working.order_id, status="CANCELED", detail="asked for"
    )
    fake.answers["risk", "/manual-orders"] = a_market().outcomes[0]
    strategy = fake.answers["strategy", f"/strategies/{STRATEGY}"]
    fake.answers["strategy", f"/strategies/{STRATEGY}/status"] = strategy
    fake.answers["ingestion", "/bars/validate"] = QualityResult(
        checked=1, problems=0, by_check={}, market_time=NOW
    )
    for note in fake.answers["notification", "/notifications"]:
        path = f"/notifications/{note.notification_id}/read"
        fake.answers["notification", path] = note
    return fake


def step(page: Page, kind: str, name: str, number: int) -> None:
    """Click or type, as soon as what is meant is there."""
    if kind == TYPE:
        field, _, value = name.partition("=")
        page.locator(f"main input[name={field}]:visible").last.fill(value)
        return
    target = page.get_by_role(kind, name=name).locator("visible=true")
    if kind == "checkbox":
        target.nth(number).check()
    elif name == "CSV":
        with page.expect_download() as awaited:
            target.first.click()
        page.evaluate("address => { window.taken = address }", awaited.value.url)
    else:
        target.first.click()


def until(page: Page, fake, what: str, way: Way) -> None:
    """Wait until a way has led where it shall, by address, download or deed."""
    deadline = monotonic() + 60
    while True:
        asked = [f"{service} {path}" for service, path, _ in fake.posted]
        if way.arrives in page.url or any(way.arrives in each for each in asked):
            return
        with suppress(Error):  # the page may be changing at this moment
            if way.arrives in page.evaluate("window.taken || ''"):
                return
        assert monotonic() < deadline, (what, page.url, asked)
        page.wait_for_timeout(50)


@pytest.mark.parametrize("width", [360, 1366])
def test_what_a_person_comes_for_is_at_most_three_clicks_away(
    serve, look, width: int
) -> None:
    fake = ready_to_act()
    tab = look(serve(fake), width)
    for what, way in WAYS.items():
        fake.posted.clear()
        fake.state, fake.level = TradingState.ACTIVE, 0
        page = tab.open(way.start)
        assert way.clicks <= 3, what
        for number, (kind, name) in enumerate(way.steps):
            step(page, kind, name, number)
        until(page, fake, what, way)
    assert not tab.faults


def test_each_page_of_the_menu_has_its_key(serve, look) -> None:
    tab = look(serve(trading()))
    page = tab.open("/halt")
    for entry in menu.PAGES:
        page.keyboard.press("g")
        page.keyboard.press(entry.key)
        page.wait_for_url(lambda url, href=entry.href: href in url)
        expect(page.locator(".nav [aria-current=page]")).to_have_text(entry.label)
    assert not tab.faults


def test_rows_are_walked_and_opened_without_a_mouse(serve, look) -> None:
    page = look(serve(trading())).open("/orders?tab=history")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = page.locator("#list tbody tr").first.get_by_role("link").first
    expect(first).to_be_focused()
    there = first.get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{there}")


def test_keys_find_a_symbol_switch_the_theme_and_list_themselves(serve, look) -> None:
    page = look(serve(trading())).open("/charts/AAPL")
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog")
    expect(keys).to_be_visible()
    for entry in menu.PAGES:
        expect(keys).to_contain_text(entry.label)
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.keyboard.press("/")
    expect(page.locator("#symbol_search")).to_be_focused()
    # While something is typed, letters are letters.
    page.keyboard.type("gs?t")
    expect(page.locator("#symbol_search")).to_have_value("gs?t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_another_zone_holds_for_the_page_and_for_what_moves_on_it(serve, look) -> None:
    fake = trading()
    tab = look(serve(fake))
    page = tab.open("/orders?tab=history")
    times = page.locator("#list tbody time")
    assert all(text.endswith(" ET") for text in times.all_inner_texts())
    page.locator("header summary").click()
    with page.expect_navigation():
        page.get_by_label("UTC").check()
    page.wait_for_selector("#feed[data-tone=ok]")
    assert all(text.endswith(" UTC") for text in times.all_inner_texts())
    clock = fake.answers["execution", "/clock"]
    later = clock.model_copy(update={"now": NOW + timedelta(minutes=1)})
    fake.answers["execution", "/clock"] = later
    shown = page.locator("[data-cell='market.now']")
    expect(shown).to_have_text("20 Nov 17:13 UTC", timeout=20_000)
    assert not tab.faults
