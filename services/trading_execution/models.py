"""The tables of execution."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trading_execution.domain.combo import ComboStatus
from trading_execution.domain.order_status import LIVE, OrderStatus
from trading_system.models import Base

SCHEMA = "execution"

QUANTITY = Numeric(20, 9)
PRICE = Numeric(20, 9)
MONEY = Numeric()
"""Sums of money are kept exactly, whatever fraction of a share was traded."""


def _listed(words: frozenset[OrderStatus] | type[StrEnum]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(str(word) for word in words))


def _quantity(default: str | None = None) -> Any:
    return mapped_column(QUANTITY, server_default=default and text(default))


def _price() -> Any:
    return mapped_column(PRICE)


def _money(default: str | None = None) -> Any:
    return mapped_column(MONEY, server_default=default and text(default))


def _now() -> Any:
    return mapped_column(server_default=func.clock_timestamp())


class Order(Base):
    """An intent to trade, written before the broker is called, and its life.

    `timestamp` and the stamps are machine time; `market_time` is the market's time of
    the approval, `as_of` of the last step. `reason` says why it is in its status.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("side in ('buy', 'sell')", name="side"),
        CheckConstraint(f"status in ({_listed(OrderStatus)})", name="status"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint(
            "filled_quantity >= 0"
            " and (filled_quantity <= quantity or notional is not null)",
            name="filled",
        ),
        CheckConstraint(
            "netted_quantity >= 0 and netted_quantity <= quantity", name="netted"
        ),
        CheckConstraint("length(client_order_id) between 8 and 48", name="client_id"),
        UniqueConstraint("signal_id", "leg", "generation"),
        Index(
            "ix_orders_one_live_generation",
            "signal_id",
            "leg",
            unique=True,
            # One that the broker has replaced ends soon: what replaced it is the life.
            postgresql_where=text(
                f"status in ({_listed(LIVE)}) and replaced_by is null"
            ),
        ),
        Index(
            "ix_orders_live",
            "status",
            "timestamp",
            postgresql_where=text(f"status in ({_listed(LIVE)})"),
        ),
        Index(None, "timestamp", "order_id"),
        Index(None, "symbol", "timestamp"),
        Index(None, "correlation_id"),
        Index(
            "ix_orders_with_exits",
            "account_id",
            postgresql_where=text("order_class <> 'simple'"),
        ),
        Index(None, "parent_order_id"),
        Index(None, "replaces_order_id"),
        Index(None, "combo_id", "combo_leg"),
        {"schema": SCHEMA},
    )

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[str]
    signal_id: Mapped[UUID]
    correlation_id: Mapped[UUID | None]
    leg: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    generation: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    client_order_id: Mapped[str] = mapped_column(unique=True)
    broker_order_id: Mapped[str | None] = mapped_column(unique=True)
    strategy: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    quantity: Mapped[Decimal] = _quantity()
    price: Mapped[Decimal | None] = _price()
    """Limit or stop price; none for a market order."""
    order_type: Mapped[str]
    time_in_force: Mapped[str]
    limit_price: Mapped[Decimal | None] = _price()
    stop_price: Mapped[Decimal | None] = _price()
    trail_price: Mapped[Decimal | None] = _price()
    trail_percent: Mapped[Decimal | None] = _price()
    notional: Mapped[Decimal | None] = _price()
    """Dollars instead of shares; `quantity` is then an estimate."""
    extended_hours: Mapped[bool] = mapped_column(server_default=text("false"))
    order_class: Mapped[str] = mapped_column(server_default=text("'simple'"))
    take_profit_price: Mapped[Decimal | None] = _price()
    stop_loss_price: Mapped[Decimal | None] = _price()
    stop_loss_limit_price: Mapped[Decimal | None] = _price()
    parent_order_id: Mapped[UUID | None]
    """The first of the family: the entry of an exit, the origin of a replacement."""
    replaces_order_id: Mapped[UUID | None]
    """The order in whose place it goes."""
    replaced_by: Mapped[str | None]
    """The broker's id of the order that has taken its place, as the broker says."""
    combo_id: Mapped[UUID | None]
    combo_leg: Mapped[int | None] = mapped_column(Integer)
    decision_price: Mapped[Decimal | None] = _price()
    tag: Mapped[str] = mapped_column(server_default=text("''"))
    reduces: Mapped[bool] = mapped_column(server_default=text("false"))
    valid_until: Mapped[datetime]
    status: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default=text("''"))
    filled_quantity: Mapped[Decimal] = _quantity("0")
    """What the broker has executed; what was netted is not in it."""
    netted_quantity: Mapped[Decimal] = _quantity("0")
    """What an opposing order of another strategy met: it does not leave."""
    average_fill_price: Mapped[Decimal | None] = _price()
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    misses: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_miss_at: Mapped[datetime | None]
    epoch: Mapped[int | None]
    version: Mapped[int] = mapped_column(server_default=text("0"))
    market_time: Mapped[datetime]
    as_of: Mapped[datetime]
    timestamp: Mapped[datetime] = _now()
    claimed_at: Mapped[datetime | None]
    submitted_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    first_fill_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    cancel_reason: Mapped[str | None]

    @property
    def left_to_send(self) -> Decimal:
        """The shares that the broker is asked for."""
        return self.quantity - self.netted_quantity


