"""A desk on a real database, with a scripted broker at the port."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from trading_execution.domain.lookup import Patience
from trading_execution.domain.order_status import TERMINAL, OrderStatus
from trading_execution.models import Order
from trading_execution.operations import (
    combos,
    fills,
    opening,
    orders,
    reconcile,
    replacing,
    resolve,
    submit,
)
from trading_execution.operations.desk import KILL_FILE, Desk
from trading_execution.operations.lease import Lease
from trading_execution.ports import (
    Acknowledged,
    Answer,
    BrokerAccount,
    BrokerActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    OrderTicket,
    Refused,
    StreamUpdate,
    Unclear,
)
from trading_execution.repository import ExecutionTransaction
from trading_system.clock import ClockReading, MarketClock
from trading_system.contracts.risk import ComboLeg, OrderApproved
from trading_system.database import Database
from trading_system.errors import Unavailable
from trading_system.models import LoggedEvent
from trading_system.vocabulary import Side, identity, new_id, order_id

OPEN = datetime(2026, 9, 14, 14, tzinfo=UTC)
"""A Monday, half an hour into the session."""

CASH = Decimal(100_000)
IMPATIENT = Patience(timedelta(0), timedelta(hours=1), misses=1)


class FakeBroker:
    """A broker with a truth of its own, that answers as a test's script says.

    `script` holds what becomes of the next calls to place an order: "accept", "lose"
    (it never arrives), "accept and lose the answer", "refuse". When it is empty,
    orders are accepted.
    """

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self.now = OPEN
        self.is_open = True
        self.away = False
        self.script: list[str] = []
        self.calls: list[str] = []
        self.replaced: list[str] = []
        """The orders in whose place others were to go, call by call."""
        self.orders: dict[str, BrokerOrder] = {}
        self.executions: list[BrokerFill] = []
        self.bookings: list[BrokerActivity] = []
        self.hidden: set[str] = set()
        self.prices: dict[str, Decimal] = {}
        self.closes: dict[str, Decimal] = {}
        self.foreign_shares: dict[str, Decimal] = {}
        self.cash_error = Decimal(0)
        self.room = 1_000
        self.before_submit: Callable[[], None] = lambda: None

    def clock(self) -> ClockReading:
        self._answer()
        close = self.now.replace(hour=20, minute=0)
        following = self.now + timedelta(days=1)
        return ClockReading(self.now, self.is_open, following, close, 0.0)

    def account(self) -> BrokerAccount:
        self._answer()
        cash = self.cash()
        value = sum(
            (p.quantity * (p.current_price or 0) for p in self.positions()), Decimal(0)
        )
        return BrokerAccount(
            "id-" + self.account_id,
            self.account_id,
            cash,
            cash + value,
            CASH,
            cash,
            False,
        )

    def cash(self) -> Decimal:
        paid = sum(
            (
                -fill.quantity * fill.price * (1 if fill.side == "buy" else -1)
                for fill in self.executions
            ),
            Decimal(0),
        )
        booked = sum((booking.amount for booking in self.bookings), Decimal(0))
        return CASH + paid + booked + self.cash_error

    def capacity(self) -> int:
        return self.room

    def submit(self, ticket: OrderTicket) -> Answer:
        self.before_submit()
        self.calls.append(ticket.client_order_id)
        wanted = self.script.pop(0) if self.script else "accept"
        if ticket.replaces is not None:
            self.replaced.append(ticket.replaces)
        if wanted == "lose":
            return Unclear("no answer: ReadTimeout")
        if wanted == "refuse":
            return Refused("insufficient buying power", 403)
        if ticket.client_order_id in self.orders:
            return Unclear("client_order_id must be unique", 422)
        name = str(new_id())
        if ticket.replaces is not None:
            old = self._by_id()[ticket.replaces]
            if old.status in TERMINAL:
                return Refused("order already replaced", 422)
            ended = replace(
                old, status=OrderStatus.CANCELED, said="replaced", replaced_by=name
            )
            self.orders[old.client_order_id] = ended
        placed = BrokerOrder(
            broker_order_id=name,
            client_order_id=ticket.client_order_id,
            symbol=ticket.symbol,
            side=ticket.side,
            status=OrderStatus.ACCEPTED,
            said="new",
            quantity=ticket.quantity,
            filled_quantity=Decimal(0),
            average_price=None,
        )
        self.orders[ticket.client_order_id] = placed
        if wanted == "accept and lose the answer":
            return Unclear("no answer: ReadTimeout")
        return Acknowledged(placed, 200)

    def by_client_order_id(self, client_order_id: str) -> BrokerOrder | None:
        self._answer()
        if client_order_id in self.hidden:
            return None
        return self.orders.get(client_order_id)

    def order(self, broker_order_id: str) -> BrokerOrder | None:
        self._answer()
        return self._by_id().get(broker_order_id)

    def open_orders(self) -> list[BrokerOrder]:
        self._answer()
        return [
            order
            for order in self.orders.values()
            if order.status not in TERMINAL and order.client_order_id not in self.hidden
        ]

    def cancel(self, broker_order_id: str) -> None:
        self._answer()
        order = self._by_id()[broker_order_id]
        if order.status not in TERMINAL:
            self.end(order.client_order_id, OrderStatus.CANCELED)

    def positions(self) -> list[BrokerPosition]:
        self._answer()
        shares = dict(self.foreign_shares)
        for fill in self.executions:
            sign = 1 if fill.side == "buy" else -1
            shares[fill.symbol] = (
                shares.get(fill.symbol, Decimal(0)) + sign * fill.quantity
            )
        return [
            BrokerPosition(
                symbol,
                quantity,
                Decimal(10),
                self.prices.get(symbol),
                self.closes.get(symbol),
            )
            for symbol, quantity in sorted(shares.items())
            if quantity
        ]

    def fills_after(self, moment: datetime) -> list[BrokerFill]:
        self._answer()
        return [fill for fill in self.executions if fill.time >= moment]

    def activities_after(self, moment: datetime) -> list[BrokerActivity]:
        self._answer()
        return [b for b in self.bookings if b.time >= moment]

    def last_prices(self, symbols: Sequence[str]) -> dict[str, Decimal]:
        self._answer()
        return {s: self.prices[s] for s in symbols if s in self.prices}

    def fill(
        self, client_order_id: str, quantity: str, price: str, *, late: bool = False
    ) -> StreamUpdate:
        """Execute a part of an order; return what the stream says of it."""
        order = self.orders[client_order_id]
        amount, total = Decimal(quantity), order.filled_quantity + Decimal(quantity)
        whole = total == order.quantity
        status = OrderStatus.FILLED if whole else OrderStatus.PARTIALLY_FILLED
        if late:
            status = order.status or status
        seen = replace(
            order,
            filled_quantity=total,
            average_price=Decimal(price),
            status=status,
            said=status.lower(),
        )
        self.orders[client_order_id] = seen
        executed = BrokerFill(
            broker_order_id=order.broker_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=amount,
            price=Decimal(price),
            cumulative_quantity=total,
            time=self.now,
            source="activities",
            is_last=whole,
            activity_id=str(new_id()),
        )
        self.executions.append(executed)
        told = replace(executed, source="stream", activity_id=None, execution_id="x")
        return StreamUpdate("fill" if whole else "partial_fill", seen, told)

    def replace_by_itself(
        self, client_order_id: str, quantity: str, price: str
    ) -> tuple[StreamUpdate, str]:
        """Put another order in the place of one, as nobody here has asked for.

        Returns what the stream says of the old one, and the name of the new one.
        """
        old = self.orders[client_order_id]
        new = replace(
            old,
            broker_order_id=str(new_id()),
            client_order_id=str(new_id()),
            quantity=Decimal(quantity),
            filled_quantity=Decimal(0),
            average_price=None,
            order_type="limit",
            time_in_force="day",
            limit_price=Decimal(price),
            status=OrderStatus.ACCEPTED,
            said="new",
            replaces=old.broker_order_id,
        )
        ended = replace(
            old,
            status=OrderStatus.CANCELED,
            said="replaced",
            replaced_by=new.broker_order_id,
        )
        self.orders |= {client_order_id: ended, new.client_order_id: new}
        return StreamUpdate("replaced", ended, None), new.client_order_id

    def end(self, client_order_id: str, status: OrderStatus) -> StreamUpdate:
        """End an order; return what the stream says of it."""
        seen = replace(self.orders[client_order_id], status=status, said=status.lower())
        self.orders[client_order_id] = seen
        return StreamUpdate(status.lower(), seen, None)

    def _by_id(self) -> dict[str, BrokerOrder]:
        return {order.broker_order_id: order for order in self.orders.values()}

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("The broker did not answer.")


class FakeStream:
    """A stream that tells what a test makes it tell."""

    def __init__(self) -> None:
        self.connected = True
        self.suspected = 0

    def start(
        self,
        on_update: Callable[[StreamUpdate], None],
        on_connect: Callable[[], None],
    ) -> None:
        self.tell, self.reconnect = on_update, on_connect

    def stop(self) -> None:
        self.connected = False

    def suspect(self) -> None:
        self.suspected += 1


@dataclass
class Bench:
    """A desk with its broker, and shorthand for what happens to them."""

    desk: Desk
    broker: FakeBroker
    account_id: str
    database: Database[ExecutionTransaction]
    sequence: int = field(default=0)

    def approve(self, symbol: str = "AAPL", **changes: Any) -> OrderApproved:
        """Have an order written as risk's approval would."""
        approved = self._approved(symbol=symbol, **changes)
        with self.database.transaction() as tx:
            orders.create(tx, [approved])
        return approved

    def _approved(self, **changes: Any) -> OrderApproved:
        signal = changes.pop("signal", None) or identity("signal", new_id())
        values: dict[str, Any] = {
            "outcome_id": new_id(),
            "signal_id": signal,
            "order_id": order_id(signal),
            "strategy": "momentum_strategy",
            "symbol": "AAPL",
            "side": Side.BUY,
            "quantity": Decimal(10),
            "decision_price": Decimal(100),
            "reduces": False,
            "valid_until": OPEN + timedelta(hours=2),
            "market_time": self.broker.now,
            "correlation_id": new_id(),
        }
        return OrderApproved(**values | changes)

    def approve_combo(
        self, *legs: tuple[str, Side, str], **changes: Any
    ) -> list[OrderApproved]:
        """Have legs of one intent written as risk's approvals would."""
        combo, found = new_id(), []
        for number, (symbol, side, quantity) in enumerate(legs, start=1):
            place = ComboLeg(combo_id=combo, leg=number, legs=len(legs))
            signal = identity("leg", combo, number)
            found.append(
                self._approved(
                    symbol=symbol,
                    side=side,
                    quantity=Decimal(quantity),
                    signal=signal,
                    combo=place,
                    **changes,
                )
            )
        with self.database.transaction() as tx:
            combos.write(tx, found)
            orders.create(tx, found)
        return found

    def order(self, approved: OrderApproved) -> Order:
        with self.database.read_only() as tx:
            return tx.orders.get(approved.order_id)

    def status(self, approved: OrderApproved) -> str:
        return self.order(approved).status

    def client_id(self, approved: OrderApproved) -> str:
        return self.order(approved).client_order_id

    def sql(self, statement: str, **values: Any) -> Any:
        values = {"account": self.account_id, **values}
        with self.database.transaction() as tx:
            result = tx.session.execute(text(statement), values)
            return result.all() if result.returns_rows else None

    def set_state(self, state: str) -> None:
        self.sql(
            "insert into risk_management.trading_state"
            " (account_id, state, level, reason, set_by) values"
            " (:account, :state, :level, 'test', 'test') on conflict (account_id)"
            " do update set state = excluded.state, level = excluded.level",
            state=state,
            level={"ACTIVE": 0, "REDUCING": 1, "HALTED": 3}[state],
        )

    def age(self, approved: OrderApproved) -> None:
        """Let an order have been at the broker for a minute."""
        self.sql(
            "update execution.orders set accepted_at = accepted_at - interval '1 min'"
            " where order_id = :order",
            order=approved.order_id,
        )

    def wait(self, **long: float) -> None:
        """Look up what is unclear, and let it have been unclear for so long."""
        self.resolve()
        since = self.desk.unclear._since
        for attempt in since:
            since[attempt] -= timedelta(**long).total_seconds()

    def submit(self) -> int:
        return submit.submit_ready(self.desk)

    def resolve(self) -> tuple[int, int]:
        return resolve.resolve_unknown(self.desk)

    def settle(self) -> tuple[int, int]:
        return replacing.settle_replaced(self.desk)

    def cancel(self) -> tuple[int, int]:
        return resolve.cancel_wanted(self.desk)

    def tell(self, *updates: StreamUpdate) -> None:
        fills.take_updates(self.desk, updates)

    def advance(self) -> int:
        """Let the sender work until nothing is left to do."""
        steps = 0
        submit.submit_ready(self.desk)
        while combos.advance(self.desk):
            steps += 1
            submit.submit_ready(self.desk)
        return steps

    def catch_up(self) -> int:
        return fills.catch_up(self.desk)

    def reconcile(self) -> reconcile.Result:
        return reconcile.reconcile(self.desk, "test")

    def positions(self) -> dict[str, Decimal]:
        with self.database.read_only() as tx:
            return {p.symbol: p.quantity for p in tx.books.positions(self.account_id)}

    def cash(self) -> Decimal:
        with self.database.read_only() as tx:
            return tx.books.cash(self.account_id)

    def events(self, topic: str) -> list[dict[str, Any]]:
        """Return what has been said on a topic since this bench was set up."""
        with self.database.read_only() as tx:
            rows = (
                tx.session.query(LoggedEvent)
                .filter(
                    LoggedEvent.seq > self.sequence,
                    LoggedEvent.topic == f"execution.{topic}",
                )
                .order_by(LoggedEvent.seq)
            )
            return [row.payload for row in rows]

    def assert_books_agree(self) -> None:
        """Ledger, positions, the strategies' parts and the broker say the same."""
        held = {p.symbol: p.quantity for p in self.broker.positions()}
        with self.database.read_only() as tx:
            ledger = tx.books.quantities(self.account_id)
            parts: dict[str, Decimal] = {}
            for part in tx.books.parts(self.account_id):
                parts[part.symbol] = parts.get(part.symbol, Decimal(0)) + part.quantity
        assert ledger == held
        assert self.positions() == held
        # Books of strategies that oppose each other add up to nothing.
        assert {symbol: shares for symbol, shares in parts.items() if shares} == held
        assert self.cash() == self.broker.cash()


