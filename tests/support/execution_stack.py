"""Execution as a process against the paper exchange, in lockstep, on a database."""

import json
import os
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from trading_execution.domain.client_id import client_order_id
from trading_execution.operations.orders import SALT
from trading_execution.repository import ExecutionTransaction
from trading_system.clock import monotonic, sleep
from trading_system.contracts.risk import OrderApproved
from trading_system.database import Database
from trading_system.personal_tokens import token_hash
from trading_system.vocabulary import Side, identity, new_id, order_id

TOKEN = "for-tests"
CONTROL = "control"
PATIENCE = 180.0


@dataclass
class Service:
    """The execution service as a process of its own."""

    environment: dict[str, str]
    log: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None
    crashes: list[str] = field(default_factory=list)

    def start(self) -> None:
        crash_at = self.crashes.pop(0) if self.crashes else ""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "trading_execution.app:create"]
                + ["--factory", "--port", str(self.port), "--log-level", "warning"],
                env={**os.environ, **self.environment, "CRASH_AT": crash_at},
                stdout=log,
                stderr=log,
            )

    def request(
        self, method: str, path: str, idempotency_key: str = "", **options: Any
    ) -> httpx.Response:
        return httpx.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            headers={
                "Authorization": f"Bearer {TOKEN}",
                "Idempotency-Key": idempotency_key,
            },
            timeout=30,
            trust_env=False,
            **options,
        )

    def died(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)

    def idle(self, sequence: int) -> bool:
        try:
            answer = self.request("GET", "/idle").json()
        except (httpx.HTTPError, json.JSONDecodeError):
            return False
        return bool(answer.get("idle")) and int(answer["sequence"]) >= sequence


