"""What the broker's documents state of single answers, asked for with raw requests."""

from decimal import Decimal
from typing import Any

import pytest
from websockets.sync.client import connect

pytestmark = pytest.mark.integration

TEN = "2026-09-14T14:00:00Z"


def placed(exchange: Any, **changes: Any) -> Any:
    body = {"symbol": "KO", "side": "buy", "type": "market", "time_in_force": "day"}
    return exchange.raw("POST", "/v2/orders", json={**body, "qty": "10", **changes})


def last(exchange: Any, symbol: str = "KO") -> Decimal:
    answer = exchange.raw("GET", f"/v2/stocks/{symbol}/trades/latest").json()
    return Decimal(str(answer["trade"]["p"]))


def cents(price: Decimal) -> str:
    return str(price.quantize(Decimal("0.01")))


def test_settings_of_pattern_day_trading_are_gone(lasting_exchange: Any) -> None:
    path = "/v2/account/configurations"
    settings = lasting_exchange.raw("GET", path).json()
    assert not {"dtbp_check", "pdt_check"} & set(settings)
    sent = {**settings, "dtbp_check": None, "pdt_check": None}
    assert lasting_exchange.raw("PATCH", path, json=sent).json() == settings


def test_assets_are_filtered_by_their_attributes(lasting_exchange: Any) -> None:
    params = {"attributes": "ptp_no_exception,has_options"}
    answer = lasting_exchange.raw("GET", "/v2/assets", params=params)
    assert answer.json() == []


def test_auctions_of_one_symbol_are_those_of_many(lasting_exchange: Any) -> None:
    params = {"start": "2026-09-10", "end": "2026-09-11"}
    one = lasting_exchange.raw("GET", "/v2/stocks/KO/auctions", params=params).json()
    many = lasting_exchange.raw(
        "GET", "/v2/stocks/auctions", params={**params, "symbols": "KO"}
    ).json()
    assert set(one) == {"symbol", "auctions", "next_page_token"}
    assert one["auctions"] == many["auctions"]["KO"] and len(one["auctions"]) == 2


def test_the_whole_history_can_be_asked_for(exchange: Any) -> None:
    exchange.control(advance_to="2026-09-16T20:30:00Z")
    params = {"period": "all", "timeframe": "1D"}
    answer = exchange.raw("GET", "/v2/account/portfolio/history", params=params)
    assert answer.json()["equity"] == [100_000, 100_000, 100_000]


@pytest.mark.parametrize("kind", ["stop", "stop_limit"])
def test_a_stop_behind_the_price_is_refused(exchange: Any, kind: str) -> None:
    exchange.control(advance_to=TEN)
    price = last(exchange)
    for side, factor in (("sell", "1.05"), ("buy", "0.95")):
        stop = cents(price * Decimal(factor))
        more = {"limit_price": stop} if kind == "stop_limit" else {}
        answer = placed(exchange, side=side, type=kind, stop_price=stop, **more)
        assert (answer.status_code, answer.json()["code"]) == (422, 42210000)
        assert Decimal(answer.json()["market_price"]) == price
        assert answer.json()["stop_price"] == stop.rstrip("0").rstrip(".")


def test_parts_of_an_oto_cannot_be_replaced(exchange: Any) -> None:
    exchange.control(advance_to=TEN)
    price = last(exchange)
    made = placed(
        exchange,
        type="limit",
        limit_price=cents(price * Decimal("0.9")),
        order_class="oto",
        stop_loss={"stop_price": cents(price * Decimal("0.8"))},
    ).json()
    for part in (made, *made["legs"]):
        answer = exchange.raw(
            "PATCH", f"/v2/orders/{part['id']}", json={"limit_price": "1"}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, 42210000)


def test_the_margin_of_the_last_close_is_kept(exchange: Any) -> None:
    exchange.control(advance_to=TEN)
    assert placed(exchange, qty="100").status_code == 200
    exchange.control(advance_to="2026-09-14T20:30:00Z")
    account = exchange.raw("GET", "/v2/account").json()
    close = exchange.raw("GET", "/v2/positions/KO").json()["market_value"]
    needed = (Decimal(close) * Decimal("0.3")).quantize(Decimal("0.01"))
    assert Decimal(account["last_maintenance_margin"]) == pytest.approx(needed, abs=2)


@pytest.mark.parametrize("model", ["alpaca-paper", "realistic"])
def test_every_answer_names_the_fill_model(start: Any, model: str) -> None:
    exchange = start("--fill-model", model)
    for method, path, status in (
        ("GET", "/v2/account", 200),
        ("GET", "/v2/stocks/KO/trades/latest", 200),
        ("GET", "/v2/positions/KO", 404),
        ("POST", "/v2/orders", 422),
        ("GET", "/v2/nowhere", 404),
    ):
        answer = exchange.raw(method, path, json={} if method == "POST" else None)
        assert (answer.status_code, answer.headers["x-fill-model"]) == (status, model)
    for path in ("/health", "/openapi.json", "/control/clock"):
        answer = exchange.raw("GET", path)
        assert answer.headers["x-fill-model"] == model, path
    for path in ("/stream", "/v2/iex"):
        with connect(f"{exchange.stream_url}{path}", proxy=None) as stream:
            assert stream.response is not None
            assert stream.response.headers["x-fill-model"] == model
    refused = exchange.raw("GET", "/v2/account", headers={})
    assert (refused.status_code, refused.headers["x-fill-model"]) == (401, model)


def test_health_says_whose_exchange_it_is(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACK_RUN_ID", "run-7")
    exchange = start("--seed", "11")
    answer = exchange.raw("GET", "/health", headers={})
    assert answer.status_code == 200
    assert answer.headers["x-stack-run"] == "run-7"
    body = answer.json()
    assert (body["status"], body["program"]) == ("ok", "paper_exchange")
    assert (body["run"], body["seed"]) == ("run-7", 11)
    assert body["directory"] == str(exchange.directory.resolve())


def test_parts_are_left_out_when_they_are_not_wanted(exchange: Any) -> None:
    exchange.control(advance_to=TEN)
    price = last(exchange)
    made = placed(
        exchange,
        order_class="bracket",
        take_profit={"limit_price": cents(price * 2)},
        stop_loss={"stop_price": cents(price / 2)},
    ).json()
    path = f"/v2/orders/{made['id']}"
    for nested, count in (("", 2), ("?nested=True", 2), ("?nested=false", 0)):
        legs = exchange.raw("GET", path + nested).json()["legs"]
        assert len(legs or []) == count, nested
    answer = exchange.raw("GET", f"{path}?nested=some")
    assert (answer.status_code, answer.json()["code"]) == (422, 40010001)
