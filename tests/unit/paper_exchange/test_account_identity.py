"""Cash, positions, orders, activities, events and pages agree whatever is done.

Hypothesis draws the orders and the jumps in time, over closes, a half day and a change
of New York's clocks.
"""

import asyncio
import os
import shutil
import tempfile
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from paper_exchange import app, positions, valuation
from paper_exchange.api.account import account_body
from paper_exchange.corporate import CorporateAction, next_date
from paper_exchange.errors import ApiError
from paper_exchange.exchange import Exchange
from paper_exchange.instants import HOUR, MINUTE, SECOND, rfc3339
from paper_exchange.market.companies import COMPANIES
from paper_exchange.market.generated import GeneratedMarket
from paper_exchange.market.interventions import Intervention
from paper_exchange.market.market import Market
from paper_exchange.orders import LIFE
from paper_exchange.pacer import Pacer
from paper_exchange.replacement import replace_order
from paper_exchange.sessions import Sessions
from paper_exchange.store import OrderFilter, Store
from paper_exchange.tape import Tape
from paper_exchange.transaction import Update
from trading_core.matching import ALPACA_PAPER, REALISTIC

pytestmark = pytest.mark.unit

SYMBOLS = ("KO", "AMD", "TSLA")
KEYS = {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}
PRICED = ("limit", "stop", "stop_limit")


ORDERS = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(SYMBOLS),
        "side": st.sampled_from(["buy", "sell"]),
        "kind": st.sampled_from(["market", "market", *PRICED, "trailing_stop"]),
        "quantity": st.sampled_from(["1", "7", "50", "0.5", "400"]),
        "distance": st.integers(-900, 900),
        "force": st.sampled_from(["day", "gtc", "gtc", "ioc", "fok", "opg", "cls"]),
        "extended": st.booleans(),
    }
)


def but_for_its_trail(body: dict[str, Any]) -> dict[str, Any]:
    """Return an order without its parts and without what moves with every price."""
    trailing = {"hwm", "stop_price"} if body["trail_percent"] else set()
    return {
        name: value for name, value in body.items() if name not in trailing | {"legs"}
    }


