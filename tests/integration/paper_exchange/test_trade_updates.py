"""The order stream, heard by the broker's own client."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import websockets
from alpaca.trading.enums import OrderSide, OrderStatus, TimeInForce
from alpaca.trading.models import TradeUpdate
from alpaca.trading.requests import (
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
)
from alpaca.trading.stream import TradingStream

pytestmark = pytest.mark.integration

TEN = "2026-09-14T14:00:00Z"


class Listener:
    """A thread that runs the client's stream and keeps what it hears."""

    def __init__(self, url: str) -> None:
        self.heard: list[TradeUpdate] = []
        self._stream = TradingStream("paper", "paper", url_override=f"{url}/stream")
        self._stream.subscribe_trade_updates(self._keep)
        self._thread = threading.Thread(target=self._stream.run, daemon=True)
        self._thread.start()

    async def _keep(self, update: Any) -> None:
        self.heard.append(update)

    def wait(self, is_enough: Callable[[list[TradeUpdate]], bool]) -> list[TradeUpdate]:
        deadline = time.monotonic() + 20
        while not is_enough(self.heard):
            assert time.monotonic() < deadline, [str(one.event) for one in self.heard]
            time.sleep(0.01)
        return self.heard

    def stop(self) -> None:
        self._stream.stop()
        self._thread.join(10)


@pytest.fixture
def listener(exchange: Any) -> Iterator[Listener]:
    exchange.control(advance_to=TEN)
    listener = Listener(exchange.stream_url)
    # The stream has no greeting: an order that can be canceled shows that it listens.
    client = exchange.trading()
    deadline = time.monotonic() + 20
    while not listener.heard:
        assert time.monotonic() < deadline
        probe = client.submit_order(
            LimitOrderRequest(
                symbol="KO",
                qty=1,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.DAY,
                limit_price=1,
            )
        )
        client.cancel_order_by_id(probe.id)
        time.sleep(0.1)
    listener.wait(
        lambda heard: str(heard[-1].event) in ("canceled", "TradeEvent.CANCELED")
    )
    time.sleep(0.2)
    listener.heard.clear()
    yield listener
    listener.stop()


def names(heard: list[TradeUpdate]) -> list[str]:
    return [getattr(one.event, "value", one.event) for one in heard]


def test_an_order_is_told_as_pending_new_then_new_then_filled(
    exchange: Any, listener: Listener
) -> None:
    client = exchange.trading()
    order = client.submit_order(
        MarketOrderRequest(
            symbol="KO", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY
        )
    )
    heard = listener.wait(lambda heard: "fill" in names(heard))
    assert names(heard) == ["pending_new", "new", "fill"]
    assert heard[0].execution_id is None
    last = heard[-1]
    assert last.order.id == order.id
    assert (last.qty, last.position_qty) == (1, 1)
    assert last.order == client.get_order_by_id(order.id)


def test_the_last_event_of_every_order_equals_what_rest_answers(
    exchange: Any, listener: Listener
) -> None:
    client = exchange.trading()
    orders = [
        client.submit_order(
            MarketOrderRequest(
                symbol=symbol,
                qty=7,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.DAY,
            )
        )
        for symbol in ("KO", "PEP", "WMT", "JNJ", "PFE", "BAC", "WFC", "XOM")
    ]
    exchange.control(advance_to="2026-09-14T15:00:00Z")
    heard = listener.wait(lambda heard: names(heard).count("fill") == len(orders))
    for order in orders:
        mine = [update for update in heard if update.order.id == order.id]
        assert mine[-1].order == client.get_order_by_id(order.id)
        executed = [update for update in mine if update.qty is not None]
        assert sum(update.qty or 0 for update in executed) == 7
        ids = [update.execution_id for update in executed]
        assert len(set(ids)) == len(ids)


def test_a_cancellation_is_told(exchange: Any, listener: Listener) -> None:
    client = exchange.trading()
    order = client.submit_order(
        LimitOrderRequest(
            symbol="KO",
            qty=1,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.GTC,
            limit_price=1,
        )
    )
    client.cancel_order_by_id(order.id)
    heard = listener.wait(lambda heard: "canceled" in names(heard))
    assert heard[-1].order.status == OrderStatus.CANCELED
    assert exchange.control()["pending"] == 0


@pytest.mark.parametrize(
    "exchange", [("--fill-model", "realistic")], indirect=True, ids=["realistic"]
)
def test_a_replacement_is_told_on_its_way_and_when_it_loses(
    exchange: Any, listener: Listener
) -> None:
    client = exchange.trading()

    def told(order: Any) -> list[str]:
        return names([one for one in listener.heard if one.order.id == order.id])

    old = client.submit_order(
        LimitOrderRequest(
            symbol="KO",
            qty=2,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.DAY,
            limit_price=1,
        )
    )
    exchange.control(advance_to="2026-09-14T14:00:10Z")
    new = client.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=2))
    listener.wait(lambda _: "pending_replace" in told(old))
    assert client.get_order_by_id(old.id).status == OrderStatus.PENDING_REPLACE
    exchange.control(advance_to="2026-09-14T14:00:20Z")
    listener.wait(lambda _: "new" in told(new))
    assert told(old)[-3:] == ["new", "pending_replace", "replaced"]
    late = client.replace_order_by_id(new.id, ReplaceOrderRequest(limit_price=3))
    exchange.control("/control/prices", symbol="KO", print=1.5, size=1_000_000)
    exchange.control(advance_to="2026-09-14T14:00:30Z")
    listener.wait(lambda _: "order_replace_rejected" in told(new))
    assert told(new)[-3:] == ["pending_replace", "fill", "order_replace_rejected"]
    assert told(late) == ["pending_new", "accepted", "rejected"]
    statuses = [client.get_order_by_id(one.id).status for one in (old, new, late)]
    assert statuses == [OrderStatus.REPLACED, OrderStatus.FILLED, OrderStatus.REJECTED]


def test_events_can_be_lost_doubled_and_late(exchange: Any, listener: Listener) -> None:
    client = exchange.trading()

    def place(name: str) -> None:
        client.submit_order(
            LimitOrderRequest(
                symbol="KO",
                qty=1,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.GTC,
                limit_price=1,
                client_order_id=name,
            )
        )

    for kind in ("drop", "duplicate", "delay"):
        exchange.control(
            "/control/faults",
            kind=f"stream_{kind}",
            client_order_id=kind,
            seconds=0.5,
        )
        place(kind)
    place("last")
    heard = listener.wait(
        lambda heard: [one.order.client_order_id for one in heard].count("delay") == 2
    )
    told = [one.order.client_order_id for one in heard]
    assert told == ["duplicate"] * 4 + ["last"] * 2 + ["delay"] * 2


async def test_wrong_keys_and_broken_frames_hear_unauthorized_and_no_more(
    exchange: Any,
) -> None:
    async with websockets.connect(
        f"{exchange.stream_url}/stream", proxy=None
    ) as socket:
        for frame in ("{", "[1, 2]", b"\xff\xfe", '{"action": 5, "data": []}'):
            await socket.send(frame)
            answer = orjson.loads(await asyncio.wait_for(socket.recv(), 5))
            assert answer["data"]["status"] == "unauthorized"
        await socket.send(
            '{"action":"authenticate","data":{"key_id":"paper","secret_key":"no"}}'
        )
        frame = await asyncio.wait_for(socket.recv(), 5)
        # Binary frames, as the broker's paper stream sends them.
        assert isinstance(frame, bytes)
        assert orjson.loads(frame)["data"]["status"] == "unauthorized"
    assert exchange.trading().get_clock() is not None
