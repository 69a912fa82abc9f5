"""What each kind of order binds, worked by hand at a price of $60 and of $40."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from paper_exchange.accounts import Account
from paper_exchange.errors import ApiError
from paper_exchange.exchange import Exchange
from paper_exchange.instants import HOUR, MINUTE, SECOND
from paper_exchange.market.interventions import Intervention
from paper_exchange.positions import body as position
from trading_core.matching import ALPACA_PAPER, FillModel

pytestmark = pytest.mark.unit

D = Decimal
WHOLE = replace(ALPACA_PAPER, partial_odds=0.0)
WIDE = FillModel("wide", half_spread_bps=D(100))
Build = Callable[..., Exchange]


class Desk:
    """One account on an exchange whose KO stands at a price that the test sets."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.account: Account
        (self.account,) = exchange.accounts.values()

    def at(self, price: float) -> None:
        now = self.exchange.now
        self.exchange.intervene(Intervention("resume", "KO", now))
        self.exchange.intervene(Intervention("print", "KO", now, price))
        self.exchange.intervene(Intervention("halt", "KO", now + 1))

    def place(self, side: str, kind: str = "market", **more: Any) -> Any:
        body = {
            "symbol": "KO",
            "side": side,
            "qty": "10",
            "type": kind,
            "time_in_force": "day",
            **more,
        }
        return self.exchange.submit(self.account, body)

    def refused(self, side: str, kind: str = "market", **more: Any) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.place(side, kind, **more)
        return caught.value

    def binds(self) -> Decimal:
        return self.exchange.value(self.account).reserved

    def later(self, to: int) -> None:
        self.exchange.advance(to)

    def silence(self) -> None:
        """Let the halt begin, so that a market order rests."""
        self.exchange.advance(self.exchange.now + SECOND)


@pytest.fixture
def desk(build: Build) -> Desk:
    exchange = build(model=WHOLE)
    exchange.advance(exchange.sessions.days[2].open + 30 * MINUTE)
    return Desk(exchange)


@pytest.mark.parametrize(
    ("side", "kind", "prices", "each"),
    [
        ("buy", "limit", {"limit_price": "55"}, "55"),
        ("buy", "stop", {"stop_price": "70"}, "71.75"),  # 2.5 % above the stop
        ("buy", "stop_limit", {"stop_price": "70", "limit_price": "72"}, "72"),
        ("buy", "trailing_stop", {"trail_price": "5"}, "66.62"),  # 65 x 1.025
        ("buy", "trailing_stop", {"trail_percent": "10"}, "67.65"),  # 66 x 1.025
        ("sell", "limit", {"limit_price": "61"}, "61.80"),  # 3 % above the ask
        ("sell", "limit", {"limit_price": "65"}, "65"),
        ("sell", "stop", {"stop_price": "55"}, "61.80"),
        ("sell", "stop_limit", {"stop_price": "55", "limit_price": "54"}, "61.80"),
        ("sell", "trailing_stop", {"trail_price": "5"}, "61.80"),
    ],
)
def test_a_resting_order_binds_its_worst_price(
    desk: Desk, side: str, kind: str, prices: dict[str, str], each: str
) -> None:
    desk.at(60.0)
    before = desk.exchange.value(desk.account).buying_power
    desk.place(side, kind, **prices)
    assert desk.binds() == 10 * D(each)
    assert desk.exchange.value(desk.account).buying_power == before - 10 * D(each)


def test_a_market_order_binds_the_collared_ask_in_the_session_only(desk: Desk) -> None:
    for price, each in ((60.0, "61.50"), (40.0, "41.60")):
        desk.at(price)
        desk.silence()
        made = desk.place("buy")
        assert desk.binds() == 10 * D(each)
        desk.exchange.cancel(desk.account, made["id"])
    day = desk.exchange.sessions.days[2]
    for instant in (day.close + HOUR, day.midnight + 21 * HOUR):
        desk.later(instant)
        made = desk.place("buy")
        # Neither extended hours nor the night collar it: 10 times the last trade.
        assert desk.binds() == 10 * D(40)
        desk.exchange.cancel(desk.account, made["id"])


def test_the_far_side_of_the_quote_counts(build: Build) -> None:
    exchange = build(model=WIDE)
    exchange.advance(exchange.sessions.days[2].open + 30 * MINUTE)
    desk = Desk(exchange)
    desk.at(60.0)
    desk.silence()
    # The ask is 60.60: 2.5 % more is 62.11 (down to the cent), 3 % more 62.418.
    desk.place("buy")
    assert desk.binds() == D("621.10")
    exchange.cancel(desk.account, exchange.orders_of(desk.account)[0].id)
    desk.place("sell")
    assert desk.binds() == D("624.18")


