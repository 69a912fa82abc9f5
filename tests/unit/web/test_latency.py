"""Latency: stages between stamps, percentiles by nearest rank, the slowest first."""

from datetime import timedelta

import pytest
from fake_services import a_market, trading

from trading_web.figures import latency_figure
from trading_web.latency import slowest, spreads, timings

pytestmark = pytest.mark.unit

MARKET = a_market()


def stamped(order, *, sent, answered=0.2, filled=1.0):
    """Return an order whose stages took so many seconds."""
    at = order.created_at + timedelta(seconds=sent)
    accepted = at + timedelta(seconds=answered)
    return order.model_copy(
        update={
            "submitted_at": at,
            "accepted_at": accepted,
            "first_fill_at": accepted + timedelta(seconds=filled),
        }
    )


def hundred():
    one = MARKET.orders[0].model_copy(update={"signal_id": None})
    return [
        stamped(
            one.model_copy(
                update={"market_time": one.market_time + timedelta(hours=i)}
            ),
            sent=i / 100,
        )
        for i in range(1, 101)
    ]


def test_stages_and_their_percentiles_are_those_of_the_stamps():
    found = timings(hundred(), [], [])
    by_stage = {spread.label: spread for spread in spreads(found)}
    sending = by_stage["Answer to sending"]
    assert (sending.n, sending.p50, sending.p95, sending.p99) == (100, 0.5, 0.95, 0.99)
    assert by_stage["Sending to the broker's answer"].p99 == pytest.approx(0.2)
    assert by_stage["Signal to risk's answer"] == (
        "Signal to risk's answer",
        0,
        None,
        None,
        None,
    )
    assert slowest(found, 1)[0].to_sending == 1.0


def test_an_order_that_was_not_sent_has_no_stages_and_a_fill_may_come_first():
    order = hundred()[0]
    early = order.model_copy(update={"first_fill_at": order.submitted_at})
    unsent = order.model_copy(update={"submitted_at": None})
    [timing] = timings([early, unsent], [], [])
    assert timing.to_fill == 0


def test_a_signal_counts_from_its_decision_to_the_answer_of_risk():
    outcome = next(o for o in MARKET.outcomes if o.outcome == "approved")
    decision = next(d for d in MARKET.decisions if d.signal_id == outcome.signal_id)
    order = next(o for o in MARKET.orders if o.signal_id == outcome.signal_id)
    answered = decision.created_at + timedelta(seconds=0.25)
    outcome = outcome.model_copy(update={"created_at": answered})
    order = order.model_copy(update={"submitted_at": answered + timedelta(seconds=1)})
    [timing] = timings([order], [outcome], [decision])
    assert (timing.to_approval, timing.to_sending) == (0.25, 1.0)


def test_the_figure_has_a_mark_an_order_and_its_table_the_same_values():
    figure = latency_figure(timings(hundred(), [], []), revision="x")
    assert {len(trace["y"]) for trace in figure["data"]} == {100}
    assert len(figure["table"]["rows"]) == 50
    assert figure["table"]["caption"].endswith("the last 50 of 100")
    assert latency_figure([], revision="x")["data"] == []


async def test_the_page_and_its_file_show_the_orders(open_browser):
    fake = trading()
    orders = hundred()[:3]
    fake.answers["execution", "/orders"] = orders
    browser = open_browser(fake)
    await browser.sign_in()
    page = await browser.get("/system/latency")
    assert "Stages of the last 3 orders" in page.text
    csv = (await browser.get("/files/latency.csv")).text
    assert len(csv.splitlines()) == 4
    fake.down.add("execution")
    fresh = open_browser(fake)
    await fresh.sign_in()
    assert "Orders are not known." in (await fresh.get("/system/latency")).text