class Combo(Base):
    """Several orders that are one intent: all are placed, or taken back.

    `settled` is what its legs had filled when it was unwound; `closed_elsewhere` what
    of each leg somebody else had closed by then.
    """

    __tablename__ = "combos"
    __table_args__ = (
        CheckConstraint("legs >= 2", name="legs"),
        CheckConstraint(f"status in ({_listed(ComboStatus)})", name="status"),
        Index(None, "status", "created_at"),
        Index(None, "created_at"),
        {"schema": SCHEMA},
    )

    combo_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[str]
    strategy: Mapped[str]
    legs: Mapped[int] = mapped_column(Integer)
    status: Mapped[str]
    reason: Mapped[str]
    settled: Mapped[Decimal] = _quantity("0")
    closed_elsewhere: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    market_time: Mapped[datetime]
    created_at: Mapped[datetime] = _now()
    finished_at: Mapped[datetime | None]


class SubmitAttempt(Base):
    """One attempt to hand an order to the broker, committed before the call."""

    __tablename__ = "submit_attempts"
    __table_args__ = ({"schema": SCHEMA},)

    order_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.orders.order_id"), primary_key=True
    )
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    epoch: Mapped[int]
    claimed_at: Mapped[datetime] = _now()
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    http_status: Mapped[int | None] = mapped_column(Integer)
    detail: Mapped[str | None]


class OrderStep(Base):
    """A step in the life of an order; a trigger writes it."""

    __tablename__ = "order_history"
    __table_args__ = (Index(None, "order_id", "step_id"), {"schema": SCHEMA})

    step_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey(f"{SCHEMA}.orders.order_id"))
    at: Mapped[datetime] = _now()
    market_time: Mapped[datetime | None]
    status: Mapped[str]
    filled_quantity: Mapped[Decimal] = _quantity()
    detail: Mapped[str]


class Trade(Base):
    """One execution. Stream and REST name it alike: order and cumulative quantity."""

    __tablename__ = "trades"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("price > 0", name="price"),
        CheckConstraint("side in ('buy', 'sell')", name="side"),
        UniqueConstraint("broker_order_id", "cumulative_quantity"),
        Index(None, "order_id"),
        Index(None, "timestamp", "trade_id"),
        Index(None, "symbol", "timestamp"),
        {"schema": SCHEMA},
    )

    trade_id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey(f"{SCHEMA}.orders.order_id"))
    account_id: Mapped[str]
    strategy: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    quantity: Mapped[Decimal] = _quantity()
    price: Mapped[Decimal] = _price()
    fees: Mapped[Decimal] = _money("0")
    timestamp: Mapped[datetime]
    broker_order_id: Mapped[str]
    cumulative_quantity: Mapped[Decimal] = _quantity()
    execution_id: Mapped[str | None]
    activity_id: Mapped[str | None]
    source: Mapped[str]
    recorded_at: Mapped[datetime] = _now()


class Cross(Base):
    """One side of shares that passed between the books of two strategies."""

    __tablename__ = "crosses"
    __table_args__ = (
        CheckConstraint("side in ('buy', 'sell')", name="side"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("price > 0", name="price"),
        UniqueConstraint("cross_id", "side"),
        Index(None, "order_id"),
        {"schema": SCHEMA},
    )

    trade_id: Mapped[UUID] = mapped_column(primary_key=True)
    cross_id: Mapped[UUID]
    order_id: Mapped[UUID] = mapped_column(ForeignKey(f"{SCHEMA}.orders.order_id"))
    against_order_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.orders.order_id")
    )
    account_id: Mapped[str]
    strategy: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    quantity: Mapped[Decimal] = _quantity()
    price: Mapped[Decimal] = _price()
    timestamp: Mapped[datetime]
    recorded_at: Mapped[datetime] = _now()


