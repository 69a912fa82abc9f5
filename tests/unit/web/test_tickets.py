"""Orders of every kind on a page: typed, foreseen, sent once; and their replacement."""

from decimal import Decimal

import pytest
from fake_services import a_market, trading
from pydantic import ValidationError

from trading_system.errors import Invalid
from trading_system.vocabulary import OrderClass, OrderType, identity
from trading_web import order_words
from trading_web.tickets import Amendment, Ticket

pytestmark = pytest.mark.unit

KINDS = {
    "limit": {"limit_price": "200"},
    "stop": {"order_type": "stop", "stop_price": "190"},
    "stop limit": {
        "order_type": "stop_limit",
        "stop_price": "190",
        "limit_price": "189.5",
    },
    "trailing": {"order_type": "trailing_stop", "trail_percent": "1.5"},
    "bracket": {"order_class": "bracket", "take_profit": "260", "stop_loss": "220"},
    "oco": {
        "order_class": "oco",
        "order_type": "limit",
        "take_profit": "260",
        "stop_loss": "220",
        "stop_loss_limit": "219",
        "time_in_force": "gtc",
    },
    "dollars": {"quantity": "", "notional": "500.50"},
    "evening": {"limit_price": "200", "extended_hours": "yes"},
}
SAID = {
    "limit": "limit 200.00 · day",
    "stop": "stop 190.00 · day",
    "stop limit": "stop 190.00, limit 189.50 · day",
    "trailing": "stop trailing by 1.5\u202f% · day",
    "bracket": "at market · day · profit taken at 260.00, loss stopped at 220.00",
    "oco": "limit 260.00 · gtc · loss stopped at 220.00, limit 219.00",
    "dollars": "at market · day",
    "evening": "limit 200.00 · day · extended hours",
}
BASE = {"symbol": "aapl", "side": "buy", "quantity": "10"}


def working():
    """A limit order that waits at the broker."""
    terms = {"order_type": "limit", "limit_price": Decimal(200)}
    waits = {"status": "ACCEPTED", "filled_quantity": Decimal(0), "closed_at": None}
    return a_market().orders[0].model_copy(update=terms | waits)


async def ready(open_browser):
    fake = trading()
    browser = open_browser(fake)
    await browser.sign_in()
    return fake, browser


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_typed_is_the_order_that_risk_is_asked_about(kind):
    ticket = Ticket(**(BASE | KINDS[kind]))
    proposal = ticket.proposal()
    assert proposal.symbol == "AAPL"
    assert order_words.terms(proposal) == SAID[kind]
    assert Ticket(**ticket.fields) == ticket


def test_a_price_alone_makes_a_limit_order():
    assert Ticket(**BASE, limit_price="1").proposal().order_type is OrderType.LIMIT
    assert Ticket(**BASE).proposal().order_type is OrderType.MARKET


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"quantity": ""}, "Say how much"),
        ({"quantity": "ten"}, "Shares: "),
        ({"quantity": "-1"}, "Shares: "),
        ({"quantity": "0"}, "Shares: "),
        ({"quantity": "NaN"}, "Shares: "),
        ({"quantity": "1e12"}, "Shares: "),
        ({"symbol": "no symbol"}, "Symbol: "),
        ({"order_type": "guess"}, "Type: "),
        ({"trail_percent": "NaN"}, "Trail percent: "),
        ({"order_class": "oto", "take_profit": "x"}, "Take profit, Limit price: "),
        ({"order_class": "oto", "stop_loss_limit": "9"}, "Stop loss, Stop price: "),
    ],
)
def test_a_field_that_cannot_be_right_is_named(fields, said):
    with pytest.raises(Invalid, match=said):
        Ticket(**(BASE | fields)).proposal()


def test_a_form_longer_than_any_order_is_refused():
    with pytest.raises(ValidationError):
        Ticket(**(BASE | {"limit_price": "1" * 41}))


