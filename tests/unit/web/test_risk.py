"""Limits are tightened with a reason and loosened with a word; orders by hand."""

import re
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from fake_services import NOW, a_market, trading

from trading_system.contracts.risk import RiskCheckView
from trading_web import risk_words

pytestmark = pytest.mark.unit

LIMIT = {"limit_type": "max_daily_loss", "scope": "account", "version": "1"}
TICKET = {"symbol": "AAPL", "side": "buy", "quantity": "10", "key": "0123456789"}


async def ready(open_browser, mode="simulated"):
    fake = trading()
    browser = open_browser(fake, mode)
    await browser.sign_in()
    return fake, browser


async def test_a_limit_is_tightened_with_a_reason_alone(open_browser):
    fake, browser = await ready(open_browser)
    asked = LIMIT | {"limit_value": "0.01"}
    assert (await browser.send("/risk/limits", **asked)).status_code == 422
    answer = await browser.send("/risk/limits", **asked, reason="Calmer.")
    assert answer.status_code == 303
    service, path, body = fake.posted[-1]
    assert (service, path) == ("risk", "/limits")
    assert Decimal(body["limit_value"]) == Decimal("0.01")
    assert (body["version"], body["reason"]) == (1, "Calmer.")


async def test_a_limit_is_loosened_only_with_its_word(open_browser):
    fake, browser = await ready(open_browser)
    asked = LIMIT | {"limit_value": "0.03", "reason": "Wilder."}
    for word in ("", "loosen", "RESET"):
        answer = await browser.send("/risk/limits", **asked, word=word)
        assert answer.status_code == 422
    assert not fake.posted
    assert (await browser.send("/risk/limits", **asked, word="LOOSEN")).is_redirect


async def test_with_money_no_page_loosens_a_limit(open_browser):
    fake, browser = await ready(open_browser, "live")
    asked = LIMIT | {"limit_value": "0.03", "reason": "Wilder.", "word": "LOOSEN"}
    assert (await browser.send("/risk/limits", **asked)).status_code == 422
    assert not fake.posted


@pytest.mark.parametrize("value", ["x", "NaN", "Infinity", ""])
async def test_a_limit_that_is_no_number_is_refused(open_browser, value):
    fake, browser = await ready(open_browser)
    asked = LIMIT | {"limit_value": value, "reason": "Why not.", "word": "LOOSEN"}
    assert (await browser.send("/risk/limits", **asked)).status_code == 422
    assert not fake.posted


async def test_a_ticket_shows_what_risk_would_say_and_sends_nothing(open_browser):
    fake, browser = await ready(open_browser)
    page = (await browser.get("/orders/new?symbol=aapl&side=buy&quantity=10")).text
    assert "Buy 10 AAPL" in page
    assert [path for _, path, _ in fake.posted] == ["/what-if"]


async def test_a_denied_ticket_has_no_button_to_send_it(open_browser):
    fake, browser = await ready(open_browser)
    said = fake.answers["risk", "/what-if"]
    denied = {"approved": False, "code": "AT_TARGET", "quantity": None}
    fake.answers["risk", "/what-if"] = said.model_copy(update=denied)
    page = (await browser.get("/orders/new?symbol=AAPL&side=buy&quantity=10")).text
    assert "AT_TARGET" in page
    assert 'method="post" action="/orders/new"' not in page


async def test_an_order_by_hand_needs_a_reason_and_carries_its_key(open_browser):
    fake, browser = await ready(open_browser)
    outcome = a_market().outcomes[0]
    fake.answers["risk", "/manual-orders"] = outcome
    assert (await browser.send("/orders/new", **TICKET)).status_code == 422
    answer = await browser.send("/orders/new", **TICKET, reason="A hunch.")
    assert answer.headers["location"] == f"/explain/{outcome.signal_id}"
    assert fake.posted[-1][1] == "/manual-orders"
    assert fake.posted[-1][2]["reason"] == "A hunch."
    assert fake.keys == [TICKET["key"]]


