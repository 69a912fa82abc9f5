"""The chain behind a decision, whole and with steps missing."""

from collections.abc import Iterator

import pytest
from fake_services import FakeServices, a_market, settings, trading

from trading_system.contracts.risk import RiskOutcomeView
from trading_system.contracts.strategy import DecisionView
from trading_system.vocabulary import TradingMode
from trading_web.desk import Desk
from trading_web.explanation import Explanation, sentence, steps

pytestmark = pytest.mark.unit

MARKET = a_market()


@pytest.fixture
def fake() -> FakeServices:
    return trading()


@pytest.fixture
def desk(fake: FakeServices) -> Iterator[Desk]:
    given = Desk(fake.over_http(settings()), TradingMode.SIMULATED)
    yield given
    given.close()


def outcome(**wanted: str) -> RiskOutcomeView:
    return next(
        o
        for o in MARKET.outcomes
        if all(getattr(o, name) == value for name, value in wanted.items())
    )


def decided(given: RiskOutcomeView) -> DecisionView:
    return next(d for d in MARKET.decisions if d.signal_id == given.signal_id)


def states(found: Explanation) -> list[str]:
    return [step.state for step in steps(found)]


def test_a_purchase_explains_itself_from_the_bar_to_the_profit(desk):
    bought = outcome(outcome="approved", side="buy", symbol="MSFT")
    found = Explanation.read(desk, decided(bought).decision_id)
    assert states(found) == [
        "Stored",
        "Computed",
        "Buy",
        "Approved",
        "Filled",
        "Complete",
        "Closed",
    ]
    said = sentence(found)
    assert said.startswith("Bought ") and "MSFT at $" in said
    assert "because momentum_strategy v3 scored" in said
    assert "Closed with" in said


def test_a_refusal_says_which_check_refused(desk):
    denied = outcome(outcome="denied", code="AT_TARGET")
    found = Explanation.read(desk, decided(denied).decision_id)
    assert states(found)[3:] == ["Denied", *["Not reached"] * 3]
    assert sentence(found).startswith(f"Did not {denied.side} {denied.symbol}: ")


def test_a_bar_on_which_nothing_happened_explains_itself(desk):
    quiet = next(d for d in MARKET.decisions if d.signal_id is None)
    found = Explanation.read(desk, quiet.decision_id)
    assert states(found)[2:] == ["No signal", *["Not reached"] * 4]
    assert sentence(found).startswith(f"Did nothing in {quiet.symbol}.")


def test_a_missing_record_is_said_and_a_silent_service_is_told_apart(desk, fake):
    bought = outcome(outcome="approved", side="buy")
    decision = decided(bought)
    del fake.answers["risk", f"/outcomes/{bought.signal_id}"]
    assert states(Explanation.read(desk, decision.decision_id))[3] == "No record"
    fake.down.add("risk")
    other = Desk(desk.services, TradingMode.SIMULATED)
    assert states(Explanation.read(other, decision.decision_id))[3] == "Unknown"
    other.close()


def test_a_bar_that_was_corrected_after_the_decision_is_shown_so(desk, fake):
    decision = decided(outcome(outcome="approved"))
    path = ("strategy", f"/decisions/{decision.decision_id}")
    fake.answers[path] = decision.model_copy(update={"close": 1.23})
    found = Explanation.read(desk, decision.decision_id)
    assert steps(found)[0].state == "Corrected"
    assert "the decision saw 1.23" in steps(found)[0].line


async def test_every_way_to_a_decision_leads_to_its_page(open_browser):
    browser = open_browser(trading())
    await browser.sign_in()
    bought = outcome(outcome="approved", side="buy")
    target = f"/explain/{decided(bought).decision_id}"
    by_order = await browser.get(f"/explain/order/{bought.order_id}")
    by_signal = await browser.get(f"/explain/signal/{bought.signal_id}")
    assert by_order.headers["location"] == by_signal.headers["location"] == target
    page = await browser.get(target)
    assert page.status_code == 200
    assert page.text.count('<h3 class="font-semibold">') == 7
