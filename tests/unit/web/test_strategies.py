"""Pausing a strategy, and giving it other parameters."""

import pytest
from fake_services import STRATEGY, trading

from trading_web.parameters import fields_of, values_of

pytestmark = pytest.mark.unit

PAGE = f"/strategies/{STRATEGY}"


async def ready(open_browser, mode="simulated"):
    fake = trading()
    answers = fake.answers
    answers["strategy", f"{PAGE}/status"] = answers["strategy", PAGE]
    browser = open_browser(fake, mode)
    await browser.sign_in()
    return fake, browser


async def test_a_strategy_is_paused_by_one_click(open_browser):
    fake, browser = await ready(open_browser)
    assert (await browser.send(f"{PAGE}/status", act="pause")).status_code == 303
    assert fake.posted[-1][1] == f"{PAGE}/status"
    assert fake.posted[-1][2]["status"] == "paused"


async def test_to_resume_one_needs_a_reason(open_browser):
    fake, browser = await ready(open_browser)
    assert (await browser.send(f"{PAGE}/status", act="resume")).status_code == 422
    assert not fake.posted
    answer = await browser.send(f"{PAGE}/status", act="resume", reason="Bars are back.")
    assert answer.status_code == 303
    assert fake.posted[-1][2] == {"status": "enabled", "reason": "Bars are back."}


async def test_what_would_change_is_shown_before_it_does(open_browser):
    fake, browser = await ready(open_browser)
    wanted = {"lookback_period": "30", "threshold": "0.02"}
    shown = await browser.send(f"{PAGE}/parameters", **wanted)
    assert shown.status_code == 200
    assert not fake.posted
    assert "What would change" in shown.text
    assert '<input type="hidden" name="lookback_period" value="30">' in shown.text
    assert '<input type="hidden" name="threshold"' not in shown.text
    confirmed = {"lookback_period": "30", "confirmed": "yes", "reason": "Slower."}
    answer = await browser.send(f"{PAGE}/parameters", **confirmed)
    assert answer.status_code == 303
    assert fake.posted[-1] == (
        "strategy",
        PAGE,
        {"parameters": {"lookback_period": 30}, "reason": "Slower."},
    )


@pytest.mark.parametrize("text", ["x", "1.5", "", "nan"])
async def test_what_is_not_a_number_changes_nothing(open_browser, text):
    fake, browser = await ready(open_browser)
    answer = await browser.send(f"{PAGE}/parameters", lookback_period=text)
    assert answer.status_code == 422
    assert not fake.posted


async def test_with_money_a_running_strategy_keeps_its_parameters(open_browser):
    fake, browser = await ready(open_browser, "live")
    confirmed = {"lookback_period": "30", "confirmed": "yes", "reason": "Slower."}
    answer = await browser.send(f"{PAGE}/parameters", **confirmed)
    assert answer.status_code == 409
    assert not fake.posted


def test_a_form_gives_values_of_their_own_types():
    fields = fields_of({}, {"a": 1, "b": 1.5, "c": True, "d": "x"})
    values, faults = values_of(fields, {"a": "2", "b": "2", "c": "false", "d": "y"})
    assert not faults
    assert values == {"a": 2, "b": 2.0, "c": False, "d": "y"}
    assert [type(value) for value in values.values()] == [int, float, bool, str]
    assert values_of(fields, {"b": "inf"})[1]