async def test_each_ticket_has_a_key_of_its_own(open_browser):
    _, browser = await ready(open_browser)
    path = "/orders/new?symbol=AAPL&side=buy&quantity=10"
    keys = [
        re.findall(r'name="key" value="(\w+)"', (await browser.get(path)).text)
        for _ in range(2)
    ]
    assert keys[0] != keys[1]
    assert len(keys[0]) == 1


async def test_closing_a_position_leads_to_a_ticket_over_all_of_it(open_browser):
    fake, browser = await ready(open_browser)
    held = fake.answers["execution", "/positions"][0]
    answer = await browser.get(f"/positions/{held.symbol}/close")
    expected = f"/orders/new?symbol={held.symbol}&side=sell&quantity={held.quantity}"
    assert answer.headers["location"] == expected
    assert (await browser.get("/positions/ZZZ/close")).status_code == 404


async def test_an_order_without_a_strategy_is_explained_too(open_browser):
    fake, browser = await ready(open_browser)
    order = a_market().orders[0].model_copy(update={"signal_id": None})
    fake.answers["execution", f"/orders/{order.order_id}"] = order
    answer = await browser.get(f"/explain/order/{order.order_id}")
    page = await browser.get(answer.headers["location"])
    assert page.status_code == 200
    assert "ordered without a strategy" in page.text


def test_a_check_that_is_true_or_false_reads_yes_or_no():
    check = RiskCheckView(
        position=1,
        name="kill_file_is_absent",
        code="KILL_FILE",
        passed=True,
        value="0",
        limit="0",
        detail="",
    )
    assert (risk_words.value_of(check), risk_words.limit_of(check)) == ("yes", "—")
    counted = check.model_copy(update={"name": "orders_of_the_day_are_few"})
    assert (risk_words.value_of(counted), risk_words.limit_of(counted)) == ("0", "0")


async def test_a_symbol_is_locked_at_once_and_released_for_a_reason(open_browser):
    fake, browser = await ready(open_browser)
    fake.answers["risk", "/locks/XOM/release"] = []
    page = (await browser.get("/risk?lock=aapl")).text
    assert 'name="symbol" required maxlength="12" autocomplete="off" value="AAPL"' in (
        page
    )
    assert "Earnings tonight." in page
    del fake.answers["risk", "/locks"]
    fake.answers["risk", "/locks"] = a_market().answers()["risk", "/locks"][0]
    assert (await browser.send("/risk/locks", symbol="nvda")).is_redirect
    body = fake.posted[-1][2]
    assert (body["symbol"], body["until"]) == ("NVDA", None)
    assert body["reason"] == "Locked on the dashboard."
    await browser.send("/risk/locks", symbol="NVDA", lasts="day", reason="News.")
    until = datetime.fromisoformat(fake.posted[-1][2]["until"])
    assert until == NOW + timedelta(days=1)
    assert (await browser.send("/risk/locks", symbol="?")).status_code == 422
    sent = len(fake.posted)
    answer = await browser.send("/risk/locks/XOM/release", reason="")
    assert answer.status_code == 422
    assert len(fake.posted) == sent
    assert (
        await browser.send("/risk/locks/XOM/release", reason="It is over.")
    ).is_redirect


async def test_with_money_a_symbol_is_released_by_its_word(open_browser):
    fake, browser = await ready(open_browser, "live")
    fields = {"reason": "It is over."}
    answer = await browser.send("/risk/locks/XOM/release", **fields)
    assert answer.status_code == 422
    assert not fake.posted


async def test_the_chart_of_a_locked_symbol_says_so_and_offers_others_the_lock(
    open_browser,
):
    _, browser = await ready(open_browser)
    assert "Locked until" in (await browser.get("/charts/XOM")).text
    assert 'action="/risk/locks"' in (await browser.get("/charts/AAPL")).text
