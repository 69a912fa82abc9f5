"""The processes of one seed, and how the harness reaches them."""

import json
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from trading_chaos.oracle import MARK
from trading_chaos.parts import Part, run
from trading_chaos.plan import LISTENERS
from trading_chaos.servers import Servers

from trading_system.clock import monotonic, sleep
from trading_system.crash import SAID
from trading_system.personal_tokens import token_hash
from trading_system.runtime.ports import free_port

TOKEN, CONTROL, SECRET = "chaos-token", "chaos-control", "PKCANARY-chaos-secret"
KEY = "chaos-key"
CASH = 100_000
DAY = date(2026, 9, 14)
SPEED = 60.0
START_FAILED = 3
"""How uvicorn ends when the database is away at the start."""

START = 45.0
"""Seconds within which a seed's processes must first be ready."""


def context() -> BaseContext:
    """Return how processes are made: from one that has imported everything, if so."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["trading_chaos.parts"])
    return made


@dataclass
class Process:
    """One part, alive or not; each start may have a point at which it ends itself."""

    part: Part
    crashes: list[str] = field(default_factory=list)
    process: BaseProcess | None = None
    crash_at: str = ""
    killed: bool = False
    asleep_until: float | None = None

    def start(self, made: BaseContext, jump: "Synchronized[float]") -> None:
        """Start it, with the next point at which it is to end itself."""
        self.crash_at = self.crashes.pop(0) if self.crashes else ""
        self.killed, self.asleep_until = False, None
        target = made.Process(  # type: ignore[attr-defined]
            target=run, args=(self.part, self.crash_at, jump), daemon=True
        )
        target.start()
        self.process = target

    @property
    def alive(self) -> bool:
        """Whether it runs, or sleeps."""
        return self.process is not None and self.process.is_alive()

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None and self.process.is_alive():
            self.killed = True
            self.process.kill()
            self.process.join(10)

    def send(self, number: int) -> None:
        """Send it a signal."""
        if self.process is not None and self.process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


@dataclass
class Cell:
    """A seed's exchange, database, executors and risk, two of each, and a listener."""

    servers: Servers
    directory: Path
    name: str
    made: BaseContext
    mutant: str | None = None
    hurried: bool = True
    """Whether the programs' patience with each other is cut."""
    processes: dict[str, Process] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    closes: dict[str, float] = field(default_factory=dict)
    account: str = ""
    opened: datetime = datetime.min
    seen: datetime = datetime.min
    """The exchange's time when it was last asked."""
    undisturbed: bool = False
    opened_in: float = 0.0
    """Seconds that it took until orders could be placed."""

    def __post_init__(self) -> None:
        self.jump: "Synchronized[float]" = self.made.Value("d", 0.0)
        self.url = self.servers.create_database(self.name)
        self.engine: Engine = create_engine(
            self.url, pool_pre_ping=True, connect_args={"options": "-c timezone=UTC"}
        )
        names = ("exchange", "risk", "risk-2", *LISTENERS)
        self.ports = {name: free_port() for name in names}
        self.ports |= {f"execution-{number}": free_port() for number in (1, 2)}
        self.http = httpx.Client(timeout=10, trust_env=False)

    # Processes --------------------------------------------------------------------

    def open(
        self,
        crashes: Mapping[str, list[str]],
        symbols: tuple[str, ...],
        listener: str,
    ) -> None:
        """Start everything at half an hour into the session, ready to trade."""
        self._start_exchange()
        self._fill_database(symbols)
        began = monotonic()
        for name, program in (
            ("execution-1", "execution"),
            ("risk", "risk"),
            ("execution-2", "execution"),
            ("risk-2", "risk"),
            (listener, listener),
        ):
            part = Part(
                name,
                program,
                self.ports[name],
                self.directory / f"{name}.log",
                self._environment(name),
                mutant=self.mutant,
                hurried=self.hurried,
            )
            self.processes[name] = Process(part, list(crashes.get(name, ())))
            self.processes[name].start(self.made, self.jump)
        self._wait_until_it_trades()
        self.opened_in = monotonic() - began

    def _start_exchange(self) -> None:
        data = self.directory / "exchange"
        data.mkdir()
        arguments = (
            *("--port", str(self.ports["exchange"]), "--data-dir", str(data)),
            *("--control-token", CONTROL, "--cash", str(CASH)),
            *("--key", KEY, "--secret", SECRET, "--rate-limit", "100000"),
        )
        log = self.directory / "exchange.log"
        part = Part("exchange", "exchange", self.ports["exchange"], log, {}, arguments)
        self.processes["exchange"] = Process(part)
        self.processes["exchange"].start(self.made, self.jump)
        self.until(self._exchange_answers, START, "the exchange did not start")
        opens = datetime.fromisoformat(self.broker("/v2/clock")["next_open"])
        self.opened = self.seen = opens + timedelta(minutes=30)
        self.control("clock", advance_to=self.opened.isoformat())

    def _exchange_answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return self.http.get(self.base("exchange") + "/health").is_success
        return False

    def _environment(self, name: str) -> dict[str, str]:
        exchange = self.base("exchange")
        keys = {"ALPACA_API_KEY": KEY, "ALPACA_SECRET_KEY": SECRET}
        return {
            **(keys if name.startswith("execution") else {}),
            "TRADING_MODE": "simulated",
            "SIMULATION_SPEED": str(SPEED),
            "TRADING_ENV_FILE": "",
            "TRADING_DATA_DIR": str(self.directory / "data"),
            "POSTGRES_URL": self.url,
            "REDIS_URL": self.servers.redis_url,
            "ALPACA_BASE_URL": exchange,
            "ALPACA_DATA_URL": exchange,
            "LOG_LEVEL": "INFO",
            "SERVICE_TOKEN_HASHES": json.dumps(
                {token_hash(TOKEN): {"caller": "chaos", "scopes": ["admin"]}}
            ),
        }

    def _fill_database(self, symbols: tuple[str, ...]) -> None:
        (self.directory / "data").mkdir()
        self.account = self.broker("/v2/account")["account_number"]
        query = f"/v2/stocks/trades/latest?symbols={','.join(symbols)}&feed=iex"
        trades = self.broker(query)["trades"]
        self.closes = {symbol: float(trades[symbol]["p"]) for symbol in symbols}
        facts = {"account_id": self.account, "mode": "simulated"}
        opens = self.opened - timedelta(minutes=30)
        with self.engine.begin() as connection:
            for key, value in facts.items():
                connection.execute(
                    text(
                        "insert into shared.system_config (config_key, config_value)"
                        " values (:key, to_jsonb(cast(:value as text)))"
                    ),
                    {"key": key, "value": value},
                )
            for day in range(5):
                begins = opens + timedelta(days=day)
                connection.execute(
                    text(
                        "insert into shared.sessions (day, open, close)"
                        " values (:day, :open, :close)"
                    ),
                    {
                        "day": DAY + timedelta(days=day),
                        "open": begins,
                        "close": begins + timedelta(hours=6.5),
                    },
                )

    def _wait_until_it_trades(self) -> None:
        def trades() -> bool:
            self.tend()
            found = self.scalar(
                "select exists (select from risk_management.books_state where clean)"
                " and exists (select from risk_management.trading_state"
                " where state = 'ACTIVE')"
            )
            return found is True

        self.until(trades, START, "the books were not opened")
        for limit, value in (("max_orders_per_day", 5000), ("max_orders_per_bar", 200)):
            self.ask(
                "PUT",
                "risk",
                "/limits",
                {
                    "limit_type": limit,
                    "limit_value": str(value),
                    "reason": "chaos",
                    "by": "chaos",
                },
            )
        self.control("clock", run=SPEED)

    def tend(self) -> None:
        """Start again what has ended, and wake what has slept enough."""
        for process in self.processes.values():
            if process.asleep_until is not None and monotonic() > process.asleep_until:
                process.send(signal.SIGCONT)
                process.asleep_until = None
            if process.alive:
                continue
            if process.process is not None and not process.killed:
                self._note_end(process)
            process.start(self.made, self.jump)
            if process.part.name == "exchange":
                self.until(self._exchange_answers, START, "no exchange any more")
                self._put_faults()

    def stand_still(self, seconds: float) -> None:
        """Have everything stand still at once, as when a laptop is closed."""
        asleep = [each for each in self.processes.values() if each.alive]
        for process in asleep:
            process.send(signal.SIGSTOP)
        with self.servers.asleep():
            sleep(seconds)
        for process in asleep:
            if process.asleep_until is None:
                process.send(signal.SIGCONT)

    def _note_end(self, process: Process) -> None:
        assert process.process is not None
        exit_code = process.process.exitcode
        if exit_code == -signal.SIGKILL and process.crash_at:
            said = process.part.log.read_text(errors="replace").rpartition(SAID)[2]
            self.hits[said.split()[0]] += 1
            return
        if exit_code == START_FAILED:
            self.kills["failed start"] += 1
            return
        raise RuntimeError(
            f"{process.part.name} ended by itself with {exit_code}:"
            f" {process.part.log.read_text()[-2000:]}"
        )

    def calm(self) -> None:
        """End every disturbance: nobody sleeps, no point is deadly, no fault is on."""
        self.undisturbed = True
        for process in self.processes.values():
            process.crashes.clear()
            if process.asleep_until is not None:
                process.send(signal.SIGCONT)
                process.asleep_until = None
            if process.crash_at:
                # It would go on looking for its end: a start is a recovery.
                process.kill()
        self.servers.start()
        (self.directory / "data" / "KILL").unlink(missing_ok=True)
        self.tend()
        self.http.delete(
            f"{self.base('exchange')}/control/faults",
            headers={"Authorization": f"Bearer {CONTROL}"},
        ).raise_for_status()

    def close(self) -> None:
        """End everything of this seed."""
        for process in self.processes.values():
            process.send(signal.SIGCONT)
            process.kill()
        self.http.close()
        self.engine.dispose()
        self.servers.drop_database(self.name)

    # Reaching them ----------------------------------------------------------------

    def base(self, name: str) -> str:
        """Return a process's address."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def control(self, what: str, **body: Any) -> Any:
        """Tell the exchange's control API something, or read its clock."""
        answer = self.http.request(
            "POST" if body else "GET",
            f"{self.base('exchange')}/control/{what}",
            headers={"Authorization": f"Bearer {CONTROL}"},
            json=body or None,
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json()

    def mark(self, price: float, patience: float = 8.0) -> bool:
        """Put a mark on the tape: a trade, at a price that says what is marked."""
        until = monotonic() + patience
        while monotonic() < until:
            with suppress(httpx.HTTPError):
                self.control("prices", symbol=MARK, print=price)
                return True
            sleep(0.05)
        return False

    def inject(self, faults: list[dict[str, Any]]) -> None:
        """Have the exchange misbehave, also after it was killed."""
        self.faults = faults
        self._put_faults()

    def _put_faults(self) -> None:
        for fault in () if self.undisturbed else self.faults:
            self.control("faults", **fault)

    def broker(self, path: str) -> Any:
        """Ask the exchange as a client would, and again when it is away."""
        keys = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
        answer = self.http.get(self.base("exchange") + path, headers=keys)
        answer.raise_for_status()
        return answer.json()

    def ask(
        self,
        method: str,
        name: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        patience: float = 8.0,
    ) -> httpx.Response | None:
        """Ask a service until it answers; None when it does not."""
        until = monotonic() + patience
        while monotonic() < until:
            with suppress(httpx.HTTPError):
                answer = self.http.request(
                    method,
                    self.base(name) + path,
                    json=body,
                    headers={"Authorization": f"Bearer {TOKEN}", **(headers or {})},
                    timeout=5,
                )
                if answer.status_code < 500:
                    return answer
            sleep(0.05)
        return None

    def market_time(self) -> datetime:
        """Return the exchange's time, or when it is away one that has passed."""
        with suppress(httpx.HTTPError):
            self.seen = datetime.fromisoformat(self.control("clock")["now"])
        return self.seen

    def scalar(self, query: str, **values: Any) -> Any:
        """Return one value from the database, None while it is away."""
        with suppress(SQLAlchemyError):
            with self.engine.connect() as connection:
                return connection.scalar(text(query), values)
        return None

    def until(self, true: Callable[[], bool], seconds: float, complaint: str) -> None:
        """Wait for something."""
        deadline = monotonic() + seconds
        while not true():
            if monotonic() > deadline:
                raise TimeoutError(complaint)
            sleep(0.03)
