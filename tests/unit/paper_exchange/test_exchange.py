"""What happens to orders on the exchange, without a process around it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest

from paper_exchange import instants
from paper_exchange.errors import ApiError
from paper_exchange.exchange import Exchange
from paper_exchange.instants import MINUTE, SECOND
from paper_exchange.market.interventions import Intervention
from paper_exchange.orders import Order
from paper_exchange.replacement import replace_order
from trading_core.matching import ALPACA_PAPER, REALISTIC
from trading_core.money import price_of

pytestmark = pytest.mark.unit

WHOLE = replace(ALPACA_PAPER, partial_odds=0.0)
Build = Callable[..., Exchange]


@pytest.fixture
def exchange(build: Build) -> Exchange:
    """An exchange half an hour after an open, without partial fills."""
    made = build(model=WHOLE)
    made.advance(made.sessions.days[2].open + 30 * MINUTE)
    return made


def place(
    exchange: Exchange, symbol: str = "KO", side: str = "buy", **more: Any
) -> Any:
    (account,) = exchange.accounts.values()
    body = {
        "symbol": symbol,
        "qty": "10",
        "side": side,
        "type": "market",
        "time_in_force": "day",
        **more,
    }
    return exchange.submit(account, body)


def order(exchange: Exchange, answer: Any) -> Order:
    (account,) = exchange.accounts.values()
    return exchange.order(account, answer["id"])


def price(exchange: Exchange, symbol: str = "KO") -> Decimal:
    found = exchange.market.mark(symbol, exchange.now)
    assert found is not None
    return found


def near(exchange: Exchange, percent: str, symbol: str = "KO") -> str:
    factor = 1 + Decimal(percent) / 100
    return str((price(exchange, symbol) * factor).quantize(Decimal("0.01")))


def wait_days(exchange: Exchange, days: int) -> None:
    day = exchange.sessions.begun(exchange.now)
    assert day is not None
    exchange.advance(exchange.sessions.after(day, days).close)


def test_a_resting_limit_fills_at_its_price_when_the_market_passes_it(
    exchange: Exchange,
) -> None:
    made = place(
        exchange,
        "TSLA",
        type="limit",
        limit_price=near(exchange, "-0.7", "TSLA"),
        time_in_force="gtc",
    )
    wait_days(exchange, 5)
    found = order(exchange, made)
    assert found.status == "filled"
    assert found.average_price is not None and found.limit_price is not None
    assert found.average_price <= found.limit_price


def test_fills_of_a_slow_and_of_a_stepping_clock_are_the_same(build: Build) -> None:
    fills = []
    for name, step in (("one", 17), ("two", 6000)):
        made = build(name)
        made.advance(made.sessions.days[2].open + 30 * MINUTE)
        end = made.sessions.days[6].close
        for symbol in ("KO", "AMD", "TSLA"):
            place(made, symbol)
            place(
                made,
                symbol,
                type="limit",
                time_in_force="gtc",
                limit_price=near(made, "-0.5", symbol),
            )
        while made.now < end:
            made.advance(min(end, made.now + step * MINUTE))
            made.journal.commit()
        (account,) = made.accounts.values()
        fills.append(
            made.store.activities(account.id, (), None, None, False, 1000, None)
        )
    assert len(fills[0]) >= 3
    assert fills[0] == fills[1]


def test_a_bracket_protects_what_its_entry_bought(exchange: Exchange) -> None:
    made = place(
        exchange,
        "AMD",
        time_in_force="gtc",
        order_class="bracket",
        take_profit={"limit_price": near(exchange, "2", "AMD")},
        stop_loss={"stop_price": near(exchange, "-2", "AMD")},
    )
    assert [leg["status"] for leg in made["legs"]] == ["held", "held"]
    entry = order(exchange, made)
    assert entry.status == "filled"
    profit, loss = exchange.legs(entry)
    assert (profit.status, loss.status) == ("new", "new")
    (account,) = exchange.accounts.values()
    wait_days(exchange, 20)
    states = {exchange.order(account, leg.id).status for leg in (profit, loss)}
    assert states == {"filled", "canceled"}
    assert account.quantity("AMD") == 0


def test_canceling_an_entry_cancels_its_exits(exchange: Exchange) -> None:
    made = place(
        exchange,
        type="limit",
        limit_price="10",
        time_in_force="gtc",
        order_class="bracket",
        take_profit={"limit_price": "11"},
        stop_loss={"stop_price": "9"},
    )
    (account,) = exchange.accounts.values()
    exchange.cancel(account, made["id"])
    assert exchange.orders_of(account) == []
    assert {leg.status for leg in exchange.legs(order(exchange, made))} == {"canceled"}


def test_an_oco_closes_a_position_once(exchange: Exchange) -> None:
    place(exchange, "TSLA")
    (account,) = exchange.accounts.values()
    made = place(
        exchange,
        "TSLA",
        "sell",
        type="limit",
        time_in_force="gtc",
        order_class="oco",
        take_profit={"limit_price": near(exchange, "2", "TSLA")},
        stop_loss={"stop_price": near(exchange, "-2", "TSLA")},
    )
    (stop,) = exchange.legs(order(exchange, made))
    wait_days(exchange, 20)
    states = {order(exchange, made).status, exchange.order(account, stop.id).status}
    assert states == {"filled", "canceled"}
    assert account.quantity("TSLA") == 0


def test_a_trailing_stop_follows_the_best_price(exchange: Exchange) -> None:
    place(exchange, "NVDA")
    made = place(
        exchange,
        "NVDA",
        "sell",
        type="trailing_stop",
        trail_percent="1.5",
        time_in_force="gtc",
    )
    wait_days(exchange, 10)
    found = order(exchange, made)
    assert found.status == "filled"
    assert found.high_water is not None and found.average_price is not None
    assert found.average_price <= found.high_water * Decimal("0.985") + 1


def test_auction_orders_fill_at_the_first_and_the_last_price(
    exchange: Exchange,
) -> None:
    closing = place(exchange, time_in_force="cls")
    day = exchange.sessions.begun(exchange.now)
    assert day is not None
    exchange.advance(day.close)
    found = order(exchange, closing)
    last = exchange.market.closing_price("KO", day)
    assert found.status == "filled" and float(found.average_price or 0) == last
    exchange.advance(day.midnight + 20 * instants.HOUR)
    opening = place(exchange, time_in_force="opg")
    following = exchange.sessions.after(day)
    exchange.advance(following.open)
    first = exchange.market.last_in_session("KO", following, following.open)
    found = order(exchange, opening)
    assert first is not None and found.status == "filled"
    assert float(found.average_price or 0) == first.price


def test_extended_hours_fill_only_who_asked_for_them(exchange: Exchange) -> None:
    day = exchange.sessions.begun(exchange.now)
    assert day is not None
    exchange.advance(day.close + 5 * MINUTE)
    late = place(
        exchange, type="limit", limit_price=near(exchange, "1"), extended_hours=True
    )
    usual = place(exchange, "PEP", type="limit", limit_price=near(exchange, "1", "PEP"))
    assert order(exchange, late).status == "filled"
    assert order(exchange, usual).status == "accepted"


def test_own_orders_may_not_meet(exchange: Exchange) -> None:
    place(exchange)
    place(exchange, side="sell", type="limit", limit_price=near(exchange, "3"))
    with pytest.raises(ApiError, match="wash trade"):
        place(exchange, qty="1")
    place(exchange, qty="1", type="limit", limit_price=near(exchange, "-3"))
    with pytest.raises(ApiError, match="insufficient qty available"):
        place(exchange, side="sell", type="limit", limit_price=near(exchange, "4"))


def test_open_orders_bind_buying_power_until_they_end(exchange: Exchange) -> None:
    (account,) = exchange.accounts.values()
    before = exchange.value(account).buying_power
    made = place(exchange, qty="1000", type="limit", limit_price="50")
    assert exchange.value(account).buying_power == before - 50_000
    exchange.cancel(account, made["id"])
    assert exchange.value(account).buying_power == before


def test_dollars_buy_a_fraction(exchange: Exchange) -> None:
    made = place(exchange, qty=None, notional="1000")
    found = order(exchange, made)
    assert found.status == "filled" and found.quantity is not None
    assert Decimal("999.99") < found.filled_value <= 1000
    assert found.body()["qty"] is None and found.body()["notional"] == "1000"


def test_fees_are_booked_once_a_day_and_rounded_up(build: Build) -> None:
    made = build(model=REALISTIC)
    made.advance(made.sessions.days[2].open + 30 * MINUTE)
    place(made, qty="50")
    made.advance(made.now + 30 * MINUTE)
    place(made, side="sell", qty="50")
    day = made.sessions.begun(made.now)
    (account,) = made.accounts.values()
    assert day is not None
    made.advance(day.close)
    made.journal.commit()
    assert account.holdings == {}
    booked = made.store.activities(account.id, ["FEE"], None, None, True, 100, None)
    assert [fee["description"][:3] for fee in booked] == ["CAT", "TAF"]
    assert {fee["net_amount"] for fee in booked} == {"-0.01"}
    wait_days(made, 2)
    made.journal.commit()
    again = made.store.activities(account.id, ["FEE"], None, None, True, 100, None)
    assert again == booked


def test_an_order_reaches_the_market_after_its_latency(build: Build) -> None:
    slow = replace(WHOLE, latency=timedelta(seconds=30))
    made = build(model=slow)
    opens = made.sessions.days[2].open
    made.advance(opens + 30 * MINUTE)
    answer = place(made)
    assert answer["status"] == order(made, answer).status == "accepted"
    canceled = place(made, side="buy", symbol="AMD")
    (account,) = made.accounts.values()
    made.cancel(account, canceled["id"])
    assert made.floor.next_event() == made.now + 30 * SECOND
    made.advance(made.now + 30 * SECOND - 1)
    assert order(made, answer).status == "accepted"
    made.close()
    again = build(model=slow)
    again.advance(again.now + MINUTE)
    found = order(again, answer)
    # The price of the minute's second third is the last one when it arrives.
    point = again.market.last("KO", opens + 30 * MINUTE + 30 * SECOND)
    assert point is not None and point.time == opens + 30 * MINUTE + 20 * SECOND
    assert found.status == "filled" and found.average_price == price_of(point.price)
    assert found.filled_at is not None
    assert found.filled_at // SECOND == (opens + 30 * MINUTE) // SECOND + 30
    assert order(again, canceled).filled == 0


def test_a_cancellation_takes_its_time_and_may_lose(build: Build) -> None:
    slow = replace(WHOLE, latency=timedelta(seconds=30))
    made = build(model=slow)
    made.advance(made.sessions.days[2].open + 30 * MINUTE)
    (account,) = made.accounts.values()
    lucky, late = (
        place(made, type="limit", limit_price=near(made, percent))
        for percent in ("-10", "-5")
    )
    made.advance(made.now + MINUTE)
    sent = made.now
    for answer in (lucky, late):
        made.cancel(account, answer["id"])
        assert order(made, answer).status == "pending_cancel"
        with pytest.raises(ApiError) as refused:
            made.cancel(account, answer["id"])
        assert (refused.value.status, refused.value.code) == (422, 42210000)
        with pytest.raises(ApiError) as refused:
            replace_order(made, account, answer["id"], {"qty": "2"})
        assert (refused.value.status, refused.value.code) == (422, 42210000)
    assert made.floor.next_event() == sent + 30 * SECOND
    made.advance(sent + 10 * SECOND)
    between = (order(made, late).limit_price or 0) - Decimal("0.01")
    made.intervene(Intervention("print", "KO", made.now, float(between)))
    assert order(made, late).status == "filled"
    made.close()

    again = build(model=slow)
    again.advance(sent + 30 * SECOND - 1)
    assert order(again, lucky).status == "pending_cancel"
    again.advance(sent + 30 * SECOND)
    found = order(again, lucky)
    assert found.status == "canceled"
    assert found.canceled_at is not None
    assert found.canceled_at // SECOND == sent // SECOND + 30
    assert order(again, late).status == "filled"


def test_what_waits_at_the_broker_is_canceled_at_once(build: Build) -> None:
    made = build(model=replace(WHOLE, latency=timedelta(seconds=30)))
    (account,) = made.accounts.values()
    queued = place(made, time_in_force="gtc")
    made.cancel(account, queued["id"])
    assert order(made, queued).status == "canceled"


def test_an_order_just_before_the_open_arrives_after_it(build: Build) -> None:
    made = build(model=replace(WHOLE, latency=timedelta(seconds=30)))
    opens = made.sessions.days[2].open
    made.advance(opens - 10 * SECOND)
    answer = place(made)
    made.advance(opens + 19 * SECOND)
    assert order(made, answer).status == "accepted"
    made.advance(opens + 20 * SECOND)
    assert order(made, answer).status == "filled"


def test_shorts_pay_for_every_night_of_the_realistic_model(build: Build) -> None:
    made = build(model=replace(WHOLE, borrow_rate=Decimal("0.36")))
    made.advance(made.sessions.days[2].open + 30 * MINUTE)
    (account,) = made.accounts.values()
    place(made, side="sell", qty="100")
    cash, expected = account.cash, Decimal(0)
    for index in range(2, 6):
        day, following = made.sessions.days[index : index + 2]
        made.advance(day.close)
        # 36 % a year of 360 days is a thousandth a night; a weekend has three.
        value = 100 * price(made) * (following.day - day.day).days / 1000
        expected += value.quantize(Decimal("0.01"), ROUND_CEILING)
    made.advance(following.open)
    assert account.cash == cash - expected
    assert made.sessions.days[5].day.weekday() == 0
    made.journal.commit()
    booked = made.store.activities(account.id, ["FEE"], None, None, False, 100, None)
    assert len(booked) == 4 and booked[0]["description"].startswith("Borrow fee for KO")
    assert sum(Decimal(fee["net_amount"]) for fee in booked) == -expected


def test_a_step_outside_the_life_of_an_order_is_a_defect(exchange: Exchange) -> None:
    found = order(exchange, place(exchange))
    with pytest.raises(RuntimeError, match="is filled, not to be canceled"):
        found.become("canceled", exchange.now)


def test_the_same_requests_at_the_same_times_give_the_same_bytes(build: Build) -> None:
    answers = []
    for name in ("one", "two"):
        made = build(name)
        made.advance(made.sessions.days[2].open + 30 * MINUTE)
        answers.append([place(made, symbol) for symbol in ("KO", "AMD", "TSLA")])
    assert answers[0] == answers[1]


def test_a_float_of_a_client_is_taken_as_it_is_written(exchange: Exchange) -> None:
    placed = place(
        exchange, qty=0.1, type="limit", limit_price=40.07, extended_hours=False
    )

    assert (placed["qty"], placed["limit_price"]) == ("0.1", "40.07")
    assert order(exchange, placed).quantity == Decimal("0.1")
