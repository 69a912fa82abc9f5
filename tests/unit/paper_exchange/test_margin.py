"""Margin worked by hand: what holdings need, what may be bought, and calls."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from paper_exchange import margin
from paper_exchange.accounts import Account, Valuation
from paper_exchange.api.account import account_body, asset_body
from paper_exchange.errors import ApiError
from paper_exchange.exchange import Exchange
from paper_exchange.instants import MINUTE
from paper_exchange.margin import Standing
from paper_exchange.market.interventions import Intervention
from paper_exchange.sessions import Sessions
from trading_core.matching import ALPACA_PAPER, REALISTIC

pytestmark = pytest.mark.unit

D = Decimal
WHOLE = replace(ALPACA_PAPER, partial_odds=0.0)
AT_ONCE = replace(REALISTIC, participation=None, latency=timedelta(0), fees=False)


@pytest.mark.parametrize(
    ("symbol", "quantity", "price", "needed"),
    [
        ("KO", "100", "2.00", "200"),
        ("KO", "100", "2.50", "125"),
        ("KO", "100", "5.00", "250"),
        ("KO", "100", "50.00", "1500"),
        ("SSO", "100", "50.00", "2500"),
        ("TQQQ", "100", "50.00", "3750"),
        ("TQQQ", "100", "2.00", "200"),
        ("KO", "-100", "2.00", "250"),
        ("KO", "-100", "4.00", "400"),
        ("KO", "-100", "10.00", "500"),
        ("KO", "-100", "50.00", "1500"),
    ],
)
def test_cheap_short_and_leveraged_shares_need_more(
    symbol: str, quantity: str, price: str, needed: str
) -> None:
    holding = (symbol, D(quantity), D(price))
    assert margin.maintenance([holding], D(1_000_000)) == D(needed)


@pytest.mark.parametrize(
    ("shares", "equity", "needed"),
    [
        ("2000", "140000", "30000"),  # exactly $100,000 is not above it
        ("2002", "140000", "50050"),  # $100,100 is 71.5 % of the equity
        ("2002", "150000", "30030"),  # 66.7 % of it
    ],
)
def test_a_concentrated_holding_needs_half_its_value(
    shares: str, equity: str, needed: str
) -> None:
    holdings = [("KO", D(shares), D(50))]
    assert margin.maintenance(holdings, D(equity)) == D(needed)


@pytest.mark.parametrize(
    ("equity", "most", "frozen", "expected"),
    [
        ("1999.99", "4", False, 1),
        ("2000", "4", False, 4),
        ("2000", "2", False, 2),
        ("2000", "1", False, 1),
        ("1000000", "4", True, 1),
    ],
)
def test_margin_begins_at_two_thousand_dollars(
    equity: str, most: str, frozen: bool, expected: int
) -> None:
    assert margin.multiplier(D(equity), most, frozen) == expected


@pytest.mark.parametrize(
    ("multiplier", "cash", "longs", "shorts", "power", "overnight"),
    [
        (4, "100000", "0", "0", "400000", "200000"),
        (2, "100000", "0", "0", "200000", "200000"),
        (1, "100000", "0", "0", "100000", "100000"),
        # Equity 100,000, half of 60,000 is bound: 70,000 is free.
        (4, "40000", "60000", "0", "280000", "140000"),
        (2, "40000", "60000", "0", "140000", "140000"),
        (1, "40000", "60000", "0", "40000", "70000"),
        # Borrowed: equity 100,000, half of 150,000 is bound.
        (4, "-50000", "150000", "0", "100000", "50000"),
        # Short: equity 100,000; the proceeds of the sale are no buying power.
        (4, "130000", "0", "-30000", "340000", "170000"),
        (1, "130000", "0", "-30000", "70000", "85000"),
    ],
)
def test_buying_power_is_what_is_not_bound_times_the_multiplier(
    multiplier: int, cash: str, longs: str, shorts: str, power: str, overnight: str
) -> None:
    value = Valuation(D(cash), D(longs), D(shorts), multiplier, D(0))
    assert value.buying_power == D(power)
    assert value.regulation_t_buying_power == D(overnight)


def close(
    standing: Standing, sessions: Sessions, number: int, equity: str, needed: str
) -> str | None:
    day = sessions.days[number]
    return standing.close(D(equity), D(needed), D(0), day, sessions)


def test_a_small_deficit_leads_to_no_call(sessions: Sessions) -> None:
    # Less than $1,000 and less than 5 % of the equity.
    for deficit, equity in (("1000", "20000"), ("400", "8000")):
        standing = Standing()
        standing.added(D(equity) - D(deficit), D(equity))
        assert close(standing, sessions, 3, equity, "0") is None
    for deficit, equity in (("1000.01", "20000"), ("400.01", "8000")):
        standing = Standing()
        standing.added(D(equity) - D(deficit), D(equity))
        assert close(standing, sessions, 3, equity, "0") == "made"
        assert standing.called == D(deficit)


def test_a_call_is_met_by_enough_equity_at_a_later_close(sessions: Sessions) -> None:
    standing = Standing()
    standing.added(D(50_000), D(60_000))
    standing.added(D(50_000), D(57_000))
    assert close(standing, sessions, 3, "50000", "10000") == "made"
    assert (standing.called, standing.due) == (
        D(10_000),
        sessions.days[5].day.isoformat(),
    )
    assert close(standing, sessions, 4, "50000", "62000") == "raised"
    assert standing.called == D(12_000)
    assert close(standing, sessions, 5, "50000", "50000") == "met"
    assert standing.record() == Standing().record()


def test_a_call_that_is_not_met_in_two_days_freezes_for_ninety(
    sessions: Sessions,
) -> None:
    standing = Standing()
    standing.added(D(50_000), D(60_000))
    assert close(standing, sessions, 3, "50000", "60000") == "made"
    assert close(standing, sessions, 4, "50000", "60000") is None
    assert close(standing, sessions, 5, "50000", "60000") == "missed"
    # The sixth session is 2026-03-09.
    assert sessions.days[5].day.isoformat() == "2026-03-09"
    assert standing.frozen_until == "2026-06-07"
    assert standing.is_frozen("2026-06-06") and not standing.is_frozen("2026-06-07")
    # No new call is made meanwhile, but the old one is not forgotten.
    assert close(standing, sessions, 6, "50000", "60000") == "overdue"
    assert close(standing, sessions, 7, "50000", "50000") is None
    assert Standing.from_record(standing.record()) == standing


def test_what_was_added_today_is_paid_to_a_half_by_the_evening(
    sessions: Sessions,
) -> None:
    day = sessions.days[3]
    new, old = Standing(), Standing()
    new.added(D(100_000), D(90_000))
    assert new.close(D(100_000), D(90_000), D(150_000), day, sessions) == "made"
    assert new.called == D(50_000)
    assert old.close(D(100_000), D(90_000), D(150_000), day, sessions) is None


@pytest.mark.parametrize(
    ("holdings", "equity", "closed"),
    [
        # 30 % of $100,000 and 30 % of $20,000 are needed.
        ([("AMD", "1000", "100"), ("KO", "-500", "40")], "36000", []),
        # 16,000 are missing at 30 a share.
        ([("KO", "-500", "40"), ("AMD", "1000", "100")], "20000", [("AMD", "534")]),
        # All of one, and 1,000 at 12 a share of the other.
        (
            [("AMD", "1000", "100"), ("KO", "-500", "40")],
            "5000",
            [("AMD", "1000"), ("KO", "84")],
        ),
        # A concentrated holding needs half its value: 25 a share.
        ([("KO", "5000", "50")], "100000", [("KO", "1000")]),
        # Parts of a share go with the last whole one.
        ([("KO", "10.5", "2")], "-1", [("KO", "10.5")]),
        ([], "-1", []),
    ],
)
def test_the_broker_closes_what_the_equity_does_not_carry(
    holdings: list[tuple[str, str, str]], equity: str, closed: list[tuple[str, str]]
) -> None:
    held = [(symbol, D(shares), D(price)) for symbol, shares, price in holdings]
    expected = [(symbol, D(shares)) for symbol, shares in closed]
    assert margin.reduction(held, D(equity)) == expected


# On the exchange ----------------------------------------------------------------------

Build = Callable[..., Exchange]


def opened(build: Build, model: Any = WHOLE) -> tuple[Exchange, Account]:
    """Return an exchange in its session whose KO has just traded at $50."""
    exchange = build(model=model)
    exchange.advance(exchange.sessions.days[2].open + 30 * MINUTE)
    (account,) = exchange.accounts.values()
    set_price(exchange, 50.0)
    return exchange, account


def set_price(exchange: Exchange, price: float) -> None:
    """Print a price that stays: everything else about the symbol is silent."""
    exchange.intervene(Intervention("resume", "KO", exchange.now))
    exchange.intervene(Intervention("print", "KO", exchange.now, price))
    exchange.intervene(Intervention("halt", "KO", exchange.now + 1))


def trade(exchange: Exchange, account: Account, side: str, quantity: str) -> Any:
    return exchange.submit(
        account,
        {
            "symbol": "KO",
            "side": side,
            "qty": quantity,
            "type": "market",
            "time_in_force": "day",
        },
    )


def limit(
    exchange: Exchange, account: Account, side: str, quantity: str, price: str
) -> Any:
    return exchange.submit(
        account,
        {
            "symbol": "KO",
            "side": side,
            "qty": quantity,
            "type": "limit",
            "limit_price": price,
            "time_in_force": "gtc",
        },
    )


def shown(exchange: Exchange, account: Account, *names: str) -> list[str]:
    body = account_body(exchange, account)
    return [body[name] for name in names]


def next_close(exchange: Exchange) -> None:
    exchange.advance(exchange.sessions.next_close(exchange.now))


def test_the_account_shows_what_a_purchase_binds(build: Build) -> None:
    exchange, account = opened(build)
    trade(exchange, account, "buy", "1000")
    # $50,000 of stock: half is bound, 30 % must stay.
    assert shown(
        exchange,
        account,
        "multiplier",
        "equity",
        "initial_margin",
        "maintenance_margin",
        "buying_power",
        "regt_buying_power",
    ) == ["4", "100000", "25000", "15000", "300000", "150000"]
    set_price(exchange, 2.0)
    assert shown(exchange, account, "equity", "maintenance_margin") == ["52000", "2000"]
    assert asset_body(exchange, "KO")["margin_requirement_long"] == "100"
    assert asset_body(exchange, "KO")["margin_requirement_short"] == "125"


def test_holdings_of_six_times_the_equity_may_only_be_reduced(build: Build) -> None:
    exchange, account = opened(build)
    trade(exchange, account, "buy", "6000")
    # $300,000 on $100,000 of equity; at 39.99 it is 239,940 on 39,940.
    set_price(exchange, 39.99)
    with pytest.raises(ApiError) as refused:
        trade(exchange, account, "buy", "1")
    assert (refused.value.status, refused.value.code) == (403, 40310000)
    assert "closing transactions" in refused.value.message
    assert trade(exchange, account, "sell", "1000")["status"] == "pending_new"


def test_a_call_that_is_missed_takes_margin_and_short_sales_away(
    build: Build, tmp_path: Path
) -> None:
    exchange, account = opened(build)
    trade(exchange, account, "buy", "5000")
    # $250,000, more than 70 % of the equity: $125,000 are needed, $100,000 are there.
    assert shown(exchange, account, "maintenance_margin") == ["125000"]
    next_close(exchange)
    assert account.standing.called == D(25_000)
    set_price(exchange, 50.0)
    resting = limit(exchange, account, "sell", "100", "60")
    next_close(exchange)
    assert shown(exchange, account, "multiplier", "last_maintenance_margin") == [
        "4",
        "125000",
    ]
    next_close(exchange)
    assert account.standing.called == 0
    assert shown(exchange, account, "multiplier", "buying_power") == ["1", "0"]
    assert account_body(exchange, account)["shorting_enabled"] is False
    exchange.journal.commit()
    lines = (tmp_path / "one" / "tape.jsonl").read_text().splitlines()
    tape = map(json.loads, lines)
    outcomes = [line["outcome"] for line in tape if line["kind"] == "margin_call"]
    assert outcomes == ["made", "missed"]
    # A share less frees $25: the broker sells a thousand at the next open.
    assert exchange.order(account, resting["id"]).status == "canceled"
    (forced,) = exchange.orders_of(account)
    assert forced.body()["position_intent"] == "sell_to_close"
    assert (forced.status, forced.quantity) == ("accepted", D(1000))
    exchange.advance(exchange.sessions.next_open(exchange.now) + MINUTE)
    set_price(exchange, 50.0)
    assert exchange.order(account, forced.id).status == "filled"
    assert shown(exchange, account, "equity", "maintenance_margin") == [
        "100000",
        "100000",
    ]
    trade(exchange, account, "sell", "4000")
    assert shown(exchange, account, "cash", "buying_power") == ["100000", "100000"]
    with pytest.raises(ApiError) as refused:
        trade(exchange, account, "sell", "1")
    assert refused.value.message == "account is not allowed to short"


def test_margin_that_is_still_missing_is_sold_for_at_every_close(build: Build) -> None:
    exchange, account = opened(build)
    trade(exchange, account, "buy", "5000")
    for _ in range(3):
        next_close(exchange)
    exchange.advance(exchange.sessions.next_open(exchange.now) + MINUTE)
    set_price(exchange, 40.0)
    # 4,000 at $40 are left, and $50,000 of equity for the $80,000 they need.
    assert account.quantity("KO") == 4000
    assert shown(exchange, account, "equity", "maintenance_margin") == [
        "50000",
        "80000",
    ]
    next_close(exchange)
    (forced,) = exchange.orders_of(account)
    assert forced.quantity == 1500
    exchange.advance(exchange.sessions.next_open(exchange.now) + MINUTE)
    set_price(exchange, 40.0)
    next_close(exchange)
    assert account.quantity("KO") == 2500
    assert exchange.orders_of(account) == []


def test_a_day_trade_of_four_times_the_equity_is_forgiven_when_it_is_closed(
    build: Build,
) -> None:
    exchange, account = opened(build)
    trade(exchange, account, "buy", "7800")
    trade(exchange, account, "sell", "7800")
    next_close(exchange)
    # $390,000 needed 195,000: the call is made, and met at the next close.
    assert account.standing.called == D(95_000)
    next_close(exchange)
    assert account.standing == Standing()


def test_borrowed_dollars_cost_interest_by_the_night(build: Build) -> None:
    exchange, account = opened(build, AT_ONCE)
    trade(exchange, account, "buy", "3000")
    exchange.advance(exchange.now + MINUTE)
    debit = -account.cash
    assert debit > 50_000
    exchange.advance(exchange.sessions.next_open(exchange.now))
    # One night of 6.25 % a year of 360 days, rounded up.
    interest = (debit * D("0.0625") / 360).quantize(D("0.01"), "ROUND_CEILING")
    assert -account.cash - debit == interest
    exchange.journal.commit()
    (activity,) = exchange.store.activities(
        account.id, ["INT"], None, None, True, 10, None
    )
    assert D(activity["net_amount"]) == -interest
