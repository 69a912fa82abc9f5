"""What corporate actions do to positions, resting orders, prices and cash."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from paper_exchange import corporate, hours
from paper_exchange.corporate import CorporateAction
from paper_exchange.errors import ApiError
from paper_exchange.exchange import Exchange
from paper_exchange.instants import MINUTE
from paper_exchange.market import bars
from trading_core.matching import ALPACA_PAPER

pytestmark = pytest.mark.unit

WHOLE = replace(ALPACA_PAPER, partial_odds=0.0)
Build = Callable[..., Exchange]


@pytest.fixture
def exchange(build: Build) -> Exchange:
    """An exchange half an hour after an open with ten shares of KO."""
    made = build(model=WHOLE)
    made.advance(made.sessions.days[2].open + 30 * MINUTE)
    place(made, side="buy", qty="10", type="market", time_in_force="day")
    return made


def place(exchange: Exchange, **more: Any) -> Any:
    (account,) = exchange.accounts.values()
    return exchange.submit(account, {"symbol": "KO", **more})


def mark(exchange: Exchange, symbol: str = "KO") -> Decimal:
    found = exchange.market.mark(symbol, exchange.now)
    assert found is not None
    return found


def announce(exchange: Exchange, kind: str, **more: Any) -> None:
    day = corporate.next_date(exchange.market, exchange.now)
    exchange.announce(CorporateAction("1", kind, "KO", day, day, **more))


def next_morning(exchange: Exchange) -> None:
    """Go on to the pre-market of the next day, before its first trade."""
    exchange.advance(hours.begin(exchange.sessions.days[3]) + MINUTE)


def resting(exchange: Exchange, factor: str, **more: Any) -> Any:
    cents = Decimal("0.01")
    price = str((mark(exchange) * Decimal(factor)).quantize(cents))
    name = "stop_price" if more["type"] == "stop" else "limit_price"
    prices = {} if more["type"] == "trailing_stop" else {name: price}
    return place(exchange, qty="3", time_in_force="gtc", **prices, **more)


def test_a_split_changes_shares_and_prices_and_leaves_the_value(
    exchange: Exchange,
) -> None:
    (account,) = exchange.accounts.values()
    exchange.advance(hours.finish(exchange.sessions.days[2]))
    cost = account.holdings["KO"].cost
    equity = exchange.value(account).equity
    close = mark(exchange)
    announce(exchange, "split", value="2")

    next_morning(exchange)

    assert account.quantity("KO") == 20
    assert account.holdings["KO"].cost == cost
    assert abs(mark(exchange) * 2 - close) <= Decimal("0.01")
    assert abs(exchange.value(account).equity - equity) < 2
    exchange.advance(exchange.sessions.days[3].open + MINUTE)
    assert Decimal("0.45") < mark(exchange) / close < Decimal("0.55")


def test_a_split_rescales_plain_gtc_orders_and_cancels_trailing_stops(
    exchange: Exchange,
) -> None:
    buy = resting(exchange, "0.8", side="buy", type="limit")
    exits = resting(exchange, "1.2", side="sell", type="limit")
    trailing = resting(
        exchange, "1", side="sell", type="trailing_stop", trail_percent="20"
    )
    announce(exchange, "split", value="2")

    next_morning(exchange)

    (account,) = exchange.accounts.values()
    lowered = exchange.order(account, buy["id"])
    assert lowered.quantity == 6 and lowered.limit_price is not None
    assert abs(lowered.limit_price * 2 - Decimal(buy["limit_price"])) <= Decimal("0.02")
    assert exchange.order(account, exits["id"]).quantity == 6
    assert exchange.order(account, trailing["id"]).status == "canceled"


def test_a_split_leaves_the_parts_of_a_bracket_alone(exchange: Exchange) -> None:
    bracket = resting(
        exchange,
        "0.8",
        side="buy",
        type="limit",
        order_class="bracket",
        take_profit={"limit_price": "500"},
        stop_loss={"stop_price": "5"},
    )
    announce(exchange, "split", value="2")

    next_morning(exchange)

    (account,) = exchange.accounts.values()
    order = exchange.order(account, bracket["id"])
    assert order.quantity == 3
    assert str(order.limit_price) == bracket["limit_price"]


def test_a_dividend_is_paid_to_who_held_before_the_ex_date(
    exchange: Exchange,
) -> None:
    (account,) = exchange.accounts.values()
    resting_buy = resting(exchange, "0.8", side="buy", type="limit")
    cash = account.cash
    announce(exchange, "dividend", value="0.51")

    next_morning(exchange)

    assert account.cash == cash + Decimal("5.10")
    order = exchange.order(account, resting_buy["id"])
    assert order.limit_price == Decimal(resting_buy["limit_price"]) - Decimal("0.51")
    exchange.journal.commit()
    kinds = exchange.store.activities(account.id, ["DIV"], None, None, True, 9, None)
    assert [one["net_amount"] for one in kinds] == ["5.1"]


def test_a_renamed_symbol_keeps_its_position_and_prices(exchange: Exchange) -> None:
    (account,) = exchange.accounts.values()
    order = resting(exchange, "0.8", side="buy", type="limit")
    exchange.advance(hours.finish(exchange.sessions.days[2]))
    close = mark(exchange)
    announce(exchange, "rename", new_symbol="COLA")

    next_morning(exchange)

    assert not account.quantity("KO")
    assert account.quantity("COLA") == 10
    assert mark(exchange, "COLA") == close
    assert exchange.order(account, order["id"]).status == "canceled"
    with pytest.raises(ApiError, match="not found"):
        place(exchange, side="buy", qty="1", type="market", time_in_force="day")


def test_a_delisted_symbol_cannot_be_traded(exchange: Exchange) -> None:
    order = resting(exchange, "0.8", side="buy", type="limit")
    announce(exchange, "delist")

    next_morning(exchange)

    (account,) = exchange.accounts.values()
    assert exchange.order(account, order["id"]).status == "canceled"
    assert account.quantity("KO") == 10
    with pytest.raises(ApiError, match="asset KO is not active"):
        place(exchange, side="buy", qty="1", type="market", time_in_force="day")


def test_adjusted_bars_look_as_if_the_split_had_always_been(
    exchange: Exchange,
) -> None:
    announce(exchange, "split", value="2")
    exchange.advance(exchange.sessions.days[3].open + 5 * MINUTE)
    market, day = exchange.market, exchange.sessions.days[2]
    wanted = (market, "KO", bars.timeframe("1Day"), day.midnight, day.close)

    ((_, raw),) = bars.rows(*wanted, exchange.now, False)
    found = bars.rows(*wanted, exchange.now, False)
    ((_, adjusted),) = bars.adjusted(found, market, "KO", exchange.now, {"split"})

    assert adjusted["c"] == pytest.approx(raw["c"] / 2)
    assert adjusted["v"] == pytest.approx(raw["v"] * 2)


def test_announced_actions_survive_a_restart(build: Build) -> None:
    first = build("kept", model=WHOLE)
    first.advance(first.sessions.days[2].open + 30 * MINUTE)
    place(first, side="buy", qty="10", type="market", time_in_force="day")
    announce(first, "split", value="3")
    first.close()

    second = build("kept", model=WHOLE)
    next_morning(second)
    second.close()
    third = build("kept", model=WHOLE)

    (account,) = third.accounts.values()
    assert account.quantity("KO") == 30
    third.advance(third.sessions.days[4].open)
    assert account.quantity("KO") == 30
