"""The chain behind a decision, whole and with steps missing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fake_services import FakeServices, a_market, settings, trading
from typer.testing import CliRunner

from trading_system.cli import app, installation
from trading_system.clients import Services
from trading_system.contracts.risk import RiskOutcomeView
from trading_system.contracts.strategy import DecisionView
from trading_system.errors import NotFound, Unavailable
from trading_system.explanation import Explanation, explain
from trading_system.vocabulary import new_id
from trading_web import formats

pytestmark = pytest.mark.unit

MARKET = a_market()


@pytest.fixture
def fake() -> FakeServices:
    return trading()


@pytest.fixture
def services(fake: FakeServices) -> Iterator[Services]:
    with fake.over_http(settings()) as services:
        yield services


def outcome(**wanted: str) -> RiskOutcomeView:
    return next(
        o
        for o in MARKET.outcomes
        if all(getattr(o, name) == value for name, value in wanted.items())
    )


def decided(given: RiskOutcomeView) -> DecisionView:
    return next(d for d in MARKET.decisions if d.signal_id == given.signal_id)


def states(found: Explanation) -> list[str]:
    return [step.state for step in found.steps]


def test_a_purchase_explains_itself_from_the_bar_to_the_profit(services):
    bought = outcome(outcome="approved", side="buy", symbol="MSFT")
    found = explain(services, str(decided(bought).decision_id))
    assert states(found) == [
        "Stored",
        "Computed",
        "Buy",
        "Approved",
        "Filled",
        "Complete",
        "Closed",
    ]
    said = found.sentence
    assert said.startswith("Bought ") and "MSFT at $" in said
    assert "because momentum_strategy v3 scored" in said
    assert "Closed with" in said


def test_a_refusal_says_which_check_refused(services):
    denied = outcome(outcome="denied", code="AT_TARGET")
    found = explain(services, str(decided(denied).decision_id))
    assert states(found)[3:] == ["Denied", *["Not reached"] * 3]
    assert found.sentence.startswith(f"Did not {denied.side} {denied.symbol}: ")


def test_a_bar_on_which_nothing_happened_explains_itself(services):
    quiet = next(d for d in MARKET.decisions if d.signal_id is None)
    found = explain(services, str(quiet.decision_id))
    assert states(found)[2:] == ["No signal", *["Not reached"] * 4]
    assert found.sentence.startswith(f"Did nothing in {quiet.symbol}.")


def test_a_missing_record_is_said_and_a_silent_service_is_told_apart(services, fake):
    bought = outcome(outcome="approved", side="buy")
    decision = decided(bought)
    del fake.answers["risk", f"/outcomes/{bought.signal_id}"]
    assert states(explain(services, str(decision.decision_id)))[3] == "No record"
    fake.down.add("risk")
    assert states(explain(services, str(decision.decision_id)))[3] == "Unknown"


def test_a_bar_that_was_corrected_after_the_decision_is_shown_so(services, fake):
    decision = decided(outcome(outcome="approved"))
    path = ("strategy", f"/decisions/{decision.decision_id}")
    fake.answers[path] = decision.model_copy(update={"close": 1.23})
    found = explain(services, str(decision.decision_id))
    assert found.steps[0].state == "Corrected"
    assert "the decision saw 1.23" in found.steps[0].line


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


def test_every_id_of_a_chain_leads_to_the_same_explanation(services, fake):
    bought = outcome(outcome="approved", side="buy", symbol="MSFT")
    decision = decided(bought)
    trip = services.analytics.round_trips_by_order(bought.order_id)[0]
    fake.answers["analytics", f"/round-trips/{trip.round_trip_id}"] = trip
    correlation = decision.correlation_id
    bar = ("strategy", f"/decisions/by-correlation/{correlation}")
    fake.answers[bar] = [decision]
    ids = (bought.signal_id, bought.order_id, correlation, trip.round_trip_id)
    wanted = explain(services, str(decision.decision_id))
    for known in ids:
        assert explain(services, str(known)) == wanted


def test_an_order_by_hand_needs_no_decision_and_is_no_gap(services, fake):
    bought = outcome(outcome="approved", side="buy")
    signal = bought.signal_id
    by_hand = bought.model_copy(update={"strategy": "manual"})
    fake.answers["risk", f"/outcomes/{signal}"] = by_hand
    del fake.answers["strategy", f"/signals/{signal}"]
    found = explain(services, str(bought.order_id))
    assert states(found)[:4] == [*["By hand"] * 3, "Approved"]
    assert "because a person asked for it" in found.sentence


def test_nobody_can_say_what_an_id_is_while_a_service_is_silent(services, fake):
    with pytest.raises(NotFound):
        explain(services, str(new_id()))
    fake.down.add("execution")
    with pytest.raises(Unavailable, match="execution service does not answer"):
        explain(services, str(new_id()))


class Chain(HTMLParser):
    """The steps of the page: name of the state, and the line below it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(" ".join(data.split()))


@pytest.mark.parametrize("down", [(), ("risk",), ("analytics", "ingestion")])
async def test_page_and_command_line_show_the_same_facts(
    open_browser, monkeypatch, down: tuple[str, ...]
):
    fake = trading()
    fake.down |= set(down)

    @contextmanager
    def reached(data_dir: Path | None) -> Iterator[Services]:
        with fake.over_http(settings()) as services:
            yield services

    monkeypatch.setattr(installation, "services", reached)
    bought = outcome(outcome="approved", side="buy", symbol="MSFT")
    decision = decided(bought).decision_id
    said = CliRunner().invoke(app, ["explain", str(decision), "--json"])
    told = json.loads(said.stdout)
    browser = open_browser(fake)
    await browser.sign_in()
    page = Chain((await browser.get(f"/explain/{decision}")).text)
    assert formats.minus_signs(told["sentence"]) in page.words
    for number, step in enumerate(told["steps"], start=1):
        at = page.words.index(f"{number}. {step['title']}")
        after = page.words[at + 1 : at + 4]
        assert after[0] == step["state"]
        assert formats.minus_signs(" ".join(step["line"].split())) in after
    unknown = [step["name"] for step in told["steps"] if step["state"] == "Unknown"]
    silent = {"risk": "risk", "analytics": "result", "ingestion": "bar"}
    assert sorted(unknown) == sorted(silent[name] for name in down)
