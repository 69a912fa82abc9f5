"""The keys do what they promise, and another zone holds for all that is shown."""

from datetime import timedelta

import pytest
from dashboard import menu
from fake_services import NOW, trading
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


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