@dataclass
class Stack:
    """An exchange, a database and the service, and what risk would say to it."""

    exchange: str
    tape: Path
    service: Service
    database: Database[ExecutionTransaction]
    approved: list[OrderApproved] = field(default_factory=list)

    def control(self, what: str = "clock", **body: Any) -> dict[str, Any]:
        answer = httpx.request(
            "POST" if body else "GET",
            f"{self.exchange}/control/{what}",
            headers={"Authorization": f"Bearer {CONTROL}"},
            json=body or None,
            timeout=60,
            trust_env=False,
        )
        assert answer.is_success, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def clear_faults(self) -> None:
        """Let the exchange answer as it should again."""
        httpx.request(
            "DELETE",
            f"{self.exchange}/control/faults",
            headers={"Authorization": f"Bearer {CONTROL}"},
            trust_env=False,
        ).raise_for_status()

    def move(self, symbol: str, price: Decimal) -> None:
        """Trade a symbol at a price, and let the market meet it."""
        self.control("prices", symbol=symbol, print=str(price))
        self.advance(self.now + timedelta(minutes=1))

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self.control()["now"])

    def advance(self, to: datetime) -> None:
        self.control(advance_to=to.isoformat())

    def advance_to(self, moment: str) -> None:
        """Move the market to the next open or close."""
        self.advance(datetime.fromisoformat(self.read("/v2/clock")[moment]))

    def cancel(self, order_id: str) -> None:
        """Cancel an order as somebody else at the broker would."""
        httpx.delete(
            f"{self.exchange}/v2/orders/{order_id}",
            headers={"APCA-API-KEY-ID": "paper", "APCA-API-SECRET-KEY": "paper"},
            trust_env=False,
        ).raise_for_status()

    def approve(
        self, symbol: str, side: Side, quantity: int, **more: Any
    ) -> OrderApproved:
        signal = identity("signal", new_id())
        values: dict[str, Any] = {
            "outcome_id": new_id(),
            "signal_id": signal,
            "order_id": order_id(signal),
            "strategy": "momentum_strategy",
            "symbol": symbol,
            "side": side,
            "quantity": Decimal(quantity),
            "decision_price": Decimal(100),
            "reduces": side is Side.SELL,
            "valid_until": self.now + timedelta(days=2),
            "market_time": self.now,
            "correlation_id": new_id(),
        }
        event = OrderApproved(**values | more)
        with self.database.transaction() as tx:
            tx.publish(event)
        self.approved.append(event)
        return event

    def approve_together(
        self, orders: list[dict[str, Any]], *, hold_back: bool = False
    ) -> list[OrderApproved]:
        """Approve orders in one transaction; `tell` says so when they are held back."""
        now = self.now
        shared: dict[str, Any] = {
            "strategy": "momentum_strategy",
            "decision_price": Decimal(100),
            "reduces": False,
            "valid_until": now + timedelta(days=2),
            "market_time": now,
        }
        found = [
            OrderApproved(
                **{"outcome_id": new_id(), "correlation_id": new_id()} | shared | each
            )
            for each in orders
        ]
        if not hold_back:
            self.tell(found)
        return found

    def tell(self, approved: list[OrderApproved]) -> None:
        """Say that orders were approved, as one fact."""
        with self.database.transaction() as tx:
            for event in approved:
                tx.publish(event)
        self.approved += approved

    def client_id(self, approved: OrderApproved) -> str:
        """Return the name under which the broker will know an order."""
        with self.database.read_only() as tx:
            return client_order_id(
                tx.mode,
                tx.account_id,
                approved.signal_id,
                0,
                0,
                str(tx.config(SALT) or ""),
            )

    def wait_for(self, query: str, **values: Any) -> None:
        """Wait until a query finds something."""
        until = monotonic() + PATIENCE
        while not self.sql(query, **values):
            assert monotonic() < until, self.service.log.read_text()[-3000:]
            sleep(0.02)

    def order(self, approved: OrderApproved) -> dict[str, Any]:
        answer = self.service.request("GET", f"/orders/{approved.order_id}")
        found: dict[str, Any] = answer.json()
        return found

    def rest(self) -> None:
        """Wait until the service has nothing left to do; start it again if it died."""
        [(sequence,)] = self.sql("select coalesce(max(seq), 0) from shared.events")
        until, agreed = monotonic() + PATIENCE, 0
        while agreed < 2:
            if self.service.died():
                self.service.start()
                until = monotonic() + PATIENCE
            at_rest = self.service.idle(sequence) and not self.control()["pending"]
            agreed = agreed + 1 if at_rest else 0
            assert monotonic() < until, self.service.log.read_text()[-3000:]
            sleep(0.02)

    def sql(self, statement: str, **values: Any) -> Any:
        with self.database.transaction() as tx:
            result = tx.session.execute(text(statement), values)
            return result.all() if result.returns_rows else None

    def read(self, path: str) -> Any:
        answer = httpx.get(
            self.exchange + path,
            headers={"APCA-API-KEY-ID": "paper", "APCA-API-SECRET-KEY": "paper"},
            trust_env=False,
        )
        return json.loads(answer.text, parse_float=Decimal)

    def replace(self, order_id: str, **changes: str) -> dict[str, Any]:
        """Replace an order as somebody else at the broker would."""
        answer = httpx.patch(
            f"{self.exchange}/v2/orders/{order_id}",
            headers={"APCA-API-KEY-ID": "paper", "APCA-API-SECRET-KEY": "paper"},
            json=changes,
            trust_env=False,
        )
        assert answer.is_success, answer.text
        replaced: dict[str, Any] = answer.json()
        return replaced

    def assert_books_equal_the_tape(self) -> None:
        """Judge by the exchange's own tape: one order an approval, every fill once."""
        placed: dict[str, set[str]] = defaultdict(set)
        shares: dict[str, Decimal] = defaultdict(Decimal)
        filled: dict[str, Decimal] = defaultdict(Decimal)
        cash = Decimal(100_000)
        for line in self.tape.read_text().splitlines():
            entry = json.loads(line, parse_float=Decimal)
            if entry["kind"] == "order":
                placed[entry["client_order_id"]].add(entry["id"])
            if entry["kind"] == "fill":
                sign = 1 if entry["side"] == "buy" else -1
                quantity, price = Decimal(entry["qty"]), Decimal(entry["price"])
                shares[entry["symbol"]] += sign * quantity
                cash -= sign * quantity * price
                filled[entry["order_id"]] += quantity
        with self.database.read_only() as tx:
            account = tx.account_id
            rows = tx.orders.page(statuses=None, symbol=None, before=None, limit=1000)
            ours = {
                row.client_order_id: {row.broker_order_id}
                for row in rows
                if row.broker_order_id
            }
            by_order = {
                row.broker_order_id: row.filled_quantity
                for row in rows
                if row.filled_quantity
            }
            ledger, held = tx.books.quantities(account), tx.books.positions(account)
            booked_cash = tx.books.cash(account)
        assert dict(placed) == ours, f"{dict(placed)} {ours}"
        assert dict(filled) == by_order
        assert {s: q for s, q in shares.items() if q} == ledger
        assert {p.symbol: p.quantity for p in held} == ledger
        assert booked_cash == cash == Decimal(self.read("/v2/account")["cash"])


