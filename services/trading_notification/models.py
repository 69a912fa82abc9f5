"""The tables of notification: inbox, deliveries, preferences, health, log summaries."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trading_system.models import Base

SCHEMA = "notification"
NOW = func.clock_timestamp()


class Notification(Base):
    """A message in the inbox. A repeat raises `count` and writes no second one.

    `lines` are what a grouped message is made of, such as the fills of a minute.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        CheckConstraint("severity in ('info', 'warning', 'critical')", name="severity"),
        Index(None, "created_at", "notification_id"),
        Index(
            "ix_notifications_unread",
            "notification_id",
            postgresql_where=text("read_at is null"),
        ),
        {"schema": SCHEMA},
    )

    notification_id: Mapped[UUID] = mapped_column(primary_key=True)
    dedup_key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    severity: Mapped[str]
    title: Mapped[str]
    message: Mapped[str]
    lines: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    link: Mapped[str | None]
    symbol: Mapped[str | None]
    correlation_id: Mapped[UUID | None]
    count: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    market_time: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    last_at: Mapped[datetime] = mapped_column(server_default=NOW)
    read_at: Mapped[datetime | None]


class Delivery(Base):
    """A message on its way through a channel outside the dashboard."""

    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint("channel in ('email')", name="channel"),
        CheckConstraint("status in ('pending', 'sent', 'given_up')", name="status"),
        UniqueConstraint("notification_id", "channel"),
        Index(
            "ix_deliveries_due",
            "next_attempt_at",
            postgresql_where=text("status = 'pending'"),
        ),
        {"schema": SCHEMA},
    )

    delivery_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    notification_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.notifications.notification_id")
    )
    channel: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'pending'"))
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    next_attempt_at: Mapped[datetime]
    last_error: Mapped[str | None]
    message_id: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    sent_at: Mapped[datetime | None]


class Preference(Base):
    """Whether messages of a kind go through a channel, and from which severity."""

    __tablename__ = "preferences"
    __table_args__ = (
        CheckConstraint("channel in ('dashboard', 'email')", name="channel"),
        CheckConstraint(
            "min_severity in ('info', 'warning', 'critical')", name="min_severity"
        ),
        {"schema": SCHEMA},
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    enabled: Mapped[bool]
    min_severity: Mapped[str]
    updated_by: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


class HealthState(Base):
    """How a part of the system is now, and since when."""

    __tablename__ = "health_state"
    __table_args__ = (
        CheckConstraint("status in ('pass', 'warn', 'fail')", name="status"),
        {"schema": SCHEMA},
    )

    component: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    detail: Mapped[str]
    observed_value: Mapped[str | None]
    since: Mapped[datetime]
    checked_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    alerted: Mapped[bool] = mapped_column(server_default=text("false"))


class HealthCheck(Base):
    """A change in how a part of the system was."""

    __tablename__ = "health_checks"
    __table_args__ = (Index(None, "checked_at"), {"schema": SCHEMA})

    check_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    component: Mapped[str]
    status: Mapped[str]
    detail: Mapped[str]
    observed_value: Mapped[str | None]
    checked_at: Mapped[datetime]


class LogSummary(Base):
    """The log lines of one hour, service and level, with the commonest of them."""

    __tablename__ = "log_summaries"
    __table_args__ = ({"schema": SCHEMA},)

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    service: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[str] = mapped_column(primary_key=True)
    lines: Mapped[int]
    patterns: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))


class LogProgress(Base):
    """Up to which hour the log has been summed up."""

    __tablename__ = "log_progress"
    __table_args__ = (CheckConstraint("one", name="one"), {"schema": SCHEMA})

    one: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    summarized_until: Mapped[datetime]
