"""Every type, class and time in force, and replacements, as far as the exchange."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from execution_stack import Stack, running_stack

from trading_system.contracts.risk import OrderApproved
from trading_system.contracts.terms import StopLoss, TakeProfit
from trading_system.vocabulary import Side

pytestmark = [pytest.mark.integration, pytest.mark.chaos]


@pytest.fixture(scope="module")
def stack(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack of this module's own."""
    directory = tmp_path_factory.mktemp("stack")
    with running_stack(database_url, redis_url, directory) as stack:
        yield stack


def price(stack: Stack, symbol: str, factor: str = "1") -> Decimal:
    """Return a multiple of the last price, on the cent."""
    trades = stack.read(f"/v2/stocks/trades/latest?symbols={symbol}")["trades"]
    last = Decimal(trades[symbol]["p"]) * Decimal(factor)
    return last.quantize(Decimal("0.01"))


def at_broker(stack: Stack, approved: OrderApproved) -> dict[str, Any]:
    """Return the broker's order."""
    found: dict[str, Any] = stack.read(
        f"/v2/orders/{stack.order(approved)['broker_order_id']}"
    )
    return found


def family(stack: Stack, approved: OrderApproved) -> list[dict[str, Any]]:
    """Return the exits of an order."""
    answer = stack.service.request("GET", f"/orders/by-signal/{approved.signal_id}")
    return [o for o in answer.json() if o["parent_order_id"] is not None]


@pytest.mark.parametrize(
    ("terms", "fields"),
    [
        ({"time_in_force": "gtc"}, {"limit_price": "1", "time_in_force": "gtc"}),
        ({"time_in_force": "cls"}, {"time_in_force": "cls"}),
        ({"extended_hours": True}, {"extended_hours": True}),
    ],
    ids=["gtc", "cls", "extended hours"],
)
def test_an_order_waits_at_the_broker_under_its_terms(
    stack: Stack, terms: dict[str, Any], fields: dict[str, Any]
) -> None:
    stack.rest()
    limit = {"order_type": "limit", "limit_price": Decimal(1)}
    approved = stack.approve("AAPL", Side.BUY, 3, **limit, **terms)
    stack.rest()
    assert stack.order(approved)["status"] == "ACCEPTED"
    seen = at_broker(stack, approved)
    assert {name: seen[name] for name in fields} == fields


@pytest.mark.parametrize("force", ["ioc", "fok"])
def test_an_order_for_now_or_never_ends_at_once(stack: Stack, force: str) -> None:
    stack.rest()
    terms = {"order_type": "limit", "time_in_force": force}
    never = stack.approve("AAPL", Side.BUY, 3, limit_price=Decimal(1), **terms)
    at_any_price = price(stack, "AAPL", "1.05")
    now = stack.approve("AAPL", Side.BUY, 3, limit_price=at_any_price, **terms)
    stack.rest()
    assert stack.order(never)["status"] == "CANCELED"
    # What is not there at once of an `ioc` is given up; a `fok` is filled whole.
    assert Decimal(stack.order(now)["filled_quantity"]) > 0
    assert stack.order(now)["status"] in ("FILLED", "CANCELED")
    stack.assert_books_equal_the_tape()


def test_an_order_in_dollars_is_filled_to_the_fraction(stack: Stack) -> None:
    stack.rest()
    # Of what it will buy only a guess is known before: it may be too low.
    approved = stack.approve("MSFT", Side.BUY, 1, notional=Decimal("5000.00"))
    stack.rest()
    order = stack.order(approved)
    assert order["status"] == "FILLED"
    bought = Decimal(order["filled_quantity"])
    assert bought % 1 and bought > 1
    stack.assert_books_equal_the_tape()


@pytest.mark.parametrize("trail", ["trail_price", "trail_percent"])
def test_a_trailing_stop_follows_the_price_at_the_broker(
    stack: Stack, trail: str
) -> None:
    stack.rest()
    stack.approve("NVDA", Side.BUY, 2)
    stack.rest()
    exit_ = stack.approve(
        "NVDA", Side.SELL, 2, order_type="trailing_stop", **{trail: Decimal(5)}
    )
    stack.rest()
    order, seen = stack.order(exit_), at_broker(stack, exit_)
    assert (order["status"], order[trail]) == ("ACCEPTED", "5")
    assert (seen["type"], Decimal(seen[trail])) == ("trailing_stop", 5)
    stack.service.request("POST", f"/orders/{exit_.order_id}/cancel")
    stack.rest()
    assert stack.order(exit_)["status"] == "CANCELED"


def test_the_exits_of_a_bracket_are_orders_with_their_own_books(stack: Stack) -> None:
    stack.rest()
    approved = stack.approve(
        "JPM",
        Side.BUY,
        5,
        order_class="bracket",
        take_profit=TakeProfit(limit_price=price(stack, "JPM", "1.5")),
        stop_loss=StopLoss(stop_price=price(stack, "JPM", "0.5")),
    )
    stack.rest()
    assert stack.order(approved)["status"] == "FILLED"
    profit, loss = family(stack, approved)
    assert (profit["order_type"], loss["order_type"]) == ("limit", "stop")
    assert {profit["status"], loss["status"]} == {"ACCEPTED"}
    assert {profit["side"], profit["strategy"]} == {"sell", "momentum_strategy"}
    stack.move("JPM", price(stack, "JPM", "1.6"))
    stack.rest()
    profit, loss = family(stack, approved)
    assert (profit["status"], loss["status"]) == ("FILLED", "CANCELED")
    stack.assert_books_equal_the_tape()


