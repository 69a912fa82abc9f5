"""Every method of the broker's own trading client, unchanged, against the exchange."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from alpaca.common.enums import Sort
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    AssetExchange,
    AssetStatus,
    CorporateActionType,
    OrderClass,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionSide,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.requests import (
    ClosePositionRequest,
    CreateWatchlistRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetCorporateAnnouncementsRequest,
    GetOptionContractsRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    GetPortfolioHistoryRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
    UpdateWatchlistRequest,
)
from broker_clients import public

pytestmark = pytest.mark.integration

BUY, SELL = OrderSide.BUY, OrderSide.SELL
DAY, GTC = TimeInForce.DAY, TimeInForce.GTC


def refusal(call: Callable[[], Any]) -> tuple[int, int]:
    with pytest.raises(APIError) as refused:
        call()
    return refused.value.status_code, refused.value.code


def get_account(desk: Any) -> None:
    account = desk.trading.get_account()
    assert (account.status, account.currency, account.multiplier) == (
        "ACTIVE",
        "USD",
        "4",
    )
    assert account.regt_buying_power == "200000"
    assert account.shorting_enabled and not account.trading_blocked


def get_account_configurations(desk: Any) -> None:
    settings = desk.trading.get_account_configurations()
    assert (settings.max_margin_multiplier, settings.no_shorting) == ("4", False)


def set_account_configurations(desk: Any) -> None:
    settings = desk.trading.get_account_configurations()
    settings.no_shorting, settings.max_margin_multiplier = True, "2"
    changed = desk.trading.set_account_configurations(settings)
    assert changed.no_shorting and changed.max_margin_multiplier == "2"
    account = desk.trading.get_account()
    assert (account.multiplier, account.buying_power) == ("2", "200000")
    settings.suspend_trade = True
    desk.trading.set_account_configurations(settings)
    assert refusal(desk.buy) == (403, 40310000)


def get_portfolio_history(desk: Any) -> None:
    desk.hold(100)
    for period, timeframe in (("1D", "1Min"), ("1D", "5Min"), ("1W", "15Min")):
        found = desk.trading.get_portfolio_history(
            GetPortfolioHistoryRequest(period=period, timeframe=timeframe)
        )
        assert found.timeframe == timeframe
        assert len(found.timestamp) == len(found.equity) == len(found.profit_loss)
        assert found.timestamp == sorted(set(found.timestamp))
    whole = desk.trading.get_portfolio_history()
    assert whole.timeframe == "1D" and whole.base_value == 100_000


def get_all_assets(desk: Any) -> None:
    assert len(desk.trading.get_all_assets()) == 25
    arca = desk.trading.get_all_assets(
        GetAssetsRequest(status=AssetStatus.ACTIVE, exchange=AssetExchange.ARCA)
    )
    assert [asset.symbol for asset in arca] == ["SPY"]
    gone = GetAssetsRequest(status=AssetStatus.INACTIVE)
    assert desk.trading.get_all_assets(gone) == []
    assert "CHIP" in {asset.symbol for asset in desk.trading.get_all_assets()}


def get_asset(desk: Any) -> None:
    asset = desk.trading.get_asset("KO")
    assert asset.tradable and asset.marginable and asset.shortable
    assert desk.trading.get_asset(asset.id).symbol == "KO"
    assert refusal(lambda: desk.trading.get_asset("NOPE")) == (404, 40410000)


def get_clock(desk: Any) -> None:
    clock = desk.trading.get_clock()
    assert clock.is_open and clock.timestamp.isoformat() == "2026-09-15T10:00:00-04:00"
    assert clock.next_close.isoformat() == "2026-09-15T16:00:00-04:00"


def get_calendar(desk: Any) -> None:
    request = GetCalendarRequest(start=date(2026, 11, 26), end=date(2026, 11, 27))
    (half,) = desk.trading.get_calendar(request)
    assert (half.date, half.close.hour) == (date(2026, 11, 27), 13)


def submit_order(desk: Any) -> None:
    desk.hold(40)
    near = desk.near
    common = {"symbol": "KO", "time_in_force": GTC}
    exits: dict[str, Any] = {
        "take_profit": TakeProfitRequest(limit_price=near(5)),
        "stop_loss": StopLossRequest(stop_price=near(-5), limit_price=near(-6)),
    }
    requests: list[tuple[Any, OrderType, OrderClass, int]] = [
        (
            LimitOrderRequest(side=SELL, qty=1, limit_price=near(5), **common),
            OrderType.LIMIT,
            OrderClass.SIMPLE,
            0,
        ),
        (
            StopOrderRequest(side=SELL, qty=1, stop_price=near(-5), **common),
            OrderType.STOP,
            OrderClass.SIMPLE,
            0,
        ),
        (
            StopLimitOrderRequest(
                side=SELL, qty=1, stop_price=near(-5), limit_price=near(-6), **common
            ),
            OrderType.STOP_LIMIT,
            OrderClass.SIMPLE,
            0,
        ),
        (
            TrailingStopOrderRequest(side=SELL, qty=1, trail_percent=4.0, **common),
            OrderType.TRAILING_STOP,
            OrderClass.SIMPLE,
            0,
        ),
        (
            TrailingStopOrderRequest(side=SELL, qty=1, trail_price=3.0, **common),
            OrderType.TRAILING_STOP,
            OrderClass.SIMPLE,
            0,
        ),
        (
            LimitOrderRequest(
                side=SELL,
                qty=5,
                limit_price=near(5),
                order_class=OrderClass.OCO,
                **exits,
                **common,
            ),
            OrderType.LIMIT,
            OrderClass.OCO,
            1,
        ),
        (
            LimitOrderRequest(
                side=BUY,
                qty=1,
                limit_price=near(-3),
                order_class=OrderClass.BRACKET,
                **exits,
                **common,
            ),
            OrderType.LIMIT,
            OrderClass.BRACKET,
            2,
        ),
        (
            LimitOrderRequest(
                side=BUY,
                qty=1,
                limit_price=near(-3),
                order_class=OrderClass.OTO,
                stop_loss=exits["stop_loss"],
                **common,
            ),
            OrderType.LIMIT,
            OrderClass.OTO,
            1,
        ),
    ]
    for request, kind, order_class, legs in requests:
        order = desk.trading.submit_order(request)
        assert (order.order_type, order.order_class) == (kind, order_class)
        assert len(order.legs or []) == legs
        assert desk.trading.get_order_by_id(order.id).status == OrderStatus.NEW
    dollars = MarketOrderRequest(
        symbol="PEP", notional=55.5, side=BUY, time_in_force=DAY
    )
    order = desk.trading.submit_order(dollars)
    assert (order.notional, order.qty) == ("55.5", None)
    for force in (TimeInForce.IOC, TimeInForce.FOK):
        miss = desk.bid(time_in_force=force, symbol="AMD")
        assert desk.trading.get_order_by_id(miss.id).status == OrderStatus.CANCELED
    closing = desk.bid(time_in_force=TimeInForce.CLS, symbol="AMD")
    assert closing.status == OrderStatus.PENDING_NEW
    late = {"time_in_force": TimeInForce.OPG, "symbol": "AMD"}
    assert refusal(lambda: desk.bid(**late)) == (403, 40310000)
    early = desk.bid(time_in_force=DAY, extended_hours=True, symbol="AMD")
    assert early.extended_hours


def get_orders(desk: Any) -> None:
    made = [desk.bid(price) for price in (1.0, 2.0, 3.0)]
    other = desk.bid(symbol="PEP")
    desk.trading.cancel_order_by_id(made[0].id)
    bracket = desk.bid(
        10.0,
        symbol="AMD",
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=12),
        stop_loss=StopLossRequest(stop_price=8),
    )

    def found(**options: Any) -> list[Any]:
        return [one.id for one in desk.trading.get_orders(GetOrdersRequest(**options))]

    every = found(status=QueryOrderStatus.ALL)
    assert len(every) == 7 and set(found()) == set(every) - {made[0].id}
    assert found(status=QueryOrderStatus.CLOSED) == [made[0].id]
    assert found(symbols=["KO"]) == [made[2].id, made[1].id]
    assert found(symbols=["KO", "PEP"], direction=Sort.ASC)[-1] == other.id
    assert len(found(side=SELL)) == 2
    assert found(limit=2) == every[:2]
    nested = desk.trading.get_orders(GetOrdersRequest(nested=True, symbols=["AMD"]))
    assert [len(one.legs) for one in nested] == [2] and nested[0].id == bracket.id
    # Bounds are exclusive, to the nanosecond, which the client's own times have not.
    middle = desk.trading.get(f"/orders/{made[1].id}")["submitted_at"]
    asked = {"status": "all", "symbols": "KO"}
    later = desk.trading.get("/orders", {**asked, "after": middle})
    earlier = desk.trading.get("/orders", {**asked, "until": middle})
    assert [one["id"] for one in later] == [str(made[2].id)]
    assert [one["id"] for one in earlier] == [str(made[0].id)]
    for bound, expected in (("after_order_id", 2), ("before_order_id", 0)):
        rows = desk.trading.get("/orders", {**asked, bound: str(made[1].id)})
        assert [one["id"] for one in rows] == [str(made[expected].id)]
    assert refusal(lambda: desk.trading.get("/orders", {"limit": 501}))[0] == 422


def get_order_by_id(desk: Any) -> None:
    order = desk.bid(
        order_class=OrderClass.OTO, take_profit=TakeProfitRequest(limit_price=2)
    )
    asked = GetOrderByIdRequest(nested=True)
    found = desk.trading.get_order_by_id(order.id, asked)
    assert found.legs is not None and len(found.legs) == 1
    assert found.legs[0].status == OrderStatus.HELD
    assert refusal(lambda: desk.trading.get_order_by_id(uuid4())) == (404, 40410000)


def get_order_by_client_id(desk: Any) -> None:
    order = desk.bid(client_order_id="mine")
    assert desk.trading.get_order_by_client_id("mine").id == order.id
    missing = refusal(lambda: desk.trading.get_order_by_client_id("yours"))
    assert missing == (404, 40410000)


def replace_order_by_id(desk: Any) -> None:
    order = desk.bid(qty=2)
    new = desk.trading.replace_order_by_id(
        order.id,
        ReplaceOrderRequest(
            qty=3, limit_price=1.5, time_in_force=DAY, client_order_id="next"
        ),
    )
    assert (new.qty, new.limit_price, new.time_in_force) == ("3", "1.5", DAY)
    assert new.replaces == order.id and new.client_order_id == "next"
    again = desk.trading.replace_order_by_id(new.id, ReplaceOrderRequest(qty=4))
    chain = [desk.trading.get_order_by_id(one) for one in (order.id, new.id, again.id)]
    assert [one.replaced_by for one in chain] == [new.id, again.id, None]
    desk.hold(1)
    trailing = desk.trading.submit_order(
        TrailingStopOrderRequest(
            symbol="PEP", qty=1, side=SELL, time_in_force=GTC, trail_percent=4.0
        )
    )
    wider = ReplaceOrderRequest(trail=5.0)
    changed = desk.trading.replace_order_by_id(trailing.id, wider)
    assert changed.trail_percent == "5"


def cancel_order_by_id(desk: Any) -> None:
    order = desk.bid()
    assert desk.trading.cancel_order_by_id(order.id) is None
    assert refusal(lambda: desk.trading.cancel_order_by_id(order.id))[0] == 422
    assert refusal(lambda: desk.trading.cancel_order_by_id(uuid4()))[0] == 404


def cancel_orders(desk: Any) -> None:
    orders = {desk.bid(price).id for price in (1.0, 2.0)}
    answers = desk.trading.cancel_orders()
    assert {one.id for one in answers} == orders
    assert [one.status for one in answers] == [200, 200]
    assert desk.trading.cancel_orders() == []


def get_all_positions(desk: Any) -> None:
    desk.hold(2)
    desk.hold(3, "PEP")
    assert [one.symbol for one in desk.trading.get_all_positions()] == ["KO", "PEP"]


def get_open_position(desk: Any) -> None:
    desk.hold(3)
    found = desk.trading.get_open_position("KO")
    assert (found.qty, found.side) == ("3", PositionSide.LONG)
    assert desk.trading.get_open_position(found.asset_id).symbol == "KO"
    assert Decimal(found.market_value) == 3 * Decimal(found.current_price)
    missing = refusal(lambda: desk.trading.get_open_position("PEP"))
    assert missing == (404, 40410000)


def close_position(desk: Any) -> None:
    desk.hold(12)
    part = desk.trading.close_position("KO", ClosePositionRequest(qty="2"))
    assert (part.qty, part.side) == ("2", SELL)
    share = desk.trading.close_position("KO", ClosePositionRequest(percentage="50"))
    assert Decimal(share.qty) in (Decimal(5), Decimal("5.5"))


def close_all_positions(desk: Any) -> None:
    desk.hold(2)
    desk.hold(3, "PEP")
    resting = desk.trading.submit_order(
        LimitOrderRequest(
            symbol="KO", qty=2, side=SELL, time_in_force=GTC, limit_price=desk.near(9)
        )
    )
    kept = desk.trading.close_all_positions(cancel_orders=False)
    assert [(one.symbol, one.status) for one in kept] == [("KO", 403), ("PEP", 200)]
    closed = desk.trading.close_all_positions(cancel_orders=True)
    assert [one.status for one in closed if one.symbol == "KO"] == [200]
    assert desk.trading.get_order_by_id(resting.id).status == OrderStatus.CANCELED


def exercise_options_position(desk: Any) -> None:
    assert refusal(lambda: desk.trading.exercise_options_position("KO"))[0] == 422


def get_option_contracts(desk: Any) -> None:
    request = GetOptionContractsRequest(underlying_symbols=["KO"])
    found = desk.trading.get_option_contracts(request)
    assert found.option_contracts == [] and found.next_page_token is None


def get_option_contract(desk: Any) -> None:
    name = "KO260918C00060000"
    assert refusal(lambda: desk.trading.get_option_contract(name))[0] == 404


def watched(desk: Any, *symbols: str) -> Any:
    request = CreateWatchlistRequest(name=str(uuid4()), symbols=list(symbols))
    return desk.trading.create_watchlist(request)


def create_watchlist(desk: Any) -> None:
    made = watched(desk, "KO", "PEP")
    assert [asset.symbol for asset in made.assets] == ["KO", "PEP"]
    assert refusal(lambda: watched(desk, "NOPE"))[0] == 404


def get_watchlists(desk: Any) -> None:
    ids = {watched(desk).id, watched(desk, "KO").id}
    assert {one.id for one in desk.trading.get_watchlists()} == ids


def get_watchlist_by_id(desk: Any) -> None:
    made = watched(desk, "KO")
    assert desk.trading.get_watchlist_by_id(made.id).assets[0].symbol == "KO"
    assert refusal(lambda: desk.trading.get_watchlist_by_id(uuid4()))[0] == 404


def update_watchlist_by_id(desk: Any) -> None:
    made = watched(desk, "KO")
    changed = desk.trading.update_watchlist_by_id(
        made.id, UpdateWatchlistRequest(name="other", symbols=["AMD"])
    )
    assert changed.name == "other"
    assert [asset.symbol for asset in changed.assets] == ["AMD"]


def add_asset_to_watchlist_by_id(desk: Any) -> None:
    made = watched(desk, "KO")
    more = desk.trading.add_asset_to_watchlist_by_id(made.id, "AMD")
    assert {asset.symbol for asset in more.assets} == {"KO", "AMD"}


def remove_asset_from_watchlist_by_id(desk: Any) -> None:
    made = watched(desk, "KO", "AMD")
    less = desk.trading.remove_asset_from_watchlist_by_id(made.id, "KO")
    assert [asset.symbol for asset in less.assets] == ["AMD"]


def delete_watchlist_by_id(desk: Any) -> None:
    made = watched(desk, "KO")
    desk.trading.delete_watchlist_by_id(made.id)
    assert desk.trading.get_watchlists() == []


def announced(desk: Any, **more: Any) -> Any:
    request = GetCorporateAnnouncementsRequest(
        ca_types=[CorporateActionType.SPLIT, CorporateActionType.DIVIDEND],
        since=date(2026, 9, 1),
        until=date(2026, 9, 30),
        **more,
    )
    with pytest.deprecated_call():
        return desk.trading.get_corporate_announcements(request)


def get_corporate_announcements(desk: Any) -> None:
    assert {one.initiating_symbol for one in announced(desk)} == {"PFE", "DIS", "BAC"}
    (split,) = announced(desk, symbol="PFE")
    assert (split.old_rate, split.new_rate) == (1, 2)


def get_corporate_announcement_by_id(desk: Any) -> None:
    (split,) = announced(desk, symbol="PFE")
    ask = desk.trading.get_corporate_announcement_by_id
    assert ask(split.id) == split
    assert refusal(lambda: ask(uuid4()))[0] == 404


WALKS: dict[type, list[Callable[[Any], None]]] = {
    TradingClient: [
        get_account,
        get_account_configurations,
        set_account_configurations,
        get_portfolio_history,
        get_all_assets,
        get_asset,
        get_clock,
        get_calendar,
        submit_order,
        get_orders,
        get_order_by_id,
        get_order_by_client_id,
        replace_order_by_id,
        cancel_order_by_id,
        cancel_orders,
        get_all_positions,
        get_open_position,
        close_position,
        close_all_positions,
        exercise_options_position,
        get_option_contracts,
        get_option_contract,
        create_watchlist,
        get_watchlists,
        get_watchlist_by_id,
        update_watchlist_by_id,
        add_asset_to_watchlist_by_id,
        remove_asset_from_watchlist_by_id,
        delete_watchlist_by_id,
        get_corporate_announcements,
        get_corporate_announcement_by_id,
    ]
}


@pytest.mark.parametrize("client", WALKS, ids=lambda one: one.__name__)
def test_no_method_is_left_out(client: type) -> None:
    assert {walk.__name__ for walk in WALKS[client]} == public(client)


@pytest.mark.parametrize(
    "walk",
    [walk for walks in WALKS.values() for walk in walks],
    ids=lambda walk: walk.__name__,
)
def test_a_method_does_what_the_broker_says(
    desk: Any, walk: Callable[[Any], None]
) -> None:
    walk(desk)
