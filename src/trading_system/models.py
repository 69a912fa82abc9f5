"""The declarative base, and the tables that every service shares."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SHARED = "shared"
LOGGING = "logging"

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of every table: UTC timestamps, jsonb documents, named constraints."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        date: Date,
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        str: Text,
        int: BigInteger,
        float: Double,
        UUID: Uuid,
    }


class StagedEvent(Base):
    """An event of an open transaction; at commit a trigger moves it to the log."""

    __tablename__ = "event_staging"
    __table_args__ = ({"schema": SHARED},)

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    topic: Mapped[str]
    key: Mapped[str]
    payload: Mapped[dict[str, Any]]
    schema_version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    producer: Mapped[str] = mapped_column(server_default=text("CURRENT_USER"))
    causation_id: Mapped[UUID | None]
    correlation_id: Mapped[UUID | None]
    occurred_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class LoggedEvent(Base):
    """An event of the log; `seq` is the order of commits."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("topic", "key", "key_version"),
        Index(None, "topic", "seq"),
        Index(None, "correlation_id"),
        {"schema": SHARED},
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[UUID] = mapped_column(unique=True)
    topic: Mapped[str]
    key: Mapped[str]
    key_version: Mapped[int]
    payload: Mapped[dict[str, Any]]
    schema_version: Mapped[int] = mapped_column(Integer)
    producer: Mapped[str]
    causation_id: Mapped[UUID | None]
    correlation_id: Mapped[UUID | None]
    occurred_at: Mapped[datetime]


class ConsumerCursor(Base):
    """How far a consumer has read the log."""

    __tablename__ = "consumers"
    __table_args__ = ({"schema": SHARED},)

    consumer: Mapped[str] = mapped_column(primary_key=True)
    last_seq: Mapped[int] = mapped_column(server_default=text("0"))
    paused: Mapped[bool] = mapped_column(server_default=text("false"))
    paused_reason: Mapped[str | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class HandledEvent(Base):
    """An event that a consumer has handled: the inbox."""

    __tablename__ = "inbox"
    __table_args__ = ({"schema": SHARED},)

    consumer: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int]
    processed_at: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp()
    )


class DeadLetter(Base):
    """An event that a handler could not take: retried, held behind one, or parked."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        CheckConstraint(
            "status in ('retrying', 'held', 'parked', 'replayed', 'discarded')",
            name="status",
        ),
        Index(None, "consumer", "status", "seq"),
        {"schema": SHARED},
    )

    consumer: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int]
    topic: Mapped[str]
    key: Mapped[str]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    status: Mapped[str]
    last_error: Mapped[str | None]
    next_attempt_at: Mapped[datetime | None]
    first_failed_at: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp()
    )
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class JobRun(Base):
    """A scheduled run: one owner per slot, for as long as its lease lasts."""

    __tablename__ = "job_runs"
    __table_args__ = (
        CheckConstraint(
            "status in ('running', 'done', 'failed', 'superseded')", name="status"
        ),
        Index(None, "started_at"),
        {"schema": SHARED},
    )

    job: Mapped[str] = mapped_column(primary_key=True)
    scheduled_for: Mapped[datetime] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    owner: Mapped[str]
    lease_until: Mapped[datetime]
    status: Mapped[str] = mapped_column(server_default=text("'running'"))
    summary: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    finished_at: Mapped[datetime | None]


class AuditEntry(Base):
    """A change that must be accountable: who, what, before and after."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index(None, "table_name", "at"),
        {"schema": SHARED},
    )

    audit_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    user_id: Mapped[str]
    db_role: Mapped[str] = mapped_column(server_default=text("SESSION_USER"))
    table_name: Mapped[str]
    operation: Mapped[str]
    old_values: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    new_values: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    reason: Mapped[str | None]


class AuditLink(Base):
    """The chain over the audit log, in the order of commits."""

    __tablename__ = "audit_chain"
    __table_args__ = ({"schema": SHARED},)

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    audit_id: Mapped[int] = mapped_column(
        ForeignKey(f"{SHARED}.audit_log.audit_id"), unique=True
    )
    previous_hash: Mapped[str]
    hash: Mapped[str]


class SystemConfig(Base):
    """A fact about this installation, such as its mode and its account."""

    __tablename__ = "system_config"
    __table_args__ = ({"schema": SHARED},)

    config_key: Mapped[str] = mapped_column(primary_key=True)
    config_value: Mapped[Any] = mapped_column(JSONB)
    description: Mapped[str] = mapped_column(server_default=text("''"))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class TradingSession(Base):
    """A session of the exchange calendar, filled before the services start."""

    __tablename__ = "sessions"
    __table_args__ = ({"schema": SHARED},)

    day: Mapped[date] = mapped_column(primary_key=True)
    open: Mapped[datetime]
    close: Mapped[datetime]


class SystemLog(Base):
    """A line of the log; partitioned by month."""

    __tablename__ = "system_logs"
    __table_args__ = (
        Index(None, "timestamp", "log_id"),
        Index(None, "correlation_id"),
        {"schema": LOGGING, "postgresql_partition_by": "RANGE (timestamp)"},
    )

    log_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    timestamp: Mapped[datetime] = mapped_column(primary_key=True)
    service: Mapped[str]
    level: Mapped[str]
    message: Mapped[str]
    correlation_id: Mapped[UUID | None]
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class PerformanceLog(Base):
    """How long an operation took."""

    __tablename__ = "performance_logs"
    __table_args__ = (
        Index(None, "operation", "timestamp"),
        {"schema": LOGGING},
    )

    log_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    service: Mapped[str]
    operation: Mapped[str]
    execution_time_ms: Mapped[float]
    timestamp: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    correlation_id: Mapped[UUID | None]
