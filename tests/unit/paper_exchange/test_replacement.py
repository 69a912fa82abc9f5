"""A replacement takes its way to the market, and what happens to either order on it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from paper_exchange import instants
from paper_exchange.accounts import Account
from paper_exchange.corporate import CorporateAction
from paper_exchange.errors import ApiError
from paper_exchange.exchange import Exchange
from paper_exchange.instants import MINUTE, SECOND
from paper_exchange.market.interventions import Intervention
from paper_exchange.orders import Order
from paper_exchange.replacement import replace_order
from paper_exchange.transaction import Update
from trading_core.matching import ALPACA_PAPER, FillModel

pytestmark = pytest.mark.unit

Build = Callable[..., Exchange]
D = Decimal
CENT = D("0.01")
AT_ONCE = replace(ALPACA_PAPER, partial_odds=0.0)
SLOW = replace(AT_ONCE, latency=timedelta(seconds=30))


class Desk:
    """One account on an exchange in the middle of a session, and what it is told."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.account: Account
        (self.account,) = exchange.accounts.values()
        self.told: list[tuple[str, str]] = []
        exchange.journal.listeners.append(self.hear)

    def hear(self, update: Update) -> None:
        self.told.append((update.data["event"], update.data["order"]["id"]))

    def price(self, percent: str = "0") -> Decimal:
        mark = self.exchange.market.mark("KO", self.exchange.now)
        assert mark is not None
        return (mark * (1 + D(percent) / 100)).quantize(CENT)

    def place(self, percent: str | None = None, **more: Any) -> Order:
        """Place an order: at a limit some percent off the price, else at the market."""
        body = {
            "symbol": "KO",
            "side": "buy",
            "qty": "10",
            "type": "market" if percent is None else "limit",
            "time_in_force": "day",
            **({} if percent is None else {"limit_price": str(self.price(percent))}),
            **more,
        }
        return self.order(self.exchange.submit(self.account, body)["id"])

    def order(self, order_id: str) -> Order:
        return self.exchange.order(self.account, order_id)

    def change(self, order: Order, **changes: Any) -> Order:
        answer = replace_order(self.exchange, self.account, order.id, changes)
        assert answer["replaces"] == order.id
        return self.order(answer["id"])

    def refused(self, what: Callable[[], Any]) -> None:
        with pytest.raises(ApiError) as refusal:
            what()
        assert (refusal.value.status, refusal.value.code) == (422, 42210000)

    def trade_at(self, price: Decimal) -> None:
        self.exchange.intervene(
            Intervention("print", "KO", self.exchange.now, float(price))
        )

    def wait(self, seconds: float = 60) -> None:
        self.exchange.advance(self.exchange.now + int(seconds * SECOND))
        self.exchange.journal.commit()

    def binds(self) -> Decimal:
        return self.exchange.value(self.account).reserved


def desk(build: Build, model: FillModel = SLOW) -> Desk:
    made = build(model=model)
    made.advance(made.sessions.days[2].open + 30 * MINUTE)
    return Desk(made)


def resting(at: Desk, percent: str = "-10", **more: Any) -> Order:
    order = at.place(percent, **more)
    at.wait()
    assert order.status == "new"
    at.told.clear()
    return order


def test_the_old_order_stands_until_the_new_one_arrives(build: Build) -> None:
    at = desk(build)
    old = resting(at)
    sent = at.exchange.now
    new = at.change(old, limit_price=str(at.price("-9")))
    assert (old.status, new.status) == ("pending_replace", "accepted")
    assert old.replaced_by is None and new.replaces == old.id
    assert at.told == [
        ("pending_replace", old.id),
        ("pending_new", new.id),
        ("accepted", new.id),
    ]
    at.refused(lambda: at.change(old, qty="3"))
    at.refused(lambda: at.change(new, qty="3"))
    at.refused(lambda: at.exchange.cancel(at.account, old.id))
    assert at.exchange.floor.next_event() - (sent + 30 * SECOND) in range(1_000)
    at.exchange.close()

    at = Desk(build(model=SLOW))
    at.exchange.advance(sent + 30 * SECOND - 1)
    assert at.order(old.id).status == "pending_replace"
    at.wait(1)
    old, new = at.order(old.id), at.order(new.id)
    assert (old.status, old.replaced_by) == ("replaced", new.id)
    assert new.status == "new" and new.quantity == 10
    assert at.told == [("replaced", old.id), ("new", new.id)]
    assert at.exchange.orders_of(at.account) == [new]