class LedgerEntry(Base):
    """A change of cash or shares: append-only, one entry per kind and reference."""

    __tablename__ = "ledger"
    __table_args__ = (
        CheckConstraint(
            "kind in ('fill', 'split', 'dividend', 'interest', 'fee', 'transfer',"
            " 'adjustment', 'cross')",
            name="kind",
        ),
        CheckConstraint("quantity_delta = 0 or symbol is not null", name="symbol"),
        UniqueConstraint("kind", "reference"),
        Index(None, "account_id", "symbol"),
        Index(None, "timestamp", "entry_id"),
        {"schema": SCHEMA},
    )

    entry_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    account_id: Mapped[str]
    kind: Mapped[str]
    reference: Mapped[str]
    strategy: Mapped[str]
    symbol: Mapped[str | None]
    quantity_delta: Mapped[Decimal] = _quantity("0")
    cash_delta: Mapped[Decimal] = _money("0")
    price: Mapped[Decimal | None] = _price()
    trade_id: Mapped[UUID | None] = mapped_column(
        ForeignKey(f"{SCHEMA}.trades.trade_id")
    )
    note: Mapped[str] = mapped_column(server_default=text("''"))
    timestamp: Mapped[datetime]
    recorded_at: Mapped[datetime] = _now()


class Position(Base):
    """The account's shares of a symbol: from the ledger, and from nothing else.

    `cost` is what the shares held have cost, negative for a short. The mark (last
    price, value, unrealized) is the broker's price at `marked_at` market time, and
    `last_close` what the broker calls the price of the day before.
    """

    __tablename__ = "positions"
    __table_args__ = ({"schema": SCHEMA},)

    account_id: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    quantity: Mapped[Decimal] = _quantity("0")
    avg_price: Mapped[Decimal] = mapped_column(PRICE, server_default=text("0"))
    cost: Mapped[Decimal] = _money("0")
    realized_pnl: Mapped[Decimal] = _money("0")
    unrealized_pnl: Mapped[Decimal | None] = _money()
    last_price: Mapped[Decimal | None] = _price()
    last_close: Mapped[Decimal | None] = _price()
    market_value: Mapped[Decimal | None] = _money()
    marked_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    entry_order_id: Mapped[UUID | None]
    version: Mapped[int] = mapped_column(server_default=text("0"))
    updated_at: Mapped[datetime] = _now()


class StrategyPosition(Base):
    """A strategy's part of a position; the parts add up to the account's shares."""

    __tablename__ = "strategy_positions"
    __table_args__ = ({"schema": SCHEMA},)

    account_id: Mapped[str] = mapped_column(primary_key=True)
    strategy: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    quantity: Mapped[Decimal] = _quantity("0")
    avg_price: Mapped[Decimal] = mapped_column(PRICE, server_default=text("0"))
    cost: Mapped[Decimal] = _money("0")
    realized_pnl: Mapped[Decimal] = _money("0")
    opened_at: Mapped[datetime | None]
    entry_order_id: Mapped[UUID | None]
    updated_at: Mapped[datetime] = _now()


class AccountSnapshot(Base):
    """What the account was worth at a market time."""

    __tablename__ = "account_snapshots"
    __table_args__ = ({"schema": SCHEMA},)

    account_id: Mapped[str] = mapped_column(primary_key=True)
    market_time: Mapped[datetime] = mapped_column(primary_key=True)
    cash: Mapped[Decimal] = _money()
    equity: Mapped[Decimal] = _money()
    long_value: Mapped[Decimal] = _money()
    short_value: Mapped[Decimal] = _money()
    unrealized_pnl: Mapped[Decimal] = _money()
    realized_pnl: Mapped[Decimal] = _money()
    buying_power: Mapped[Decimal | None] = _money()
    session_closed: Mapped[bool] = mapped_column(server_default=text("false"))
    ledger_entry: Mapped[int]
    """The last ledger entry that is counted."""
    taken_at: Mapped[datetime] = _now()


