"""Starts the real stack as a person would, and reads what it left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import psutil
from reserved_ports import reserved_ports
from sqlalchemy import Engine, create_engine

from trading_core.calendar import Calendar, xnys_sessions
from trading_system import login
from trading_system.clients import Services
from trading_system.clock import utc_now
from trading_system.config.settings import Settings
from trading_system.runtime import callers, run_file, urls
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.databases import OWNER
from trading_system.runtime.run_file import Run
from trading_system.runtime.secrets import Secrets

SYMBOLS = ("AAPL", "BAC", "MSFT", "SPY")
FIRST, LAST = date(2015, 3, 2), date(2015, 4, 30)
MODULES = ("paper_exchange", "trading_system", "trading_core", "trading_flows")


def write_bars(path: Path, seed: int = 11) -> Path:
    """Write hourly bars that move enough for momentum to trade, the same every time."""
    calendar = Calendar(xnys_sessions(FIRST, LAST))
    dice = np.random.default_rng(seed)
    frames = []
    for number, symbol in enumerate(SYMBOLS):
        starts = [
            start
            for session in calendar.sessions
            for start, _ in calendar.bars(session, "1Hour")
        ]
        steps = dice.normal(0, 0.008, len(starts)) + 0.004 * np.sin(
            np.arange(len(starts)) / (9 + number)
        )
        close = np.round(50 * (number + 1) * np.exp(np.cumsum(steps)), 2)
        open_ = np.round(np.concatenate([[close[0]], close[:-1]]), 2)
        spread = np.round(np.abs(dice.normal(0, 0.003, len(starts))) * close, 2)
        frames.append(
            pl.DataFrame(
                {
                    "symbol": symbol,
                    "timestamp": starts,
                    "open": open_,
                    "high": np.round(np.maximum(open_, close) + spread, 2),
                    "low": np.round(np.minimum(open_, close) - spread, 2),
                    "close": close,
                    "volume": dice.integers(10_000, 90_000, len(starts)).astype(float),
                },
                schema_overrides={"timestamp": pl.Datetime("us", "UTC")},
            )
        )
    pl.concat(frames).write_parquet(path)
    return path


@dataclass
class Stack:
    """A stack that a test started."""

    place: DataDirectory
    base: int
    up: list[str]
    supervisor: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def start(self, seconds: float = 240) -> None:
        """Start it in a process of its own, and wait until all of it is ready."""
        log = self.data / "up.log"
        with log.open("ab") as output:
            self.supervisor = subprocess.Popen(
                self.up, env=environment(), stdout=output, stderr=subprocess.STDOUT
            )
            said = output.tell()
        deadline = time.monotonic() + seconds
        while b"Dashboard:" not in log.read_bytes()[said:]:
            assert self.supervisor.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)

    def kill(self, name: str) -> None:
        """End a process at once, as `kill -9` does; the supervisor too by its name."""
        if name == "supervisor":
            assert self.supervisor is not None
            self.supervisor.kill()
            self.supervisor.wait()
            return
        os.kill(self.pid_of(name), signal.SIGKILL)

    def pid_of(self, name: str) -> int:
        """Return the process that a part of the stack is now."""
        return next(child.pid for child in self.run.children if child.name == name)

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.place.root

    @property
    def run(self) -> Run:
        """What its supervisor wrote about it."""
        found = run_file.read(self.place.run)
        assert found is not None
        return found

    @property
    def secrets(self) -> Secrets:
        """Its passwords and tokens."""
        return Secrets.open(self.place.secrets)

    def cli(
        self, *words: str, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of `trading` on this stack."""
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "trading_system.cli",
                *words,
                "--data-dir",
                str(self.data),
            ],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def json(self, *words: str) -> Any:
        """Return what a command says to programs."""
        done = self.cli(*words, "--json")
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def settings(self, caller: str = "cli") -> Settings:
        """Return settings with which a test asks the services."""
        plain = Settings(trading_data_dir=self.data)
        return callers.settings_of(plain, self.run, self.secrets, caller)

    def services(self, caller: str = "cli") -> Services:
        """Return the services as a caller sees them."""
        return Services(self.settings(caller), timeout=60)

    @contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        """Yield a client that is signed in to the dashboard."""
        gateway = self.run.urls["gateway"]
        secret = self.secrets.session.get_secret_value()
        with httpx.Client(
            base_url=gateway, follow_redirects=True, timeout=30, trust_env=False
        ) as client:
            client.get(login.link(gateway, secret, utc_now())).raise_for_status()
            yield client

    def engine(self) -> Engine:
        """Return the database, as its owner."""
        ports = (
            json.loads(self.place.ports.read_text())
            if (self.place.ports.exists())
            else {}
        )
        port = ports.get("postgres", self.base + 9)
        password = self.secrets.role_password(OWNER)
        return create_engine(urls.postgres(OWNER, password, port, "trading_system"))

    def broker(self, path: str) -> Any:
        """Ask the exchange what a client of its own would."""
        secrets = self.secrets
        answer = httpx.get(
            self.run.urls["exchange"] + path,
            headers={
                "APCA-API-KEY-ID": secrets.exchange_key.get_secret_value(),
                "APCA-API-SECRET-KEY": secrets.exchange_secret.get_secret_value(),
            },
            timeout=30,
            trust_env=False,
        )
        answer.raise_for_status()
        return answer.json()

    def market_time(self) -> datetime:
        """Return the exchange's time."""
        return datetime.fromisoformat(self.broker("/v2/clock")["timestamp"]).astimezone(
            UTC
        )

    def tape(self) -> list[dict[str, Any]]:
        """Return everything that the exchange wrote down."""
        (file,) = self.data.rglob("tape.jsonl")
        return [json.loads(line) for line in file.read_text().splitlines()]

    def wait_for_end(self, seconds: float = 420) -> None:
        """Wait until simulated time has reached its end."""
        deadline = time.monotonic() + seconds
        log = self.data / "up.log"
        while "market time has reached its end" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.5)


def left_of(run: Run) -> list[str]:
    """Return what still runs of a run: its children, and what carries its mark.

    What children started carries the mark; the database servers do not, as their
    environment is empty.
    """
    found = [child.name for child in run.children if child.process() is not None]
    for process in psutil.process_iter():
        try:
            if process.environ().get(run_file.RUN_VARIABLE) == run.run_id:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            # It has ended meanwhile, or is another user's.
            continue
    return found


def environment() -> dict[str, str]:
    """Return an environment that holds nothing of the person who tests."""
    ours = ("POSTGRES_", "REDIS_", "ALPACA_", "TRADING_", "PREFECT_", "SERVICE_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**kept, "TRADING_ENV_FILE": "", "NO_COLOR": "1"}


@contextmanager
def running_stack(*options: str, wait: float = 240) -> Iterator[Stack]:
    """Start a stack in a process of its own, and stop it at the end."""
    root = Path(tempfile.mkdtemp(prefix="trading-stack-"))
    root.chmod(0o755)
    place = DataDirectory(root / "data")
    place.root.mkdir()
    place.root.chmod(0o755)
    (place.root / "up.log").touch()
    with reserved_ports() as base:
        command = [
            *(sys.executable, "-m", "trading_system.cli", "up", "--no-browser"),
            *("--data-dir", str(place.root), "--port-base", str(base), *options),
        ]
        stack = Stack(place, base, command)
        try:
            stack.start(wait)
            yield stack
        finally:
            stack.cli("down")
            if (process := stack.supervisor) is not None:
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
            shutil.rmtree(root, ignore_errors=True)