def test_dollars_bind_dollars(desk: Desk) -> None:
    desk.at(60.0)
    desk.silence()
    desk.place("buy", qty=None, notional="1234.56")
    assert desk.binds() == D("1234.56")


@pytest.mark.parametrize("order_class", ["bracket", "oto"])
def test_of_an_advanced_order_the_entry_binds(desk: Desk, order_class: str) -> None:
    desk.at(60.0)
    exits: dict[str, Any] = {"stop_loss": {"stop_price": "50"}}
    if order_class == "bracket":
        exits["take_profit"] = {"limit_price": "70"}
    desk.place("buy", "limit", limit_price="55", order_class=order_class, **exits)
    assert desk.binds() == 550


def test_exits_bind_shares_and_no_dollars(desk: Desk) -> None:
    desk.at(60.0)
    desk.place("buy")
    desk.place("sell", "limit", limit_price="70", qty="4")
    desk.place("sell", "stop", stop_price="50", qty="3")
    assert desk.binds() == 0
    found = position(desk.exchange, desk.account, "KO")
    assert (found["qty"], found["qty_available"]) == ("10", "3")
    error = desk.refused("sell", qty="4")
    assert (error.status, error.code) == (403, 40310000)
    assert error.details["available"] == "3" and error.details["held_for_orders"] == "7"


def test_both_exits_of_an_oco_bind_the_same_shares(desk: Desk) -> None:
    desk.at(60.0)
    desk.place("buy")
    desk.place(
        "sell",
        "limit",
        order_class="oco",
        take_profit={"limit_price": "70"},
        stop_loss={"stop_price": "50"},
    )
    found = position(desk.exchange, desk.account, "KO")
    assert found["qty_available"] == "0"


def test_what_is_bound_is_no_buying_power(desk: Desk) -> None:
    desk.at(60.0)
    desk.place("buy", "limit", limit_price="50", qty="7000")
    error = desk.refused("buy", "limit", limit_price="50", qty="1001")
    assert (error.status, error.code) == (403, 40310000)
    assert error.details == {"buying_power": "50000", "cost_basis": "50050"}
    desk.place("buy", "limit", limit_price="50", qty="1000")


# Wash trades --------------------------------------------------------------------------

KINDS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    # What a purchase and a sale of each kind need at a price of $60.
    "market": ({}, {}),
    "limit": ({"limit_price": "58"}, {"limit_price": "62"}),
    "stop": ({"stop_price": "65"}, {"stop_price": "55"}),
    "stop_limit": (
        {"stop_price": "65", "limit_price": "54"},
        {"stop_price": "55", "limit_price": "66"},
    ),
}


@pytest.mark.parametrize("new", KINDS)
@pytest.mark.parametrize("resting", KINDS)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_the_wash_trade_table(desk: Desk, new: str, resting: str, side: str) -> None:
    desk.at(60.0)
    desk.place("buy", qty="100")
    desk.silence()
    other = "sell" if side == "buy" else "buy"
    place = 0 if side == "buy" else 1
    first = desk.place(other, resting, **KINDS[resting][1 - place])
    limited = {"limit", "stop_limit"}
    if {new, resting} <= limited:
        # Their prices do not meet here; the next test lets them.
        desk.place(side, new, **KINDS[new][place])
        return
    error = desk.refused(side, new, **KINDS[new][place])
    assert (error.status, error.code) == (403, 40310000)
    assert error.message == "potential wash trade detected. use complex orders"
    assert error.details["existing_order_id"] == first["id"]
    assert "order exists" in error.details["reject_reason"]


@pytest.mark.parametrize("resting", ["limit", "stop_limit"])
@pytest.mark.parametrize("new", ["limit", "stop_limit"])
def test_limits_that_meet_are_a_wash_trade(desk: Desk, new: str, resting: str) -> None:
    desk.at(60.0)
    desk.place("buy", qty="100")
    desk.silence()
    stop = {"stop_price": "55"} if resting == "stop_limit" else {}
    desk.place("sell", resting, limit_price="61", **stop)
    stop = {"stop_price": "65"} if new == "stop_limit" else {}
    desk.place("buy", new, limit_price="60.99", **stop)
    for price in ("61", "62"):
        error = desk.refused("buy", new, limit_price=price, **stop)
        assert error.message.startswith("potential wash trade")