@pytest.fixture
def database(database_url: str) -> Iterator[Database[ExecutionTransaction]]:
    """The module's database."""
    database = Database.connect(database_url, ExecutionTransaction, "test")
    yield database
    database.close()


@pytest.fixture
def cold_bench(
    database: Database[ExecutionTransaction], tmp_path: Path
) -> Iterator[Bench]:
    """A desk on an account of its own that has not looked at the broker yet."""
    account_id = f"PA{secrets.token_hex(4)}"
    broker = FakeBroker(account_id)
    desk = Desk(
        database=database,
        broker=broker,
        clock=MarketClock(broker.clock, max_age=0.0),
        lease=Lease(database, "test"),
        kill_file=tmp_path / KILL_FILE,
        patience=IMPATIENT,
        recheck=timedelta(0),
    )
    bench = Bench(desk, broker, account_id, database)
    for key, value in (("account_id", account_id), ("mode", "simulated")):
        bench.sql(
            "insert into shared.system_config (config_key, config_value)"
            " values (:key, to_jsonb(cast(:value as text))) on conflict (config_key)"
            " do update set config_value = excluded.config_value",
            key=key,
            value=value,
        )
    bench.set_state("ACTIVE")
    [(sequence,)] = bench.sql("select coalesce(max(seq), 0) from shared.events")
    bench.sequence = sequence
    yield bench
    desk.lease.release()


@pytest.fixture
def bench(cold_bench: Bench) -> Bench:
    """A desk that is in charge, with open books that agree with the broker's."""
    assert cold_bench.desk.in_charge()
    assert opening.open_books(cold_bench.desk)
    assert cold_bench.reconcile().clean
    return cold_bench


@pytest.fixture
def stream() -> FakeStream:
    """A stream in the hands of the test."""
    return FakeStream()


def ids(*values: UUID) -> set[UUID]:
    return set(values)
