"""Every method of the broker's own stream clients, unchanged, against the exchange."""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from alpaca.data.enums import DataFeed
from alpaca.data.live import StockDataStream
from alpaca.data.models import Bar, Quote, Trade, TradingStatus
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import LimitOrderRequest
from alpaca.trading.stream import TradingStream
from broker_clients import public

pytestmark = pytest.mark.integration

MINUTE = "2026-09-14T14:{:02d}:00Z"


class Calls:
    """A client that notes which of its methods were called."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self._client, name)

    def on_its_loop(self, name: str) -> None:
        """Have a coroutine of the client run where the client does."""
        self.names.add(name)
        loop = self._client._loop
        asyncio.run_coroutine_threadsafe(getattr(self._client, name)(), loop).result(10)


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)


def test_the_market_data_stream(exchange: Any) -> None:
    stream = Calls(
        StockDataStream(
            "paper",
            "paper",
            feed=DataFeed.SIP,
            url_override=f"{exchange.stream_url}/v2/sip",
        )
    )
    heard: defaultdict[str, list[Any]] = defaultdict(list)

    def keep(channel: str) -> Callable[[Any], Any]:
        async def handler(message: Any) -> None:
            heard[channel].append(message)

        return handler

    exchange.control(advance_to=MINUTE.format(0))
    stream.subscribe_bars(keep("bars"), "KO", "PEP")
    stream.register_trade_cancels(keep("cancels"))
    stream.register_trade_corrections(keep("corrections"))
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    wait_until(lambda: stream._running)
    # The others are added to a stream that runs.
    stream.subscribe_trades(keep("trades"), "KO")
    stream.subscribe_quotes(keep("quotes"), "KO")
    stream.subscribe_daily_bars(keep("days"), "*")
    stream.subscribe_updated_bars(keep("updated"), "*")
    stream.subscribe_trading_statuses(keep("statuses"), "KO")
    minute = 0

    def pass_a_minute() -> None:
        nonlocal minute
        minute += 1
        exchange.control(advance_to=MINUTE.format(minute))

    while not (heard["bars"] and heard["trades"] and heard["days"] and minute > 3):
        pass_a_minute()
        time.sleep(0.1)
        assert minute < 50
    price = float(heard["trades"][-1].price)
    exchange.control("/control/prices", symbol="KO", print=round(price * 1.01, 2))
    exchange.control("/control/prices", symbol="KO", halt=True)
    wait_until(lambda: len(heard["statuses"]) == 1)
    halted = len(heard["trades"])
    assert heard["trades"][-1].price == round(price * 1.01, 2)
    pass_a_minute()
    pass_a_minute()
    exchange.control("/control/prices", symbol="KO", resume=True)
    wait_until(lambda: len(heard["statuses"]) == 2)
    assert len(heard["trades"]) == halted
    pass_a_minute()
    wait_until(lambda: len(heard["trades"]) > halted)

    kinds = {"bars": Bar, "days": Bar, "trades": Trade, "quotes": Quote}
    for channel, kind in kinds.items():
        assert {type(message) for message in heard[channel]} == {kind}
    assert {bar.symbol for bar in heard["bars"]} == {"KO", "PEP"}
    assert len({bar.symbol for bar in heard["days"]}) == 25
    assert {day.timestamp.hour for day in heard["days"]} == {4}
    statuses = heard["statuses"]
    assert {type(status) for status in statuses} == {TradingStatus}
    assert [status.status_code for status in statuses] == ["2", "3"]
    assert len(heard["quotes"]) == len(heard["trades"])
    # Nothing here is ever taken back, corrected or late.
    assert not (heard["cancels"] or heard["corrections"] or heard["updated"])

    stream.unsubscribe_bars("KO", "PEP")
    stream.unsubscribe_trades("KO")
    stream.unsubscribe_quotes("KO")
    stream.unsubscribe_updated_bars("*")
    stream.unsubscribe_trading_statuses("KO")
    before = {channel: len(messages) for channel, messages in heard.items()}
    pass_a_minute()
    wait_until(lambda: len(heard["days"]) > before["days"])
    stream.unsubscribe_daily_bars("*")
    for channel in ("bars", "trades", "quotes", "statuses"):
        assert len(heard[channel]) == before[channel]
    stream.on_its_loop("stop_ws")
    pass_a_minute()
    thread.join(20)
    assert not thread.is_alive()
    stream.stop()
    # It has been closed by then, which does no harm.
    asyncio.run(stream.close())
    assert stream.names >= public(StockDataStream)


def test_the_order_stream(exchange: Any) -> None:
    stream = Calls(
        TradingStream("paper", "paper", url_override=f"{exchange.stream_url}/stream")
    )
    events: list[str] = []

    async def keep(update: Any) -> None:
        events.append(str(getattr(update.event, "value", update.event)))

    exchange.control(advance_to=MINUTE.format(0))
    stream.subscribe_trade_updates(keep)
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    client = exchange.trading()

    def bid_and_cancel() -> None:
        order = client.submit_order(
            LimitOrderRequest(
                symbol="KO",
                qty=1,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.DAY,
                limit_price=1,
            )
        )
        client.cancel_order_by_id(order.id)
        time.sleep(0.1)

    def hears() -> bool:
        bid_and_cancel()
        # The stream may have begun in the middle of an order: not of the second one.
        return events.count("canceled") > 1

    wait_until(hears)
    last = len(events) - events[::-1].index("canceled")
    assert events[last - 3 : last] == ["pending_new", "new", "canceled"]
    # A lost connection is made again, and events go on.
    stream.on_its_loop("close")
    events.clear()
    wait_until(hears)
    stream.on_its_loop("stop_ws")
    bid_and_cancel()
    thread.join(20)
    assert not thread.is_alive()
    stream.stop()
    assert stream.names >= public(TradingStream)
