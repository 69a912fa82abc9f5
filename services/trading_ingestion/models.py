"""The tables of market data."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trading_system.models import Base

SCHEMA = "data_ingestion"

# NaN is greater than everything in PostgreSQL, so "below infinity" refuses it too.
SANE = (
    "low > 0 and low <= least(open, close) and high >= greatest(open, close)"
    " and high < 'infinity' and volume >= 0 and volume < 'infinity'"
)


class MarketBar(Base):
    """A session bar; `timestamp` is its start. Two feeds never share a series."""

    __tablename__ = "market_data"
    __table_args__ = (
        CheckConstraint(SANE, name="sane"),
        CheckConstraint("bar_end > timestamp", name="ends_after_start"),
        Index(None, "timeframe", "feed", "bar_end"),
        {"schema": SCHEMA},
    )

    symbol: Mapped[str] = mapped_column(primary_key=True)
    timeframe: Mapped[str] = mapped_column(primary_key=True)
    timestamp: Mapped[datetime] = mapped_column(primary_key=True)
    feed: Mapped[str] = mapped_column(primary_key=True)
    open: Mapped[float]
    high: Mapped[float]
    low: Mapped[float]
    close: Mapped[float]
    volume: Mapped[float]
    bar_end: Mapped[datetime]
    received_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    source: Mapped[str]


class ReceivedBar(Base):
    """A bar as the feed sent it; a correction is a new revision."""

    __tablename__ = "received_bars"
    __table_args__ = (
        Index(None, "timestamp"),
        {"schema": SCHEMA},
    )

    symbol: Mapped[str] = mapped_column(primary_key=True)
    timeframe: Mapped[str] = mapped_column(primary_key=True)
    timestamp: Mapped[datetime] = mapped_column(primary_key=True)
    feed: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(Integer, primary_key=True)
    open: Mapped[float]
    high: Mapped[float]
    low: Mapped[float]
    close: Mapped[float]
    volume: Mapped[float]
    received_at: Mapped[datetime]


# Where COPY puts rows before they are merged. Each transaction empties what it filled,
# so nobody ever sees another's rows. Not a temporary table: making one needs a right
# that a role on a server of one's own may lack, and swells the catalogue every hour.
incoming_bars = Table(
    "incoming_bars",
    Base.metadata,
    Column("symbol", Text, nullable=False),
    Column("timestamp", DateTime(timezone=True), nullable=False),
    Column("bar_end", DateTime(timezone=True)),
    Column("open", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("low", Double, nullable=False),
    Column("close", Double, nullable=False),
    Column("volume", Double, nullable=False),
    schema=SCHEMA,
    prefixes=["UNLOGGED"],
)


class QualityLog(Base):
    """What a check found; the same finding is logged once."""

    __tablename__ = "data_quality_logs"
    __table_args__ = (
        CheckConstraint("status in ('passed', 'warning', 'failed')", name="status"),
        UniqueConstraint(
            "check_type",
            "symbol",
            "timeframe",
            "feed",
            "bar_timestamp",
            "revision",
            name="uq_data_quality_logs_finding",
            postgresql_nulls_not_distinct=True,
        ),
        Index(None, "created_at"),
        Index(None, "symbol", "bar_timestamp"),
        {"schema": SCHEMA},
    )

    log_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    symbol: Mapped[str | None]
    check_type: Mapped[str]
    status: Mapped[str]
    message: Mapped[str]
    timeframe: Mapped[str]
    feed: Mapped[str]
    bar_timestamp: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    market_time: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class BarBatch(Base):
    """All bars of one end were taken in: the bar is no longer due."""

    __tablename__ = "batches"
    __table_args__ = ({"schema": SCHEMA},)

    timeframe: Mapped[str] = mapped_column(primary_key=True)
    feed: Mapped[str] = mapped_column(primary_key=True)
    bar_end: Mapped[datetime] = mapped_column(primary_key=True)
    bar_start: Mapped[datetime]
    symbols: Mapped[list[Any]]
    missing: Mapped[list[Any]]
    newest: Mapped[bool]
    market_time: Mapped[datetime]
    stored_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Series(Base):
    """Where the live bars of a feed begin, and how far back its history reaches.

    Bars that end after `live_from` are due one by one; older ones are history.
    """

    __tablename__ = "series"
    __table_args__ = ({"schema": SCHEMA},)

    timeframe: Mapped[str] = mapped_column(primary_key=True)
    feed: Mapped[str] = mapped_column(primary_key=True)
    live_from: Mapped[datetime]
    history_from: Mapped[datetime]
    history_complete: Mapped[bool] = mapped_column(server_default=text("false"))


class Listing(Base):
    """A symbol that bars are fetched for, or were."""

    __tablename__ = "universe"
    __table_args__ = ({"schema": SCHEMA},)

    symbol: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(server_default=text("''"))
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    added_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class ImportedFile(Base):
    """A file of bars that was taken in, known by its content."""

    __tablename__ = "imports"
    __table_args__ = ({"schema": SCHEMA},)

    content_hash: Mapped[str] = mapped_column(primary_key=True)
    feed: Mapped[str] = mapped_column(primary_key=True)
    file: Mapped[str]
    timeframe: Mapped[str]
    rows: Mapped[int]
    symbols: Mapped[list[Any]] = mapped_column(JSONB)
    first: Mapped[datetime]
    last: Mapped[datetime]
    restamped: Mapped[int] = mapped_column(server_default=text("0"))
    imported_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ArchivedFile(Base):
    """A Parquet file that rows were moved to, after it was read back and compared."""

    __tablename__ = "archives"
    __table_args__ = ({"schema": SCHEMA},)

    path: Mapped[str] = mapped_column(primary_key=True)
    table_name: Mapped[str]
    before: Mapped[date]
    rows: Mapped[int]
    content_hash: Mapped[str]
    first: Mapped[datetime]
    last: Mapped[datetime]
    archived_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
