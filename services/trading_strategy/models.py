"""The tables of strategies, and of what they decided."""

from datetime import date as Day
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from trading_system.models import Base

SCHEMA = "strategy_engine"


class StrategyRow(Base):
    """A strategy with the version of it that is in force."""

    __tablename__ = "strategies"
    __table_args__ = (
        CheckConstraint("status in ('enabled', 'paused', 'disabled')", name="status"),
        CheckConstraint("source in ('file', 'person')", name="source"),
        {"schema": SCHEMA},
    )

    strategy_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    version: Mapped[int] = mapped_column(Integer)
    parameters: Mapped[dict[str, Any]]
    risk_limits: Mapped[dict[str, Any]]
    status: Mapped[str]
    source: Mapped[str]
    source_hash: Mapped[str]
    description: Mapped[str] = mapped_column(server_default=text("''"))
    warmup: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    decides_after: Mapped[int] = mapped_column(server_default=text("0"))
    """Sequence number of the log after which it decides on every bar."""

    last_error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class StrategyVersion(Base):
    """What a strategy was from some time on; nothing here ever changes."""

    __tablename__ = "strategy_versions"
    __table_args__ = ({"schema": SCHEMA},)

    strategy_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.strategies.strategy_id"), primary_key=True
    )
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    parameters: Mapped[dict[str, Any]]
    risk_limits: Mapped[dict[str, Any]]
    status: Mapped[str]
    source: Mapped[str]
    source_hash: Mapped[str]
    reason: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class DecisionRow(Base):
    """What a strategy decided on one bar of one symbol, also when it was "no"."""

    __tablename__ = "decisions"
    __table_args__ = (
        CheckConstraint(
            "outcome in ('signal', 'no_signal', 'warming_up', 'no_bar', 'error')",
            name="outcome",
        ),
        CheckConstraint(
            "(outcome = 'signal') = (signal_id is not null)", name="signal_named"
        ),
        UniqueConstraint("strategy_id", "symbol", "timeframe", "bar_end"),
        ForeignKeyConstraint(
            ["strategy_id", "strategy_version"],
            [
                f"{SCHEMA}.strategy_versions.strategy_id",
                f"{SCHEMA}.strategy_versions.version",
            ],
        ),
        Index(None, "bar_end", "decision_id"),
        Index(None, "symbol", "bar_end"),
        Index(None, "strategy", "bar_end"),
        Index(None, "correlation_id"),
        {"schema": SCHEMA},
    )

    decision_id: Mapped[UUID] = mapped_column(primary_key=True)
    correlation_id: Mapped[UUID]
    strategy_id: Mapped[UUID]
    strategy: Mapped[str]
    strategy_version: Mapped[int] = mapped_column(Integer)
    source_hash: Mapped[str]
    symbol: Mapped[str]
    timeframe: Mapped[str]
    feed: Mapped[str]
    bar_start: Mapped[datetime]
    bar_end: Mapped[datetime]
    close: Mapped[float | None]
    bar_revision: Mapped[int | None] = mapped_column(Integer)
    window_start: Mapped[datetime | None]
    window_bars: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    outcome: Mapped[str]
    score: Mapped[float | None]
    reason: Mapped[str]
    indicators: Mapped[dict[str, Any]]
    conditions: Mapped[list[Any]]
    signal_id: Mapped[UUID | None] = mapped_column(unique=True)
    may_trade: Mapped[bool]
    market_time: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class SignalRow(Base):
    """A wish for a position: up to a share of equity, or flat."""

    __tablename__ = "strategy_signals"
    __table_args__ = (
        CheckConstraint("signal in ('buy', 'sell')", name="signal"),
        Index(None, "timestamp", "signal_id"),
        Index(None, "strategy", "timestamp"),
        Index(None, "symbol", "timestamp"),
        Index(None, "correlation_id"),
        {"schema": SCHEMA},
    )

    signal_id: Mapped[UUID] = mapped_column(primary_key=True)
    decision_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.decisions.decision_id"), unique=True
    )
    correlation_id: Mapped[UUID]
    strategy_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.strategies.strategy_id")
    )
    strategy: Mapped[str]
    strategy_version: Mapped[int] = mapped_column(Integer)
    symbol: Mapped[str]
    signal: Mapped[str]
    timestamp: Mapped[datetime]
    timeframe: Mapped[str]
    bar_start: Mapped[datetime]
    bar_end: Mapped[datetime]
    decision_price: Mapped[Decimal] = mapped_column(Numeric(20, 9))
    score: Mapped[float | None]
    reason: Mapped[str]
    max_position_size: Mapped[float]
    allow_short: Mapped[bool]
    may_trade: Mapped[bool]
    session_closed: Mapped[bool]
    valid_until: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class PerformanceRow(Base):
    """A strategy's day."""

    __tablename__ = "strategy_performance"
    __table_args__ = ({"schema": SCHEMA},)

    strategy_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.strategies.strategy_id"), primary_key=True
    )
    date: Mapped[Day] = mapped_column(primary_key=True)
    returns: Mapped[float | None]
    sharpe_ratio: Mapped[float | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class StrategyErrorRow(Base):
    """A strategy that raised, took too long or returned what it must not."""

    __tablename__ = "strategy_errors"
    __table_args__ = (
        UniqueConstraint("strategy", "bar_end", postgresql_nulls_not_distinct=True),
        Index(None, "created_at"),
        {"schema": SCHEMA},
    )

    error_id: Mapped[UUID] = mapped_column(primary_key=True)
    strategy: Mapped[str]
    bar_end: Mapped[datetime | None]
    error: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