class ReconciliationRun(Base):
    """One comparison of our books with the broker's."""

    __tablename__ = "reconciliation_runs"
    __table_args__ = (Index(None, "started_at"), {"schema": SCHEMA})

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[str]
    trigger: Mapped[str]
    epoch: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    complete: Mapped[bool] = mapped_column(server_default=text("false"))
    clean: Mapped[bool] = mapped_column(server_default=text("false"))
    summary: Mapped[str] = mapped_column(server_default=text("''"))
    market_time: Mapped[datetime | None]


class Difference(Base):
    """One difference that a comparison found, and what was done about it."""

    __tablename__ = "reconciliation_differences"
    __table_args__ = (
        CheckConstraint("severity in ('info', 'warning', 'critical')", name="severity"),
        Index(None, "run_id"),
        {"schema": SCHEMA},
    )

    difference_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    run_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.reconciliation_runs.run_id")
    )
    kind: Mapped[str]
    symbol: Mapped[str | None]
    order_id: Mapped[UUID | None]
    ours: Mapped[str | None]
    broker: Mapped[str | None]
    action: Mapped[str]
    severity: Mapped[str]


class Hold(Base):
    """A symbol, or the account (`*`), whose orders are not claimed until released."""

    __tablename__ = "holds"
    __table_args__ = (
        Index(
            "ix_holds_in_force",
            "account_id",
            "symbol",
            "kind",
            unique=True,
            postgresql_where=text("released_at is null"),
        ),
        {"schema": SCHEMA},
    )

    hold_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    account_id: Mapped[str]
    symbol: Mapped[str]
    kind: Mapped[str]
    reason: Mapped[str]
    placed_at: Mapped[datetime] = _now()
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None]
    release_reason: Mapped[str | None]


class OrphanFill(Base):
    """An execution of the account whose order is not ours, or not known here."""

    __tablename__ = "orphan_fills"
    __table_args__ = (
        CheckConstraint(
            "resolution in ('open', 'external', 'ours')", name="resolution"
        ),
        {"schema": SCHEMA},
    )

    broker_order_id: Mapped[str] = mapped_column(primary_key=True)
    cumulative_quantity: Mapped[Decimal] = mapped_column(QUANTITY, primary_key=True)
    account_id: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    quantity: Mapped[Decimal] = _quantity()
    price: Mapped[Decimal] = _price()
    timestamp: Mapped[datetime]
    source: Mapped[str]
    client_order_id: Mapped[str | None]
    resolution: Mapped[str] = mapped_column(server_default=text("'open'"))
    seen_at: Mapped[datetime] = _now()


class StreamState(Base):
    """How far the broker's activities have been booked."""

    __tablename__ = "stream_state"
    __table_args__ = ({"schema": SCHEMA},)

    account_id: Mapped[str] = mapped_column(primary_key=True)
    opened_at: Mapped[datetime]
    """Market time of the opening: nothing before it is booked."""
    activities_until: Mapped[datetime]
    """Market time of the newest execution booked, or of the opening."""
    activity_id: Mapped[str | None]
    updated_at: Mapped[datetime] = _now()


class Executor(Base):
    """Who hands orders to the broker; the epoch rises at every take-over."""

    __tablename__ = "executor"
    __table_args__ = (CheckConstraint("one", name="one"), {"schema": SCHEMA})

    one: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    epoch: Mapped[int]
    instance: Mapped[str]
    since: Mapped[datetime] = _now()


class ContractCheck(Base):
    """How an endpoint of the broker's answered when it was last looked at.

    `stops` is what does not go on while its answers are not as they were.
    """

    __tablename__ = "contract_checks"
    __table_args__ = ({"schema": SCHEMA},)

    account_id: Mapped[str] = mapped_column(primary_key=True)
    endpoint: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str]
    ok: Mapped[bool]
    detail: Mapped[str]
    stops: Mapped[list[Any]]
    market_time: Mapped[datetime]
    checked_at: Mapped[datetime]
    since: Mapped[datetime] = _now()


class FlattenRequest(Base):
    """A demand to close every position, worked on until nothing is held."""

    __tablename__ = "flatten_requests"
    __table_args__ = ({"schema": SCHEMA},)

    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[str]
    reason: Mapped[str]
    requested_by: Mapped[str]
    market_time: Mapped[datetime]
    requested_at: Mapped[datetime] = _now()
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
