"""The tables of risk: limits, trading state, outcomes, reservations and loss days."""

from datetime import date, datetime
from decimal import Decimal
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
from sqlalchemy.orm import Mapped, mapped_column

from trading_system.models import Base

SCHEMA = "risk_management"

QUANTITY = Numeric(20, 9)
MONEY = Numeric(20, 6)
NOW = func.clock_timestamp()


class RiskLimit(Base):
    """A limit in force. `scope_id` is empty for the account's own limits."""

    __tablename__ = "risk_limits"
    __table_args__ = (
        CheckConstraint("scope in ('account', 'strategy', 'symbol')", name="scope"),
        # NaN counts as larger than infinity in PostgreSQL, so this refuses both.
        CheckConstraint("limit_value >= 0 and limit_value < 'Infinity'", name="value"),
        {"schema": SCHEMA},
    )

    account_id: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    scope_id: Mapped[str] = mapped_column(primary_key=True)
    limit_type: Mapped[str] = mapped_column(primary_key=True)
    limit_value: Mapped[Decimal] = mapped_column(Numeric)
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    source: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default=text("''"))
    updated_by: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


class RiskLimitHistory(Base):
    """Every version a limit ever had; a trigger writes it."""

    __tablename__ = "risk_limit_history"
    __table_args__ = (
        Index(None, "account_id", "scope", "scope_id", "limit_type", "history_id"),
        {"schema": SCHEMA},
    )

    history_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    operation: Mapped[str]
    account_id: Mapped[str]
    scope: Mapped[str]
    scope_id: Mapped[str]
    limit_type: Mapped[str]
    limit_value: Mapped[Decimal] = mapped_column(Numeric)
    version: Mapped[int] = mapped_column(Integer)
    source: Mapped[str]
    reason: Mapped[str]
    updated_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=NOW)


class TradingStateRow(Base):
    """What may leave for the broker now. Without a row: nothing."""

    __tablename__ = "trading_state"
    __table_args__ = (
        CheckConstraint("state in ('ACTIVE', 'REDUCING', 'HALTED')", name="state"),
        CheckConstraint("level between 0 and 3", name="level"),
        {"schema": SCHEMA},
    )

    account_id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    level: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str]
    set_by: Mapped[str]
    set_at: Mapped[datetime] = mapped_column(server_default=NOW)
    version: Mapped[int] = mapped_column(server_default=text("1"))


class TradingStateHistory(Base):
    """Every trading state there ever was; a trigger writes it."""

    __tablename__ = "trading_state_history"
    __table_args__ = (
        Index(None, "account_id", "history_id"),
        {"schema": SCHEMA},
    )

    history_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    operation: Mapped[str]
    account_id: Mapped[str]
    state: Mapped[str]
    level: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str]
    set_by: Mapped[str]
    set_at: Mapped[datetime]
    version: Mapped[int]
    recorded_at: Mapped[datetime] = mapped_column(server_default=NOW)


class AccountLock(Base):
    """The row that whoever decides about an account holds until its commit."""

    __tablename__ = "account_lock"
    __table_args__ = ({"schema": SCHEMA},)

    account_id: Mapped[str] = mapped_column(primary_key=True)


class SymbolLock(Base):
    """A symbol that a person has locked: no entries until then, or until released."""

    __tablename__ = "symbol_locks"
    __table_args__ = ({"schema": SCHEMA},)

    account_id: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime | None]
    """Market time; none locks it until somebody releases it."""
    reason: Mapped[str]
    locked_by: Mapped[str]
    market_time: Mapped[datetime]
    locked_at: Mapped[datetime] = mapped_column(server_default=NOW)


class RiskOutcome(Base):
    """The one answer to a signal."""

    __tablename__ = "risk_outcomes"
    __table_args__ = (
        CheckConstraint("outcome in ('approved', 'denied')", name="outcome"),
        CheckConstraint(
            "(outcome = 'approved') = (order_id is not null)", name="order"
        ),
        CheckConstraint(
            "outcome = 'denied' or (quantity > 0 and quantity < 'Infinity')",
            name="quantity",
        ),
        Index(None, "correlation_id"),
        Index(None, "account_id", "session_day", "outcome"),
        Index(None, "created_at"),
        {"schema": SCHEMA},
    )

    signal_id: Mapped[UUID] = mapped_column(primary_key=True)
    outcome_id: Mapped[UUID] = mapped_column(unique=True)
    correlation_id: Mapped[UUID | None]
    order_id: Mapped[UUID | None] = mapped_column(unique=True)
    account_id: Mapped[str]
    strategy: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    bar_end: Mapped[datetime]
    session_day: Mapped[date]
    outcome: Mapped[str]
    code: Mapped[str]
    detail: Mapped[str]
    quantity: Mapped[Decimal | None] = mapped_column(QUANTITY)
    decision_price: Mapped[Decimal] = mapped_column(Numeric)
    equity: Mapped[Decimal | None] = mapped_column(MONEY)
    context: Mapped[dict[str, Any]]
    market_time: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class RiskCheck(Base):
    """One check of a signal, in its place: what was compared with what."""

    __tablename__ = "risk_checks"
    __table_args__ = ({"schema": SCHEMA},)

    outcome_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.risk_outcomes.outcome_id"), primary_key=True
    )
    position: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False
    )
    name: Mapped[str]
    code: Mapped[str]
    passed: Mapped[bool]
    value: Mapped[str | None]
    # "limit" is a word of SQL; the column keeps the name that people know it by.
    limit: Mapped[str | None]
    detail: Mapped[str]
    quantity_before: Mapped[Decimal | None] = mapped_column(QUANTITY)
    quantity_after: Mapped[Decimal | None] = mapped_column(QUANTITY)