def test_without_latency_the_new_order_stands_at_once(build: Build) -> None:
    at = desk(build, AT_ONCE)
    old = resting(at)
    new = at.change(old, qty="4")
    assert at.told == [("replaced", old.id), ("pending_new", new.id), ("new", new.id)]


@pytest.mark.parametrize(("percent", "counts"), [("-9", "-9"), ("-11", "-10")])
def test_the_larger_of_the_two_is_bound_meanwhile(
    build: Build, percent: str, counts: str
) -> None:
    at = desk(build)
    old = resting(at)
    first, limit = old.limit_price, at.price(percent)
    assert first is not None and at.binds() == 10 * first
    at.change(old, limit_price=str(limit))
    larger = limit if counts == percent else first
    assert at.binds() == 10 * larger
    at.wait()
    assert at.binds() == 10 * limit


def test_shares_are_bound_once_meanwhile(build: Build) -> None:
    at = desk(build)
    at.place()
    at.wait()
    old = resting(at, "10", side="sell", qty="6")
    new = at.change(old, qty="8")
    with pytest.raises(ApiError) as refusal:
        at.place("11", side="sell", qty="3")
    assert refusal.value.details["available"] == "2"
    at.place("11", side="sell", qty="2")
    at.wait()
    assert new.status == "new" and new.remaining == 8


def test_a_replacement_loses_against_a_fill(build: Build) -> None:
    at = desk(build)
    old = resting(at)
    new = at.change(old, qty="20")
    at.trade_at((old.limit_price or CENT) - CENT)
    assert old.status == "filled" and new.status == "accepted"
    at.told.clear()
    at.wait()
    assert new.status == "rejected" and new.filled == 0
    assert at.told == [("rejected", new.id), ("order_replace_rejected", old.id)]
    assert at.account.quantity("KO") == 10 and at.binds() == 0


def test_what_was_filled_on_the_way_is_not_bought_again(build: Build) -> None:
    at = desk(build, replace(SLOW, partial_odds=1.0))
    old = resting(at)
    new = at.change(old, limit_price=str(at.price("-20")))
    at.trade_at((old.limit_price or CENT) - CENT)
    bought = old.filled
    assert old.status == "partially_filled" and 0 < bought < 10
    at.refused(lambda: at.exchange.cancel(at.account, old.id))
    at.wait()
    assert (old.status, new.status) == ("replaced", "new")
    assert new.quantity == 10 - bought


def test_an_order_stays_when_its_replacement_wants_no_more_than_it_has(
    build: Build,
) -> None:
    at = desk(build, replace(SLOW, partial_odds=1.0))
    old = resting(at)
    new = at.change(old, qty="1")
    at.trade_at((old.limit_price or CENT) - CENT)
    assert old.status == "partially_filled"
    at.wait()
    assert (old.status, new.status) == ("partially_filled", "rejected")
    assert ("order_replace_rejected", old.id) in at.told
    at.exchange.cancel(at.account, old.id)
    at.wait()
    assert old.status == "canceled"


def test_a_cancellation_follows_the_replacement(build: Build) -> None:
    at = desk(build)
    old = resting(at)
    new = at.change(old, qty="4")
    at.exchange.cancel(at.account, new.id)
    at.refused(lambda: at.exchange.cancel(at.account, new.id))
    at.wait()
    assert (old.status, new.status) == ("replaced", "canceled")
    assert at.exchange.orders_of(at.account) == []


def test_a_later_cancellation_finds_the_new_order_in_its_place(build: Build) -> None:
    at = desk(build)
    old = resting(at)
    new = at.change(old, qty="4")
    at.wait(10)
    at.exchange.cancel(at.account, new.id)
    assert new.status == "accepted"
    at.wait(25)
    assert (old.status, new.status) == ("replaced", "pending_cancel")
    at.wait(5)
    assert new.status == "canceled"


def test_the_end_of_the_day_ends_both(build: Build) -> None:
    at = desk(build)
    old = at.place("-10")
    day = at.exchange.sessions.begun(at.exchange.now)
    assert day is not None
    at.exchange.advance(day.close - 10 * SECOND)
    new = at.change(old, qty="4")
    at.wait()
    assert old.status == new.status == "expired"


