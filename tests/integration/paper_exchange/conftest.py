"""A real exchange process for each test, and the broker's own clients to talk to it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.requests import StockLatestTradeRequest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, OrderStatus, TimeInForce
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest

TOKEN = "control-token"
NUMBERS = count(1)
KEYS = {"APCA-API-KEY-ID": "paper", "APCA-API-SECRET-KEY": "paper"}
Start = Callable[..., "RunningExchange"]


@dataclass
class RunningExchange:
    """A process of the exchange and ways to reach it."""

    process: "subprocess.Popen[str]"
    url: str
    directory: Path

    @property
    def stream_url(self) -> str:
        return self.url.replace("http", "ws")

    def trading(self, key: str = "paper", secret: str = "paper") -> TradingClient:
        client = TradingClient(key, secret, url_override=self.url)
        client._retry = 0
        return client

    def data(self) -> StockHistoricalDataClient:
        return StockHistoricalDataClient("paper", "paper", url_override=self.url)

    def raw(self, method: str, path: str, **options: Any) -> httpx.Response:
        options.setdefault("headers", KEYS)
        return httpx.request(
            method, self.url + path, timeout=60, trust_env=False, **options
        )

    def control(self, path: str = "/control/clock", /, **body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        if not body:
            answer = self.raw("GET", path, headers=headers)
        else:
            answer = self.raw("POST", path, headers=headers, json=body)
        assert answer.is_success, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass
class Desk:
    """A fresh account on an exchange that all walks share, and its clients."""

    exchange: Any
    key: str
    trading: Any
    data: Any
    actions: Any

    def last(self, symbol: str = "KO") -> float:
        request = StockLatestTradeRequest(symbol_or_symbols=symbol)
        return float(self.data.get_stock_latest_trade(request)[symbol].price)

    def near(self, percent: float, symbol: str = "KO") -> float:
        return round(self.last(symbol) * (1 + percent / 100), 2)

    def buy(self, quantity: float = 10, symbol: str = "KO", **more: Any) -> Any:
        return self.trading.submit_order(
            MarketOrderRequest(
                symbol=symbol,
                qty=quantity,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.DAY,
                **more,
            )
        )

    def bid(self, price: float = 1.0, symbol: str = "KO", **more: Any) -> Any:
        return self.trading.submit_order(
            LimitOrderRequest(
                symbol=symbol,
                qty=more.pop("qty", 1),
                side=OrderSide.BUY,
                time_in_force=more.pop("time_in_force", TimeInForce.GTC),
                limit_price=price,
                **more,
            )
        )

    def hold(self, quantity: float, symbol: str = "KO") -> None:
        """Hold so many shares: one in ten fills is partial, so the rest is ordered."""
        while True:
            positions = self.trading.get_all_positions()
            held = {one.symbol: float(one.qty) for one in positions}
            left = quantity - held.get(symbol, 0.0)
            if left <= 0:
                return
            order = self.buy(left, symbol)
            if self.trading.get_order_by_id(order.id).status != OrderStatus.FILLED:
                self.trading.cancel_order_by_id(order.id)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start an exchange; the same directory name again continues it."""
    yield from _starter(tmp_path)


@pytest.fixture(scope="module")
def lasting_exchange(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningExchange]:
    """An exchange for all tests of a module that change nothing on it."""
    starter = _starter(tmp_path_factory.mktemp("lasting"))
    yield next(starter)()
    next(starter, None)


def _starter(tmp_path: Path) -> Iterator[Start]:
    running: list[RunningExchange] = []

    def start_one(*options: str, directory: str = "exchange") -> RunningExchange:
        data = tmp_path / directory
        data.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "paper_exchange", "--port", "0"]
        command += ["--data-dir", str(data), "--control-token", TOKEN, *options]
        log = (tmp_path / f"{directory}.log").open("a")
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
        )
        log.close()
        exchange = RunningExchange(process, "", data)
        running.append(exchange)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert " on http://" in line, (tmp_path / f"{directory}.log").read_text()
        exchange.url = line.split(" on ")[-1].strip()
        return exchange

    yield start_one
    for exchange in running:
        exchange.stop()
    for path in tmp_path.glob("*.log"):
        # Whatever a client does, the exchange does not fail over it.
        assert "Traceback" not in path.read_text(), path.read_text()[-5_000:]


@pytest.fixture
def exchange(request: pytest.FixtureRequest, start: Start) -> RunningExchange:
    """An exchange with the default market, its clock stopped at 09:25 on a Monday.

    A parameter adds options to its command.
    """
    return start(*getattr(request, "param", ()))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients obey proxy settings; the exchange is on this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def at_ten(lasting_exchange: RunningExchange) -> RunningExchange:
    """An exchange at ten o'clock, on which PFE was split and INTC was renamed."""
    exchange = lasting_exchange
    exchange.control("/control/prices", symbol="PFE", split=2, ex_date="2026-09-15")
    exchange.control("/control/prices", symbol="DIS", dividend=0.75)
    exchange.control("/control/prices", symbol="BAC", dividend=0.25)
    exchange.control("/control/prices", symbol="INTC", rename="CHIP")
    exchange.control(advance_to="2026-09-15T14:00:00Z")
    return exchange


@pytest.fixture
def desk(at_ten: RunningExchange) -> Iterator[Any]:
    key = f"desk-{next(NUMBERS)}"
    at_ten.control("/control/accounts", key=key, secret=key, cash=100_000)
    url = at_ten.url
    yield Desk(
        at_ten,
        key,
        at_ten.trading(key, key),
        StockHistoricalDataClient(key, key, url_override=url),
        CorporateActionsClient(key, key, url_override=url),
    )