def test_trailing_stops_and_advanced_orders_pass(desk: Desk) -> None:
    desk.at(60.0)
    desk.place("buy", qty="100")
    trailing = desk.place("sell", "trailing_stop", trail_price="5")
    desk.place("buy", qty="1")
    desk.exchange.cancel(desk.account, trailing["id"])
    desk.place("sell", "stop", stop_price="50")
    assert desk.refused("buy", qty="1").message.startswith("potential wash trade")
    desk.place(
        "buy",
        qty="1",
        order_class="bracket",
        take_profit={"limit_price": "70"},
        stop_loss={"stop_price": "50"},
    )


def test_a_live_exit_counts_and_one_that_waits_does_not(desk: Desk) -> None:
    desk.at(60.0)
    exits: dict[str, Any] = {
        "order_class": "bracket",
        "take_profit": {"limit_price": "70"},
        "stop_loss": {"stop_price": "50"},
    }
    waiting = desk.place("buy", "limit", limit_price="55", **exits)
    desk.place("buy", qty="1")
    desk.exchange.cancel(desk.account, waiting["id"])
    desk.place("buy", **exits)
    assert desk.refused("buy", qty="1").message.startswith("potential wash trade")


# Short sales --------------------------------------------------------------------------


def test_short_sales_open_whole_and_never_turn_around(desk: Desk) -> None:
    desk.at(60.0)
    error = desk.refused("sell", qty="0.5")
    assert (error.status, error.code) == (422, 42210000)
    assert desk.refused("sell", qty=None, notional="100").code == 42210000
    desk.place("buy")
    assert desk.refused("sell", qty="20").message.startswith("insufficient qty")
    desk.place("sell")
    desk.place("sell")
    assert desk.account.quantity("KO") == -10
    assert desk.refused("buy", qty="20").message.startswith("insufficient qty")
    desk.place("buy")
    assert desk.account.holdings == {}


def test_a_resting_purchase_forbids_a_short_sale_and_the_reverse(desk: Desk) -> None:
    desk.at(60.0)
    bid = desk.place("buy", "limit", limit_price="50")
    error = desk.refused("sell", "limit", limit_price="65")
    assert error.message == "cannot open a short sell while a long buy order is open"
    desk.exchange.cancel(desk.account, bid["id"])
    desk.place("sell", "limit", limit_price="65")
    error = desk.refused("buy", "limit", limit_price="50")
    assert error.message == "cannot open a long buy while a short sell order is open"


def test_a_small_account_or_an_unwilling_one_may_not_short(desk: Desk) -> None:
    desk.at(60.0)
    desk.account.settings["no_shorting"] = True
    error = desk.refused("sell")
    assert (error.status, error.code) == (403, 40310000)
    assert error.message == "account is not allowed to short"
    desk.account.settings["no_shorting"] = False
    desk.account.cash = D("1999.99")
    assert desk.refused("sell", qty="1").message == "account is not allowed to short"
    desk.account.cash = D(2000)
    desk.place("sell", qty="1")


def test_an_owner_who_wants_no_fractions_may_still_close_one(desk: Desk) -> None:
    desk.at(60.0)
    desk.place("buy", qty="0.5")
    desk.account.settings["fractional_trading"] = False
    assert desk.refused("buy", qty="0.5").status == 403
    assert desk.refused("buy", qty=None, notional="50").status == 403
    desk.place("sell", qty="0.5")


# The exits of brackets ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "profit", "loss", "fits"),
    [
        ("61", "61.01", "59.99", True),
        ("61", "61.00", "50", False),  # the profit lies at the entry's limit
        ("61", "70", "60", False),  # the stop lies at the market
        ("55", "55.01", "54.99", True),
        ("55", "70", "55", False),  # the stop lies at the entry's limit
        (None, "60.01", "59.99", True),
        (None, "60", "50", False),
        (None, "70", "60", False),
    ],
)
def test_exits_straddle_the_entry_and_the_market(
    desk: Desk, entry: str | None, profit: str, loss: str, fits: bool
) -> None:
    desk.at(60.0)
    more: dict[str, Any] = {
        "order_class": "bracket",
        "take_profit": {"limit_price": profit},
        "stop_loss": {"stop_price": loss},
    }
    kind = "market"
    if entry is not None:
        kind, more["limit_price"] = "limit", entry
    if fits:
        assert len(desk.place("buy", kind, **more)["legs"]) == 2
        return
    error = desk.refused("buy", kind, **more)
    assert (error.status, error.code) == (422, 42210000)
    assert "base_price" in error.details