@pytest.mark.parametrize("model", [AT_ONCE, SLOW], ids=["at once", "slow"])
def test_an_exit_that_is_replaced_still_ends_its_partner(
    build: Build, model: FillModel
) -> None:
    at = desk(build, model)
    entry = at.place(
        order_class="bracket",
        time_in_force="gtc",
        take_profit={"limit_price": str(at.price("5"))},
        stop_loss={"stop_price": str(at.price("-5"))},
    )
    at.wait()
    profit, loss = at.exchange.legs(entry)
    tighter = at.change(loss, stop_price=str(at.price("-4")))
    at.wait()
    assert (loss.status, tighter.status, profit.status) == ("replaced", "new", "new")
    at.trade_at((tighter.stop_price or CENT) - CENT)
    at.wait()
    assert (tighter.status, at.order(profit.id).status) == ("filled", "canceled")
    assert at.account.quantity("KO") == 0


def test_an_exit_on_its_way_ends_with_the_one_it_would_replace(build: Build) -> None:
    at = desk(build)
    entry = at.place(
        order_class="bracket",
        take_profit={"limit_price": str(at.price("5"))},
        stop_loss={"stop_price": str(at.price("-5"))},
    )
    at.wait()
    profit, loss = at.exchange.legs(entry)
    tighter = at.change(loss, stop_price=str(at.price("-4")))
    at.trade_at((profit.limit_price or CENT) + CENT)
    assert (profit.status, loss.status) == ("filled", "canceled")
    at.wait()
    assert tighter.status == "rejected"
    assert at.account.quantity("KO") == 0 and at.exchange.orders_of(at.account) == []


@pytest.mark.parametrize("model", [AT_ONCE, SLOW], ids=["at once", "slow"])
def test_an_oco_keeps_its_stop_when_its_limit_is_replaced(
    build: Build, model: FillModel
) -> None:
    at = desk(build, model)
    at.place()
    at.wait()
    limit = str(at.price("5"))
    old = resting(
        at,
        "5",
        side="sell",
        order_class="oco",
        take_profit={"limit_price": limit},
        stop_loss={"stop_price": str(at.price("-5"))},
    )
    (stop,) = at.exchange.legs(old)
    new = at.change(old, limit_price=str(at.price("6")))
    at.wait()
    assert (new.status, stop.status, stop.parent) == ("new", "new", new.id)
    at.trade_at((stop.stop_price or CENT) - CENT)
    at.wait()
    assert (stop.status, new.status) == ("filled", "canceled")


@pytest.mark.parametrize("model", [AT_ONCE, SLOW], ids=["at once", "slow"])
def test_an_exit_that_is_replaced_at_night_protects_the_next_day(
    build: Build, model: FillModel
) -> None:
    at = desk(build, model)
    entry = at.place(
        order_class="bracket",
        time_in_force="gtc",
        take_profit={"limit_price": str(at.price("40"))},
        stop_loss={"stop_price": str(at.price("-40"))},
    )
    day = at.exchange.sessions.begun(at.exchange.now)
    assert day is not None
    at.exchange.advance(day.close + 6 * 60 * MINUTE)
    _, loss = at.exchange.legs(entry)
    tighter = at.change(loss, stop_price=str(at.price("-30")))
    at.exchange.advance(at.exchange.sessions.after(day, 1).open + 30 * MINUTE)
    assert tighter.status == "new"
    at.trade_at((tighter.stop_price or CENT) - CENT)
    assert tighter.status == "filled" and at.account.quantity("KO") == 0


def test_a_replacement_that_arrives_at_night_waits_for_the_next_day(
    build: Build,
) -> None:
    at = desk(build)
    old = resting(at, "-40", time_in_force="gtc")
    day = at.exchange.sessions.begun(at.exchange.now)
    assert day is not None
    at.exchange.advance(day.close + 6 * 60 * MINUTE)
    new = at.change(old, qty="4")
    at.wait()
    assert (old.status, new.status) == ("replaced", "accepted")
    at.exchange.advance(at.exchange.sessions.after(day, 1).open + MINUTE)
    assert new.status == "new" and new.remaining == 4


def test_a_replacement_lives_as_long_as_its_own_time_in_force_says(
    build: Build,
) -> None:
    at = desk(build, AT_ONCE)
    old = resting(at)
    new = at.change(old, time_in_force="gtc")
    day = at.exchange.sessions.begun(at.exchange.now)
    assert day is not None and old.expires_at == day.close
    at.exchange.advance(at.exchange.sessions.after(day, 1).open + MINUTE)
    assert new.status == "new"


def test_a_split_on_the_way_leaves_the_old_order(build: Build) -> None:
    at = desk(build)
    old = resting(at, time_in_force="gtc")
    new = at.change(old, qty="4")
    today = instants.new_york_date(at.exchange.now).isoformat()
    at.exchange.announce(CorporateAction("1", "split", "KO", today, today, "2"))
    assert (old.status, new.status) == ("new", "rejected") and old.quantity == 20
