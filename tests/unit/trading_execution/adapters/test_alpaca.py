"""What Alpaca's answers mean, and that an order is posted once."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
from alpaca.trading.enums import OrderStatus as Word
from hypothesis import given
from hypothesis import strategies as st

from trading_execution.adapters import alpaca_forms as forms
from trading_execution.adapters.alpaca import AlpacaBroker, pace
from trading_execution.adapters.rate import TokenBucket
from trading_execution.domain.order_status import OrderStatus
from trading_execution.ports import Acknowledged, OrderTicket, Refused, Unclear
from trading_system.config.settings import Settings
from trading_system.errors import Unavailable

pytestmark = pytest.mark.unit

ORDER: dict[str, Any] = {
    "id": "b1",
    "client_order_id": "ts1s-x",
    "symbol": "AAPL",
    "side": "buy",
    "status": "new",
    "qty": "10",
    "filled_qty": "0",
    "filled_avg_price": None,
    "field_of_next_year": {"a": 1},
}
TICKET = OrderTicket(
    uuid4(), "ts1s-x", "AAPL", "buy", Decimal("10.50"), "limit", "day", Decimal(9), None
)
DUPLICATE = {"code": 40010001, "message": "client_order_id must be unique"}


def broker(
    answer: Callable[[httpx.Request], httpx.Response],
) -> tuple[AlpacaBroker, list[httpx.Request]]:
    calls: list[httpx.Request] = []

    def transport(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return answer(request)

    settings = Settings(
        trading_mode="simulated",
        simulation_speed="max",
        alpaca_base_url="http://127.0.0.1:8100",
    )
    return AlpacaBroker(settings, httpx.MockTransport(transport)), calls


def said(status: int, body: Any) -> Callable[[httpx.Request], httpx.Response]:
    content = body if isinstance(body, str) else json.dumps(body)
    return lambda request: httpx.Response(status, text=content)


def failing(error: type[httpx.HTTPError]) -> Callable[..., httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("scripted")

    return answer


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (said(200, ORDER), Acknowledged),
        (said(201, ORDER), Acknowledged),
        (said(400, {"code": 40010000, "message": "bad"}), Refused),
        (said(403, {"code": 40310000, "message": "buying power"}), Refused),
        (said(422, {"code": 42210000, "message": "sub-penny"}), Refused),
        (said(422, {"code": 40010001, "message": "qty must be > 0"}), Refused),
        (said(422, DUPLICATE), Unclear),
        (said(403, {"message": "forbidden."}), Unclear),
        (said(401, {"message": "unauthorized."}), Unclear),
        (said(401, "<html>401</html>"), Unclear),
        (said(404, {"code": 40410000, "message": "not found"}), Unclear),
        (said(408, {"code": 1, "message": "timeout"}), Unclear),
        (said(429, {"code": 42910000, "message": "rate limit exceeded"}), Unclear),
        (said(500, {"code": 50010000, "message": "internal"}), Unclear),
        (said(502, "<html>Bad gateway</html>"), Unclear),
        (said(504, ""), Unclear),
        (said(302, ""), Unclear),
        (said(200, '{"id": "b1", "client_or'), Unclear),
        (said(200, {"id": "b1"}), Unclear),
        (said(200, json.dumps(ORDER).replace('"0"', "NaN")), Unclear),
        (said(200, {**ORDER, "filled_qty": "<b>7</b>"}), Unclear),
        (said(200, '{"id": "1", "id": "2"}'), Unclear),
        (failing(httpx.ReadTimeout), Unclear),
        (failing(httpx.ConnectTimeout), Unclear),
        (failing(httpx.ReadError), Unclear),
        (failing(httpx.RemoteProtocolError), Unclear),
    ],
)
def test_an_answer_to_an_order_is_accepted_refused_or_unclear(
    answer: Callable[..., httpx.Response], meaning: type
) -> None:
    client, calls = broker(answer)
    assert isinstance(client.submit(TICKET), meaning)
    assert [call.method for call in calls] == ["POST"]


def test_an_order_goes_out_in_exact_decimals() -> None:
    client, calls = broker(said(200, ORDER))
    client.submit(TICKET)
    assert json.loads(calls[0].content) == {
        "symbol": "AAPL",
        "qty": "10.5",
        "side": "buy",
        "type": "limit",
        "time_in_force": "day",
        "client_order_id": "ts1s-x",
        "limit_price": "9",
    }
    timeouts = calls[0].extensions["timeout"]
    assert (timeouts["connect"], timeouts["read"]) == (3.0, 10.0)


def test_every_word_that_the_broker_has_for_an_order_has_a_meaning() -> None:
    assert set(forms.MEANING) == set(Word)


def test_a_word_nobody_knows_is_kept_and_means_nothing() -> None:
    seen = forms.order({**ORDER, "status": "quantum"})
    assert (seen.status, seen.said) == (None, "quantum")


def test_an_order_that_the_broker_does_not_know_is_none() -> None:
    client, _ = broker(said(404, {"code": 40410000, "message": "order not found"}))
    assert client.by_client_order_id("ts1s-x") is None


@pytest.mark.parametrize(
    "answer",
    [
        said(404, "<html>no such page</html>"),
        said(404, {}),
        said(500, {"code": 1, "message": "x"}),
        said(401, {"message": "unauthorized."}),
        said(200, {"id": 1}),
        failing(httpx.ReadTimeout),
    ],
)
def test_a_lookup_without_a_clear_answer_is_no_answer(
    answer: Callable[..., httpx.Response],
) -> None:
    client, _ = broker(answer)
    with pytest.raises(Unavailable):
        client.by_client_order_id("ts1s-x")


def test_a_read_on_a_connection_that_was_closed_is_tried_once_more() -> None:
    answers = [failing(httpx.RemoteProtocolError), said(200, ORDER)]
    client, calls = broker(lambda request: answers.pop(0)(request))
    assert client.by_client_order_id("ts1s-x") is not None
    assert len(calls) == 2


def test_pages_are_followed_to_the_end_and_executions_left_out_of_activities() -> None:
    def rows(request: httpx.Request) -> httpx.Response:
        first = "page_token" not in request.url.params
        count = 100 if first else 1
        page = [
            {
                "id": f"{n}-{first}",
                "activity_type": "FEE" if n else "FILL",
                "date": "2026-09-14",
                "net_amount": "-0.01",
            }
            for n in range(count)
        ]
        return httpx.Response(200, json=page)

    client, calls = broker(rows)
    found = client.activities_after(datetime(2026, 9, 14, tzinfo=UTC))
    assert len(found) == 99
    assert calls[1].url.params["page_token"] == "99-True"
    assert {activity.kind for activity in found} == {"fee"}


def test_a_short_position_is_negative_however_it_is_written() -> None:
    row = {"symbol": "AAPL", "side": "short", "avg_entry_price": "9"}
    for quantity in ("5", "-5"):
        assert forms.position({**row, "qty": quantity}).quantity == -5


def test_the_stream_tells_this_execution_and_the_sum() -> None:
    update = forms.update(
        {
            "event": "partial_fill",
            "execution_id": "e1",
            "timestamp": "2026-09-21T14:30:05.123456789Z",
            "price": "9.5",
            "qty": "3",
            "order": {**ORDER, "status": "partially_filled", "filled_qty": "7"},
        }
    )
    assert update.fill is not None
    assert (update.fill.quantity, update.fill.cumulative_quantity) == (3, 7)
    assert update.order.status is OrderStatus.PARTIALLY_FILLED
    assert update.fill.time == datetime(2026, 9, 21, 14, 30, 5, 123456, UTC)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_whatever_comes_is_understood_or_refused(body: Any) -> None:
    for form in (forms.order, forms.account, forms.fill, forms.update, forms.position):
        with pytest.raises(forms.NotUnderstood):
            form(body)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_numbers_stay_exact(number: Decimal) -> None:
    text = format(number, "f")
    read = forms.read(json.dumps({"n": text}).replace(f'"{text}"', text))["n"]
    assert Decimal(read) == number
    assert not isinstance(read, float)


@pytest.mark.parametrize(
    ("speed", "expected"), [("60", 60.0), ("120", 120.0), ("121", 0.0), ("max", 0.0)]
)
def test_above_a_speed_market_time_moves_in_steps(speed: str, expected: float) -> None:
    settings = Settings(trading_mode="simulated", simulation_speed=speed)
    assert pace(settings) == expected


def test_orders_leave_a_reserve_for_cancellations() -> None:
    bucket = TokenBucket(180)
    assert bucket.left_for_orders() == 140
    for _ in range(150):
        bucket.take()
    assert bucket.left_for_orders() == 0
    bucket.take()


def test_after_a_429_no_call_is_made_for_a_while() -> None:
    bucket = TokenBucket(180)
    bucket.refused(30)
    assert bucket.left_for_orders() == 0


def test_without_a_rate_there_is_no_limit() -> None:
    assert TokenBucket(None).left_for_orders() > 100


def test_every_term_of_an_order_reaches_the_broker() -> None:
    alpaca, calls = broker(lambda _: httpx.Response(200, json=ORDER))
    alpaca.submit(
        replace(
            TICKET,
            order_class="bracket",
            take_profit_price=Decimal(12),
            stop_loss_price=Decimal(8),
            stop_loss_limit_price=Decimal("7.5"),
        )
    )
    alpaca.submit(replace(TICKET, extended_hours=True, time_in_force="gtc"))
    market = replace(TICKET, order_type="market", limit_price=None)
    alpaca.submit(replace(market, notional=Decimal("100.50")))
    alpaca.submit(
        replace(market, order_type="trailing_stop", trail_percent=Decimal("1.5"))
    )
    bracket, extended, dollars, trailing = (json.loads(c.content) for c in calls)
    assert bracket["order_class"] == "bracket"
    assert bracket["take_profit"] == {"limit_price": "12"}
    assert bracket["stop_loss"] == {"stop_price": "8", "limit_price": "7.5"}
    assert (extended["extended_hours"], extended["time_in_force"]) == (True, "gtc")
    assert dollars["notional"] == "100.5" and "qty" not in dollars
    assert (trailing["type"], trailing["trail_percent"]) == ("trailing_stop", "1.5")


def test_a_replacement_is_one_patch_of_the_old_order() -> None:
    alpaca, calls = broker(lambda _: httpx.Response(200, json=ORDER))
    changed = replace(TICKET, replaces="b0", keeps_quantity=True)
    answer = alpaca.submit(changed)
    assert isinstance(answer, Acknowledged) and answer.order.broker_order_id == "b1"
    alpaca.submit(replace(changed, keeps_quantity=False))
    assert {(c.method, c.url.path) for c in calls} == {("PATCH", "/v2/orders/b0")}
    kept, resized = (json.loads(c.content) for c in calls)
    assert kept == {
        "time_in_force": "day",
        "client_order_id": "ts1s-x",
        "limit_price": "9",
    }
    assert resized["qty"] == "10.5"


def test_the_exits_of_an_order_are_read_with_it() -> None:
    leg = {**ORDER, "id": "b2", "type": "stop", "stop_price": "8"}
    seen = forms.order({**ORDER, "order_class": "bracket", "legs": [leg]})
    assert [(each.broker_order_id, each.stop_price) for each in seen.legs] == [
        ("b2", Decimal(8))
    ]
    assert not seen.is_simple and forms.order(ORDER).is_simple
