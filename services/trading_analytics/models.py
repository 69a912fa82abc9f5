"""The tables of analytics."""

from datetime import date as Day
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Integer, Numeric, func, text
from sqlalchemy.orm import Mapped, mapped_column

from trading_system.models import Base

SCHEMA = "analytics"
NOW = func.clock_timestamp()


class PortfolioSummary(Base):
    """A symbol's value and profit; the row `$USD` is the cash."""

    __tablename__ = "portfolio_summary"
    __table_args__ = ({"schema": SCHEMA},)

    account_id: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    total_value: Mapped[Decimal] = mapped_column(Numeric)
    pnl: Mapped[Decimal] = mapped_column(Numeric)
    market_time: Mapped[datetime]
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW, onupdate=NOW)


class PerformanceMetric(Base):
    """A strategy's, or the portfolio's, day and its figures up to that day."""

    __tablename__ = "performance_metrics"
    __table_args__ = (Index(None, "date"), {"schema": SCHEMA})

    strategy: Mapped[str] = mapped_column(primary_key=True)
    date: Mapped[Day] = mapped_column(primary_key=True)
    returns: Mapped[float | None]
    sharpe_ratio: Mapped[float | None]
    metrics: Mapped[list[Any]]
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW, onupdate=NOW)


class RoundTripRow(Base):
    """A strategy's trade in a symbol, from flat to flat."""

    __tablename__ = "round_trips"
    __table_args__ = (
        Index(None, "strategy", "symbol", "entry_time"),
        Index(None, "entry_time", "round_trip_id"),
        Index(None, "entry_order_id"),
        Index(None, "exit_order_id"),
        {"schema": SCHEMA},
    )

    round_trip_id: Mapped[UUID] = mapped_column(primary_key=True)
    strategy: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(Numeric(20, 9))
    entry_time: Mapped[datetime]
    exit_time: Mapped[datetime | None]
    entry_price: Mapped[Decimal] = mapped_column(Numeric(20, 9))
    exit_price: Mapped[Decimal | None] = mapped_column(Numeric(20, 9))
    gross_pnl: Mapped[Decimal | None] = mapped_column(Numeric)
    fees: Mapped[Decimal] = mapped_column(Numeric)
    net_pnl: Mapped[Decimal | None] = mapped_column(Numeric)
    return_fraction: Mapped[float | None]
    mae: Mapped[Decimal | None] = mapped_column(Numeric)
    mfe: Mapped[Decimal | None] = mapped_column(Numeric)
    bars_held: Mapped[int | None] = mapped_column(Integer)
    entry_order_id: Mapped[UUID | None]
    exit_order_id: Mapped[UUID | None]
    entry_correlation_id: Mapped[UUID | None]
    exit_correlation_id: Mapped[UUID | None]
    slippage_bps: Mapped[float | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW, onupdate=NOW)


class ReportRow(Base):
    """A report of a day, a week or a month."""

    __tablename__ = "reports"
    __table_args__ = (
        Index(None, "created_at"),
        Index(None, "kind", "period_start"),
        {"schema": SCHEMA},
    )

    report_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str]
    period_start: Mapped[Day]
    period_end: Mapped[Day]
    content: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class BacktestRow(Base):
    """A backtest and its result."""

    __tablename__ = "backtests"
    __table_args__ = (
        Index(None, "created_at"),
        Index(None, "strategy", "created_at"),
        {"schema": SCHEMA},
    )

    backtest_id: Mapped[UUID] = mapped_column(primary_key=True)
    strategy: Mapped[str]
    status: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    symbols: Mapped[list[Any]]
    period_start: Mapped[Day | None]
    period_end: Mapped[Day | None]
    summary: Mapped[str] = mapped_column(server_default=text("''"))
    metrics: Mapped[list[Any]]
    trades: Mapped[int] = mapped_column(Integer)
    total_return: Mapped[float | None]
    provenance: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    finished_at: Mapped[datetime | None]