class Reservation(Base):
    """An approval that counts in exposure until execution has its order."""

    __tablename__ = "reservations"
    __table_args__ = (
        Index(None, "account_id", "symbol"),
        {"schema": SCHEMA},
    )

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[str]
    strategy: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    price: Mapped[Decimal] = mapped_column(Numeric)
    reduces: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class ManualOrder(Base):
    """An order that a person asked for: the signal of strategy `manual`."""

    __tablename__ = "manual_orders"
    __table_args__ = (
        UniqueConstraint("account_id", "idempotency_key"),
        {"schema": SCHEMA},
    )

    signal_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[str]
    idempotency_key: Mapped[str]
    proposal: Mapped[dict[str, Any]]
    reason: Mapped[str]
    requested_by: Mapped[str]
    market_time: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class DailyState(Base):
    """A loss day of the account or of a strategy: where it began, and its peak.

    Equity of a strategy is the account's when the strategy was first seen, plus what
    the strategy has made since.
    """

    __tablename__ = "daily_state"
    __table_args__ = (
        CheckConstraint("scope in ('account', 'strategy')", name="scope"),
        {"schema": SCHEMA},
    )

    account_id: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    scope_id: Mapped[str] = mapped_column(primary_key=True)
    session_day: Mapped[date] = mapped_column(primary_key=True)
    base_equity: Mapped[Decimal] = mapped_column(MONEY)
    day_start_equity: Mapped[Decimal] = mapped_column(MONEY)
    equity: Mapped[Decimal] = mapped_column(MONEY)
    peak_equity: Mapped[Decimal] = mapped_column(MONEY)
    market_time: Mapped[datetime]


class Breaker(Base):
    """A breaker that tripped. Without a `session_day` to end it, a person resets it."""

    __tablename__ = "breakers"
    __table_args__ = (
        CheckConstraint("scope in ('account', 'strategy')", name="scope"),
        Index(
            None,
            "account_id",
            "scope",
            "scope_id",
            "type",
            unique=True,
            postgresql_where=text("reset_at is null"),
        ),
        {"schema": SCHEMA},
    )

    breaker_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[str]
    scope: Mapped[str]
    scope_id: Mapped[str]
    type: Mapped[str]
    session_day: Mapped[date]
    automatic_reset: Mapped[bool]
    value: Mapped[Decimal] = mapped_column(Numeric)
    limit_value: Mapped[Decimal] = mapped_column(Numeric)
    evidence: Mapped[dict[str, Any]]
    tripped_at: Mapped[datetime]
    reset_at: Mapped[datetime | None]
    reset_by: Mapped[str | None]
    reset_reason: Mapped[str | None]


class RiskEvent(Base):
    """A warning, a breach or a halt; `dedup_key` keeps it from being told twice."""

    __tablename__ = "risk_events"
    __table_args__ = (
        CheckConstraint("severity in ('info', 'warning', 'critical')", name="severity"),
        UniqueConstraint("account_id", "dedup_key"),
        Index(None, "timestamp"),
        Index(
            None,
            "account_id",
            postgresql_where=text("announced_at is null"),
        ),
        {"schema": SCHEMA},
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[str]
    type: Mapped[str]
    severity: Mapped[str]
    message: Mapped[str]
    timestamp: Mapped[datetime]
    scope: Mapped[str]
    scope_id: Mapped[str]
    dedup_key: Mapped[str]
    value: Mapped[Decimal | None] = mapped_column(Numeric)
    limit_value: Mapped[Decimal | None] = mapped_column(Numeric)
    announced_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class BooksState(Base):
    """The last comparison of the books with the broker's that risk heard of."""

    __tablename__ = "books_state"
    __table_args__ = ({"schema": SCHEMA},)

    account_id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[UUID]
    clean: Mapped[bool]
    summary: Mapped[str]
    completed_at: Mapped[datetime]
    market_time: Mapped[datetime]
