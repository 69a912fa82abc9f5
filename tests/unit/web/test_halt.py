"""Halting and resuming through plain forms."""

import pytest
from fake_services import empty, trading

from trading_system.vocabulary import TradingState

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("level", [1, 2, 3])
async def test_a_form_halts_at_its_level_without_scripts(open_browser, level):
    fake = empty()
    browser = open_browser(fake)
    await browser.sign_in()
    answer = await browser.send("/halt", level=str(level))
    assert answer.status_code == 303
    service, path, body = fake.posted[-1]
    assert (service, path) == ("risk", "/trading-state/halt")
    assert body["level"] == level
    page = await browser.get(answer.headers["location"])
    expected = "Halted" if level == 3 else "Entries paused"
    assert f"<strong>{expected}</strong>" in page.text


async def test_a_form_of_another_page_halts_nothing(open_browser):
    fake = empty()
    browser = open_browser(fake)
    await browser.sign_in()
    answer = await browser.send("/halt", level="1", csrf_token="0" * 64)
    assert answer.status_code == 403
    assert fake.state is TradingState.ACTIVE


async def test_without_a_session_nothing_is_halted(open_browser):
    fake = empty()
    answer = await open_browser(fake).send("/halt", level="1")
    assert answer.status_code == 401
    assert not fake.posted


@pytest.mark.parametrize("level", ["0", "4", "x", ""])
async def test_a_level_that_does_not_exist_is_refused(open_browser, level):
    fake = empty()
    browser = open_browser(fake)
    await browser.sign_in()
    assert (await browser.send("/halt", level=level)).status_code == 422
    assert not fake.posted


async def test_when_risk_is_silent_the_page_says_so_and_names_the_command(open_browser):
    fake = empty()
    browser = open_browser(fake)
    await browser.sign_in()
    fake.down.add("risk")
    answer = await browser.send("/halt", level="2")
    assert answer.status_code == 503
    assert "Trading was not halted." in answer.text
    assert "trading halt --level 2" in answer.text


async def test_resuming_needs_a_reason_and_the_word(open_browser):
    fake = empty()
    browser = open_browser(fake)
    await browser.sign_in()
    await browser.send("/halt", level="1")
    for fields in (
        {"reason": "fixed"},
        {"word": "RESUME"},
        {"reason": "x", "word": "y"},
    ):
        assert (await browser.send("/resume", **fields)).status_code == 422
    assert fake.state is TradingState.REDUCING
    answer = await browser.send("/resume", reason="The feed is back.", word="RESUME")
    assert answer.status_code == 303
    assert fake.posted[-1][2] == {"reason": "The feed is back.", "by": "dashboard"}
    assert fake.state is TradingState.ACTIVE


async def test_with_money_flattening_needs_its_word_and_resuming_the_terminal(
    open_browser,
):
    fake = empty()
    browser = open_browser(fake, "live")
    await browser.sign_in()
    assert (await browser.send("/halt", level="3")).status_code == 422
    assert (await browser.send("/halt", level="3", word="FLATTEN")).status_code == 303
    answer = await browser.send("/resume", reason="The feed is back.", word="RESUME")
    assert answer.status_code == 403
    assert fake.state is TradingState.HALTED


async def test_the_halt_form_is_on_every_page(open_browser):
    browser = open_browser(empty())
    await browser.sign_in()
    for path in ("/", "/orders", "/charts/SPY", "/explain", "/system"):
        page = (await browser.get(path)).text
        assert page.count('<form method="post" action="/halt"') == 3


async def test_the_consequences_are_said_before_the_click(open_browser):
    fake = trading()
    browser = open_browser(fake)
    await browser.sign_in()
    said = (await browser.get("/halt/consequence")).text
    assert "1 open order and" in said
    assert "Level 3 sells" in said and "at once" in said
    assert "1 open order and" in (await browser.get("/halt")).text
    fake.down.add("execution")
    fresh = open_browser(fake)
    await fresh.sign_in()
    said = (await fresh.get("/halt/consequence")).text
    assert "A halt works all the same." in said