@contextmanager
def running_stack(
    database_url: str,
    redis_url: str,
    directory: Path,
    *options: str,
    speed: str = "max",
) -> Iterator[Stack]:
    """A stack in the middle of a session, the clock standing; options of the exchange.

    At any other speed than `max` execution relies on the stream, as in paper and live.
    """
    data = directory / "exchange"
    exchange = subprocess.Popen(
        [sys.executable, "-m", "paper_exchange", "--port", "0", "--data-dir", str(data)]
        + ["--control-token", CONTROL, "--cash", "100000", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert exchange.stdout is not None
    url = exchange.stdout.readline().split()[-1]
    database = Database.connect(database_url, ExecutionTransaction, "test")
    service = Service(
        {
            "TRADING_MODE": "simulated",
            "SIMULATION_SPEED": speed,
            "TRADING_ENV_FILE": "",
            "TRADING_DATA_DIR": str(directory / "data"),
            "POSTGRES_URL": database_url,
            "REDIS_URL": redis_url,
            "ALPACA_API_KEY": "paper",
            "ALPACA_SECRET_KEY": "paper",
            "ALPACA_BASE_URL": url,
            "ALPACA_DATA_URL": url,
            "SERVICE_TOKEN_HASHES": json.dumps(
                {token_hash(TOKEN): {"caller": "test", "scopes": ["admin"]}}
            ),
        },
        directory / "service.log",
        unused_port(),
        # Its very first start ends before the books are open.
        crashes=["before_opening:1"],
    )
    stack = Stack(url, data / "tape.jsonl", service, database)
    try:
        prepare(stack, stack.read("/v2/account")["account_number"])
        service.start()
        opens = datetime.fromisoformat(stack.read("/v2/clock")["next_open"])
        stack.advance(opens + timedelta(minutes=30))
        yield stack
    finally:
        service.kill()
        exchange.terminate()
        exchange.wait(20)
        exchange.stdout.close()
        database.close()


def unused_port() -> int:
    """A port of the range that outgoing connections use: others look elsewhere."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prepare(stack: Stack, account: str) -> None:
    for key, value in (("account_id", account), ("mode", "simulated")):
        stack.sql(
            "insert into shared.system_config (config_key, config_value)"
            " values (:key, to_jsonb(cast(:value as text))) on conflict (config_key)"
            " do update set config_value = excluded.config_value",
            key=key,
            value=value,
        )
    stack.sql(
        "insert into risk_management.trading_state"
        " (account_id, state, level, reason, set_by)"
        " values (:account, 'ACTIVE', 0, 'test', 'test')",
        account=account,
    )