async def test_the_ticket_says_what_each_exit_would_realize(open_browser):
    fake, browser = await ready(open_browser)
    asked = BASE | KINDS["bracket"] | {"order_type": "limit", "limit_price": "240"}
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    page = (await browser.get(f"/orders/new?{query}")).text
    assert "+$200.00" in page
    assert "−$200.00" in page
    sent = fake.posted[-1][2]
    assert sent["order_class"] == OrderClass.BRACKET
    assert sent["take_profit"] == {"limit_price": "260"}


async def test_every_term_of_the_ticket_reaches_the_order(open_browser):
    fake, browser = await ready(open_browser)
    fake.answers["risk", "/manual-orders"] = a_market().outcomes[0]
    asked = BASE | KINDS["stop limit"] | {"time_in_force": "gtc"}
    page = (
        await browser.get(
            "/orders/new?"
            + "&".join(f"{name}={value}" for name, value in asked.items())
        )
    ).text
    assert 'name="stop_price" value="190"' in page
    sent = await browser.send("/orders/new", **asked, reason="Why.", key="k" * 12)
    assert sent.status_code == 303
    body = fake.posted[-1][2]
    assert (body["order_type"], body["time_in_force"]) == ("stop_limit", "gtc")
    assert (body["stop_price"], body["limit_price"]) == ("190", "189.5")


async def test_an_order_whose_answer_is_lost_keeps_its_key(open_browser):
    # Risk says what it would answer, and nothing of the order itself.
    fake, browser = await ready(open_browser)
    fake.answers.pop(("risk", "/manual-orders"), None)
    asked = BASE | {"reason": "Why.", "key": "k" * 12}
    sent = await browser.send("/orders/new", **asked)
    assert sent.status_code == 404
    assert f'name="key" value="{"k" * 12}"' in sent.text


async def test_a_complaint_of_risk_is_shown_and_nothing_is_sent(open_browser):
    fake, browser = await ready(open_browser)
    del fake.answers["risk", "/what-if"]
    page = await browser.get("/orders/new?symbol=AAPL&side=buy&quantity=1")
    assert "There is no /what-if." in page.text
    assert 'method="post" action="/orders/new"' not in page.text


async def test_a_replacement_is_compared_asked_and_sent_once(open_browser):
    fake, browser = await ready(open_browser)
    order = working()
    fake.answers["execution", f"/orders/{order.order_id}"] = order
    path = f"/orders/{order.order_id}/replace"
    fake.answers["risk", f"/orders/{order.order_id}/what-if"] = fake.answers[
        "risk", "/what-if"
    ]
    fake.answers["risk", path] = a_market().outcomes[0]
    assert "What would happen" not in (await browser.get(path)).text
    same = await browser.get(f"{path}?limit_price={order.limit_price}")
    assert "Nothing would be different" in same.text
    price = order.limit_price + 1
    page = (await browser.get(f"{path}?limit_price={price}")).text
    assert "What would happen" in page
    assert fake.posted[-1][2]["limit_price"] == str(price)
    fields = {"limit_price": str(price), "key": "0123456789"}
    refused = await browser.send(path, **fields)
    assert refused.status_code == 422
    assert 'name="key" value="0123456789"' in refused.text
    sent = await browser.send(path, **fields, reason="Closer.")
    assert sent.headers["location"].startswith("/explain/")
    service, asked, body = fake.posted[-1]
    assert (service, asked, body["reason"]) == ("risk", path, "Closer.")
    assert fake.keys == ["0123456789"]


def test_only_what_differs_from_the_order_is_changed():
    order = working()
    typed = Amendment(quantity=str(order.quantity), time_in_force="gtc")
    change = typed.change(order)
    assert change.model_dump(exclude_none=True) == {"time_in_force": "gtc"}
    assert Amendment(quantity="7").change(order).quantity == Decimal(7)
    with pytest.raises(Invalid, match="Limit price: "):
        Amendment(limit_price="0").change(order)


async def test_the_list_of_working_orders_leads_to_a_replacement(open_browser):
    _, browser = await ready(open_browser)
    page = (await browser.get("/orders?tab=working")).text
    assert f"/orders/{identity('working')}/replace" in page