class OrderFlow(RuleBasedStateMachine):
    """Random orders, changes, jumps in time and restarts on one account."""

    sessions: Sessions
    fill_model = ALPACA_PAPER

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.loop = asyncio.Runner()
        self.steps: dict[str, list[str]] = {}
        self.told: dict[str, dict[str, Any]] = {}
        self.executed: dict[str, Decimal] = {}
        self.open()

    def open(self) -> None:
        store = Store(self.directory / "exchange.sqlite")
        tape = Tape(self.directory / "tape.jsonl", store.unflushed_tape())
        start = self.sessions.days[2].open - 5 * MINUTE
        source = GeneratedMarket(3, self.sessions, start, COMPANIES)
        self.exchange = Exchange(Market(source, self.fill_model), store, tape, 3)
        self.account = self.exchange.create_account("k", "s", Decimal(100_000))
        self.exchange.journal.listeners.append(self.hear)
        # Without its life cycle: time passes here by `advance` alone.
        transport = httpx.ASGITransport(app.create(self.exchange, Pacer(self.exchange)))
        self.rest = httpx.AsyncClient(
            transport=transport, base_url="http://exchange", headers=KEYS
        )

    def get(self, path: str, **params: Any) -> Any:
        answer = self.loop.run(self.rest.get(path, params=params))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def hear(self, update: Update) -> None:
        order = update.data["order"]
        self.told[order["id"]] = order
        self.steps.setdefault(order["id"], []).append(order["status"])
        if "qty" in update.data:
            before = self.executed.get(order["id"], Decimal(0))
            self.executed[order["id"]] = before + Decimal(update.data["qty"])

    def teardown(self) -> None:
        self.exchange.close()
        self.loop.close()
        shutil.rmtree(self.directory)

    @rule(orders=st.lists(ORDERS, min_size=1, max_size=8))
    def place_some(self, orders: list[dict[str, Any]]) -> None:
        for order in orders:
            self.place(**order)

    def place(
        self,
        symbol: str,
        side: str,
        kind: str,
        quantity: str,
        distance: int,
        force: str,
        extended: bool,
    ) -> None:
        body: dict[str, Any] = {
            "symbol": symbol,
            "side": side,
            "type": kind,
            "qty": quantity,
            "time_in_force": force,
        }
        if "stop" in kind and force != "day":
            body["time_in_force"] = "gtc"
        price = self.exchange.market.mark(symbol, self.exchange.now)
        assert price is not None
        near = str((price * (1 + Decimal(distance) / 10_000)).quantize(Decimal("0.01")))
        if kind in ("limit", "stop_limit"):
            body["limit_price"] = near
        if kind in ("stop", "stop_limit"):
            body["stop_price"] = near
        if kind == "trailing_stop":
            body["trail_percent"] = "1.5"
        if extended and kind == "limit":
            body["extended_hours"] = True
        self.attempt(body)

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        order_class=st.sampled_from(["bracket", "oto", "oco"]),
        width=st.integers(20, 200),
    )
    def place_with_parts(self, symbol: str, order_class: str, width: int) -> None:
        price = self.exchange.market.mark(symbol, self.exchange.now)
        assert price is not None
        share = Decimal(width) / 10_000
        up, down = (
            str((price * factor).quantize(Decimal("0.01")))
            for factor in (1 + share, 1 - share)
        )
        body: dict[str, Any] = {
            "symbol": symbol,
            "qty": "5",
            "side": "sell" if order_class == "oco" else "buy",
            "type": "limit" if order_class == "oco" else "market",
            "time_in_force": "gtc",
            "order_class": order_class,
            "stop_loss": {"stop_price": down},
        }
        if order_class != "oto":
            body["take_profit"] = {"limit_price": up}
        self.attempt(body)

    def attempt(self, body: dict[str, Any]) -> None:
        try:
            self.exchange.submit(self.account, body)
        except ApiError as refusal:
            assert refusal.status in (403, 422)

    @rule(place=st.integers(0, 20))
    def cancel(self, place: int) -> None:
        orders = self.exchange.orders_of(self.account)
        if orders:
            try:
                self.exchange.cancel(self.account, orders[place % len(orders)].id)
            except ApiError as refusal:
                # It is on its way already.
                assert (refusal.status, refusal.code) == (422, 42210000)

    @rule(place=st.integers(0, 20), quantity=st.sampled_from(["2", "9"]))
    def change(self, place: int, quantity: str) -> None:
        orders = self.exchange.orders_of(self.account)
        if orders:
            order = orders[place % len(orders)]
            try:
                replace_order(self.exchange, self.account, order.id, {"qty": quantity})
            except ApiError as refusal:
                assert refusal.status in (403, 422)

    @rule()
    def close_everything(self) -> None:
        positions.close_all(self.exchange, self.account, cancel_orders=True)

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        act=st.sampled_from([("split", "2"), ("split", "0.5"), ("dividend", "0.37")]),
    )
    def announce(self, symbol: str, act: tuple[str, str]) -> None:
        exchange = self.exchange
        day = next_date(exchange.market, exchange.now)
        identity = exchange.journal.identity.next()
        exchange.announce(CorporateAction(identity, act[0], symbol, day, day, act[1]))

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        seconds=st.sampled_from([0, 0, 1, 90]),
        percent=st.integers(-3, 3),
        size=st.sampled_from([1, 100]),
    )
    def print_trades(self, symbol: str, seconds: int, percent: int, size: int) -> None:
        """Print the same trade twice, now or late: pages must not lose one of them."""
        exchange = self.exchange
        price = exchange.market.mark(symbol, exchange.now)
        assert price is not None
        value = round(float(price) * (1 + percent / 100), 2)
        time = exchange.now - seconds * SECOND
        for _ in range(2):
            act = Intervention("print", symbol, time, value, size=size)
            exchange.intervene(act)

    @rule(length=st.sampled_from([1, 30, 45, 390, 1500, 6000]))
    def wait(self, length: int) -> None:
        self.advance(self.exchange.now + length * MINUTE)

    @rule(
        landmark=st.sampled_from(["open", "close", "half day", "clocks change"]),
        minutes=st.sampled_from([-1, 0, 1]),
    )
    def wait_for(self, landmark: str, minutes: int) -> None:
        """Jump to a minute around something that a day in the market has."""
        now, sessions = self.exchange.now, self.sessions
        ahead = [day for day in sessions.days if day.close > now + MINUTE]
        if landmark == "open":
            instants = [sessions.next_open(now)]
        elif landmark == "close":
            instants = [sessions.next_close(now)]
        elif landmark == "half day":
            instants = [day.close for day in ahead if day.close - day.open < 6 * HOUR]
        else:
            # The Monday after; a day then begins an hour off in UTC.
            instants = [
                after.open
                for before, after in pairwise(ahead)
                if (after.open - before.open) % (24 * HOUR)
            ]
        for instant in instants[:1]:
            self.advance(instant + minutes * MINUTE)

    def advance(self, to: int) -> None:
        self.exchange.advance(max(to, self.exchange.now))
        self.exchange.journal.commit()

    @rule(size=st.integers(1, 20), direction=st.sampled_from(["asc", "desc"]))
    def read_in_pages(self, size: int, direction: str) -> None:
        self.read_orders_in_pages(size, direction, "id")
        self.read_orders_in_pages(size, direction, "time")
        self.read_activities_in_pages(size, direction)
        bars = {"timeframe": "15Min", "start": rfc3339(self.exchange.now - 24 * HOUR)}
        self.read_data_in_pages("bars", bars, 40 * size, direction)
        trades = {"start": rfc3339(self.exchange.now - 20 * MINUTE)}
        self.read_data_in_pages("trades", trades, size, direction)

    def read_orders_in_pages(self, size: int, direction: str, by: str) -> None:
        query: dict[str, Any] = {"status": "all", "direction": direction}
        whole = self.get("/v2/orders", limit=500, **query)
        bound = {"asc": "after", "desc": "until"}[direction]
        if by == "id":
            bound = {"asc": "after_order_id", "desc": "before_order_id"}[direction]
        paged: list[Any] = []
        while page := self.get("/v2/orders", limit=size, **query):
            paged += page
            assert len(paged) <= len(whole)
            query[bound] = page[-1]["id" if by == "id" else "submitted_at"]
        assert paged == whole

    def read_activities_in_pages(self, size: int, direction: str) -> None:
        exchange = self.exchange
        whole = exchange.store.activities(
            self.account.id, (), None, None, direction == "desc", 10_000, None
        )
        query: dict[str, Any] = {"direction": direction, "page_size": size}
        paged: list[Any] = []
        while page := self.get("/v2/account/activities", **query):
            paged += page
            assert len(paged) <= len(whole)
            query["page_token"] = page[-1]["id"]
        assert paged == whole

    def read_data_in_pages(
        self, kind: str, more: dict[str, Any], size: int, sort: str
    ) -> None:
        query: dict[str, Any] = {"symbols": ",".join(SYMBOLS), "sort": sort, **more}
        whole = self.get(f"/v2/stocks/{kind}", limit=10_000, **query)[kind]
        paged: dict[str, list[Any]] = {}
        while True:
            page = self.get(f"/v2/stocks/{kind}", limit=size, **query)
            for symbol, rows in page[kind].items():
                paged.setdefault(symbol, []).extend(rows)
                assert len(paged[symbol]) <= len(whole[symbol])
            query["page_token"] = page["next_page_token"]
            if not page["next_page_token"]:
                break
        assert paged == whole

    @rule()
    def read_what_was_told(self) -> None:
        for order_id, told in self.told.items():
            answered = self.get(f"/v2/orders/{order_id}")
            assert but_for_its_trail(answered) == but_for_its_trail(told)

    @precondition(lambda self: self.exchange.now % (30 * MINUTE) == 0)
    @rule()
    def restart(self) -> None:
        before = account_body(self.exchange, self.account)
        self.exchange.close()
        self.open()
        assert account_body(self.exchange, self.account) == before

    @invariant()
    def equity_is_cash_and_what_is_held(self) -> None:
        value = self.exchange.value(self.account)
        held = sum(
            (
                Decimal(
                    positions.body(self.exchange, self.account, name)["market_value"]
                )
                for name in self.account.holdings
            ),
            Decimal(0),
        )
        assert value.equity == self.account.cash + held
        assert value.buying_power >= 0

    @invariant()
    def what_orders_bind_is_the_sum_over_them(self) -> None:
        exchange = self.exchange
        one_by_one = sum(
            (
                valuation.reserved(order, self.account, exchange.market, exchange.now)
                for order in exchange.orders_of(self.account)
            ),
            Decimal(0),
        )
        assert exchange.value(self.account).reserved == one_by_one

    @invariant()
    def executions_explain_cash_and_positions(self) -> None:
        cash, held = Decimal(100_000), dict.fromkeys(SYMBOLS, Decimal(0))
        filled: dict[str, Decimal] = {}
        for one in self.exchange.store.activities(
            self.account.id, (), None, None, False, 10_000, None
        ):
            if one["activity_type"] in ("FEE", "DIV", "INT"):
                cash += Decimal(one["net_amount"])
                continue
            if one["activity_type"] == "SPLIT":
                held[one["symbol"]] += Decimal(one["qty"])
                continue
            quantity = Decimal(one["qty"])
            sign = 1 if one["side"] == "buy" else -1
            cash -= sign * quantity * Decimal(one["price"])
            held[one["symbol"]] += sign * quantity
            filled[one["order_id"]] = filled.get(one["order_id"], Decimal(0)) + quantity
            assert Decimal(one["cum_qty"]) == filled[one["order_id"]]
        assert cash == self.account.cash
        for symbol in SYMBOLS:
            assert held[symbol] == self.account.quantity(symbol)
        for order_id, total in filled.items():
            assert self.exchange.order(self.account, order_id).filled == total

    @invariant()
    def what_was_told_is_all_that_has_happened(self) -> None:
        for order_id, told in self.told.items():
            order = self.exchange.order(self.account, order_id).body()
            assert but_for_its_trail(order) == but_for_its_trail(told)
            assert Decimal(told["filled_qty"]) == self.executed.get(order_id, 0)

    @invariant()
    def every_step_is_one_of_the_life_table(self) -> None:
        for steps in self.steps.values():
            for before, after in zip(steps, steps[1:], strict=False):
                assert after in LIFE[before] or before == after

    @invariant()
    def the_store_holds_what_memory_holds(self) -> None:
        stored = self.exchange.store.orders(OrderFilter(self.account.id, is_open=True))
        assert {order.id for order in stored} == {
            order.id for order in self.exchange.orders_of(self.account)
        }
        for order in stored:
            assert order == self.exchange.open_orders.get(order.id)
            assert order.quantity is None or order.filled < order.quantity


@pytest.mark.parametrize("season", ["sessions", "autumn_sessions"])
@pytest.mark.parametrize("model", [ALPACA_PAPER, REALISTIC], ids=lambda one: one.name)
def test_random_order_flow_keeps_the_books_true(
    request: pytest.FixtureRequest, season: str, model: Any
) -> None:
    sessions = request.getfixturevalue(season)
    machine: Any = type(
        "Flow", (OrderFlow,), {"sessions": sessions, "fill_model": model}
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(os.environ.get("EXCHANGE_EXAMPLES", "20")),
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
