"""Accounts and prices in the hands of whoever holds the control token."""

from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.requests import CreateWatchlistRequest, UpdateWatchlistRequest

pytestmark = pytest.mark.integration

TEN = "2026-09-14T14:00:00Z"


def order(symbol: str = "KO", side: str = "buy", **more: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "qty": "1",
        "side": side,
        "type": "market",
        "time_in_force": "day",
        **more,
    }


def price(exchange: Any, symbol: str = "KO") -> float:
    answer = exchange.raw(
        "GET", "/v2/stocks/trades/latest", params={"symbols": symbol}
    ).json()
    return float(answer["trades"][symbol]["p"])


def test_accounts_are_apart_and_can_start_afresh(exchange: Any) -> None:
    exchange.control(advance_to=TEN)
    made = exchange.control("/control/accounts", key="two", secret="zwei", cash=5000)
    second = exchange.trading("two", "zwei")
    assert str(second.get_account().id) == made["id"]
    keys = {"APCA-API-KEY-ID": "two", "APCA-API-SECRET-KEY": "zwei"}
    exchange.raw("POST", "/v2/orders", json=order(client_order_id="x"), headers=keys)
    exchange.raw("POST", "/v2/orders", json=order(client_order_id="x"))
    assert len(second.get_all_positions()) == 1
    fresh = exchange.control(
        "/control/accounts", key="two", secret="zwei", cash=7000, reset=True
    )
    assert fresh["id"] != made["id"]
    assert second.get_all_positions() == []
    assert second.get_account().cash == "7000"
    assert len(exchange.trading().get_all_positions()) == 1


def test_a_gap_moves_every_later_price(exchange: Any) -> None:
    exchange.control(advance_to=TEN)
    before = price(exchange)
    exchange.control("/control/prices", symbol="KO", gap=0.5)
    exchange.control(advance_to="2026-09-14T14:01:00Z")
    assert 0.45 * before < price(exchange) < 0.55 * before
    assert price(exchange, "PEP") > 100


def test_a_printed_trade_is_the_price_and_fills_who_waits_for_it(
    exchange: Any,
) -> None:
    exchange.control(advance_to=TEN)
    resting = exchange.raw(
        "POST", "/v2/orders", json=order(type="limit", limit_price="1.00")
    ).json()
    exchange.control(advance_to="2026-09-14T14:00:10Z")
    exchange.control("/control/prices", symbol="KO", print=0.99)
    assert price(exchange) == 0.99
    found = exchange.raw("GET", f"/v2/orders/{resting['id']}").json()
    assert (found["status"], found["filled_avg_price"]) == ("filled", "0.99")


def test_a_halted_symbol_trades_again_when_it_resumes(exchange: Any) -> None:
    exchange.control(advance_to=TEN)
    exchange.control("/control/prices", symbol="KO", halt=True)
    waiting = exchange.raw("POST", "/v2/orders", json=order()).json()
    exchange.control(advance_to="2026-09-14T15:00:00Z")
    path = f"/v2/orders/{waiting['id']}"
    assert exchange.raw("GET", path).json()["status"] == "new"
    exchange.control("/control/prices", symbol="KO", resume=True)
    exchange.control(advance_to="2026-09-14T15:01:00Z")
    assert exchange.raw("GET", path).json()["status"] == "filled"


def test_what_was_done_to_prices_survives_a_restart(start: Any) -> None:
    first = start()
    first.control(advance_to=TEN)
    first.control("/control/prices", symbol="KO", gap=2)
    first.control(advance_to="2026-09-14T14:05:00Z")
    before = price(first)
    first.kill()
    assert price(start()) == before


def test_watchlists_are_kept_by_the_client(exchange: Any) -> None:
    client = exchange.trading()
    made = client.create_watchlist(CreateWatchlistRequest(name="a", symbols=["KO"]))
    with pytest.raises(APIError):
        client.create_watchlist(CreateWatchlistRequest(name="a", symbols=[]))
    client.add_asset_to_watchlist_by_id(made.id, "PEP")
    changed = client.update_watchlist_by_id(made.id, UpdateWatchlistRequest(name="b"))
    assert changed.name == "b"
    assert [asset.symbol for asset in changed.assets] == ["KO", "PEP"]
    client.remove_asset_from_watchlist_by_id(made.id, "KO")
    found = client.get_watchlist_by_id(made.id)
    assert [asset.symbol for asset in found.assets] == ["PEP"]
    assert len(client.get_watchlists()) == 1
    client.delete_watchlist_by_id(made.id)
    with pytest.raises(APIError) as refused:
        client.get_watchlist_by_id(made.id)
    assert refused.value.status_code == 404


def test_a_symbol_that_is_no_text_is_refused(lasting_exchange: Any) -> None:
    symbols: list[Any] = [["KO"], {}, 5, None]
    for symbol in symbols:
        for act in ({"print": 5}, {"split": 2}):
            answer = lasting_exchange.raw(
                "POST",
                "/control/prices",
                headers={"Authorization": "Bearer control-token"},
                json={"symbol": symbol, **act},
            )
            assert answer.status_code == 422, (symbol, act)
            assert set(answer.json()) == {"code", "message"}