def test_one_exit_of_a_position_cancels_the_other(stack: Stack) -> None:
    stack.rest()
    stack.approve("XOM", Side.BUY, 4)
    stack.rest()
    approved = stack.approve(
        "XOM",
        Side.SELL,
        4,
        order_class="oco",
        order_type="limit",
        take_profit=TakeProfit(limit_price=price(stack, "XOM", "1.5")),
        stop_loss=StopLoss(stop_price=price(stack, "XOM", "0.5")),
    )
    stack.rest()
    assert stack.order(approved)["status"] == "ACCEPTED"
    [loss] = family(stack, approved)
    stack.move("XOM", price(stack, "XOM", "0.4"))
    stack.rest()
    [loss] = family(stack, approved)
    assert (loss["status"], stack.order(approved)["status"]) == ("FILLED", "CANCELED")
    stack.assert_books_equal_the_tape()


def test_the_exit_of_an_oto_is_known(stack: Stack) -> None:
    stack.rest()
    approved = stack.approve(
        "KO",
        Side.BUY,
        4,
        order_class="oto",
        stop_loss=StopLoss(stop_price=price(stack, "KO", "0.5")),
    )
    stack.rest()
    [loss] = family(stack, approved)
    assert (loss["order_type"], loss["status"]) == ("stop", "ACCEPTED")
    stack.assert_books_equal_the_tape()


POINTS = ("after_claim:1", "before_call:1", "after_call:1", "after_record:1", "")


def test_a_process_killed_while_it_replaces_loses_and_doubles_nothing(
    stack: Stack,
) -> None:
    stack.rest()
    newest = stack.approve(
        "XOM", Side.BUY, 3, order_type="limit", limit_price=Decimal(1)
    )
    stack.rest()
    stack.service.kill()
    stack.service.crashes = list(POINTS)
    stack.service.start()
    chain, passed = [newest], 0
    while stack.service.crashes:
        newest = stack.approve(
            "XOM",
            Side.BUY,
            3 + passed % 2,
            order_type="limit",
            limit_price=Decimal(2 + passed),
            replaces=newest.order_id,
        )
        chain.append(newest)
        stack.rest()
        stack.advance(stack.now + timedelta(minutes=1))
        stack.rest()
        stack.assert_books_equal_the_tape()
        passed += 1
        assert passed <= len(POINTS), f"not passed: {stack.service.crashes}"
    ends = [stack.order(each)["status"] for each in chain]
    assert ends == ["CANCELED"] * (len(chain) - 1) + ["ACCEPTED"]
    open_there = stack.read("/v2/orders?status=open&symbols=XOM")
    assert [o["client_order_id"] for o in open_there] == [
        stack.order(newest)["client_order_id"]
    ]
    answer = stack.service.request("POST", "/reconcile").json()
    assert (answer["clean"], answer["differences"]) == (True, [])


def test_what_the_broker_puts_in_its_place_is_the_same_intent(stack: Stack) -> None:
    stack.rest()
    limit = {"order_type": "limit", "limit_price": Decimal(1)}
    first = stack.approve("JNJ", Side.BUY, 3, **limit)
    stack.rest()
    name = at_broker(stack, first)["id"]
    stack.service.kill()
    # Somebody at the broker changes it twice while nobody listens; then it is filled.
    second = stack.replace(name, limit_price="2")
    third = stack.replace(second["id"], limit_price=str(price(stack, "JNJ", "1.05")))
    stack.service.crashes = ["before_followed:1", "before_followed:2", ""]
    stack.service.start()
    stack.rest()
    assert stack.service.crashes == []
    answer = stack.service.request("GET", f"/orders/by-signal/{first.signal_id}")
    chain = answer.json()
    assert [o["broker_order_id"] for o in chain[1:]] == [second["id"], third["id"]]
    assert [o["status"] for o in chain] == ["CANCELED", "CANCELED", "FILLED"]
    assert {o["strategy"] for o in chain} == {first.strategy}
    stack.assert_books_equal_the_tape()
    answer = stack.service.request("POST", "/reconcile").json()
    assert (answer["clean"], answer["differences"]) == (True, [])


def test_an_order_for_the_opening_is_taken_in_the_evening_alone(stack: Stack) -> None:
    stack.rest()
    too_late = stack.approve("AAPL", Side.BUY, 3, time_in_force="opg")
    stack.rest()
    assert stack.order(too_late)["status"] == "REJECTED"
    close = datetime.fromisoformat(stack.read("/v2/clock")["next_close"])
    stack.advance(close + timedelta(hours=4))
    in_time = stack.approve("AAPL", Side.BUY, 3, time_in_force="opg")
    stack.rest()
    assert stack.order(in_time)["status"] == "ACCEPTED"
    stack.advance(datetime.fromisoformat(stack.read("/v2/clock")["next_open"]))
    stack.rest()
    assert stack.order(in_time)["status"] == "FILLED"
    stack.assert_books_equal_the_tape()
