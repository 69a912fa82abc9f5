"""A real exchange process for each test, and the broker's own clients to talk to it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.trading.client import TradingClient

TOKEN = "control-token"
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
def exchange(start: Start) -> RunningExchange:
    """An exchange with the default market, its clock stopped at 09:25 on a Monday."""
    return start()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients obey proxy settings; the exchange is on this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
