"""Queries of messages, deliveries and preferences."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_notification.domain.alert import Alert, Rule, default_rule
from trading_notification.domain.mail import message_id
from trading_notification.models import Delivery, Notification, Preference
from trading_system.errors import NotFound
from trading_system.vocabulary import Severity, new_id


class Inbox:
    """Messages for people; each is there once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, alert: Alert, lines: Sequence[str] = ()) -> Notification | None:
        """Store an alert and return it; a known one is counted, and None returned."""
        added = self._session.scalar(
            insert(Notification)
            .values(
                notification_id=new_id(),
                dedup_key=alert.dedup_key,
                kind=alert.kind,
                severity=alert.severity,
                title=alert.title,
                message=alert.message,
                lines=list(lines),
                link=alert.link,
                symbol=alert.symbol,
                correlation_id=alert.correlation_id,
                market_time=alert.market_time,
            )
            .on_conflict_do_nothing(index_elements=["dedup_key"])
            .returning(Notification.notification_id)
        )
        if added is not None:
            return self.get(added)
        self._session.execute(
            update(Notification)
            .where(Notification.dedup_key == alert.dedup_key)
            .values(count=Notification.count + 1, last_at=func.clock_timestamp())
            .execution_options(synchronize_session=False)
        )
        return None

    def has(self, dedup_key: str) -> bool:
        """Say whether an alert is there."""
        query = select(Notification.notification_id)
        found = self._session.scalar(query.where(Notification.dedup_key == dedup_key))
        return found is not None

    def get(self, notification_id: UUID) -> Notification:
        """Return a message."""
        found = self._session.get(Notification, notification_id, populate_existing=True)
        if found is None:
            raise NotFound(f"There is no message {notification_id}.")
        return found

    def open_group(self, key: str) -> Notification | None:
        """Return the newest message of a group that can take another line, locked."""
        return self._session.scalar(
            select(Notification)
            .where(
                Notification.dedup_key.startswith(key + "#", autoescape=True),
                ~select(Delivery.delivery_id)
                .where(
                    Delivery.notification_id == Notification.notification_id,
                    # Once an attempt has begun the mail may be out as it was.
                    Delivery.attempts > 0,
                )
                .exists(),
            )
            .order_by(Notification.notification_id.desc())
            .limit(1)
            .with_for_update()
            .execution_options(populate_existing=True)
        )

    def parts(self, key: str) -> int:
        """Count the messages of a group."""
        return (
            self._session.scalar(
                select(func.count())
                .select_from(Notification)
                .where(Notification.dedup_key.startswith(key + "#", autoescape=True))
            )
            or 0
        )

    def recent(
        self,
        *,
        unread: bool = False,
        kind: str | None = None,
        severity: str | None = None,
        before: UUID | None = None,
        limit: int = 50,
    ) -> list[Notification]:
        """Return messages, newest first; `before` goes on after a page."""
        query = select(Notification)
        if unread:
            query = query.where(Notification.read_at.is_(None))
        if kind:
            query = query.where(Notification.kind == kind)
        if severity:
            query = query.where(Notification.severity == severity)
        if before:
            query = query.where(Notification.notification_id < before)
        # Ids are made in order of time.
        query = query.order_by(Notification.notification_id.desc()).limit(limit)
        return list(self._session.scalars(query))

    def titles_since(self, moment: datetime, least: Sequence[str]) -> list[str]:
        """Return the titles of messages of some severities, oldest first."""
        return list(
            self._session.scalars(
                select(Notification.title)
                .where(
                    Notification.market_time >= moment,
                    Notification.severity.in_(least),
                )
                .order_by(Notification.notification_id)
            )
        )

    def mark_read(self, notification_id: UUID) -> Notification:
        """Note that a person has seen a message."""
        message = self.get(notification_id)
        if message.read_at is None:
            self._session.execute(
                update(Notification)
                .where(Notification.notification_id == notification_id)
                .values(read_at=func.clock_timestamp())
                .execution_options(synchronize_session=False)
            )
        return self.get(notification_id)

    def mark_all_read(self) -> int:
        """Note that a person has seen every message, and return how many were new."""
        seen = self._session.scalars(
            update(Notification)
            .where(Notification.read_at.is_(None))
            .values(read_at=func.clock_timestamp())
            .returning(Notification.notification_id)
            .execution_options(synchronize_session=False)
        )
        return len(seen.all())


class Deliveries:
    """Messages on their way through a channel."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def queue(self, notification_id: UUID, channel: str, at: datetime) -> None:
        """Have a message sent, not before an instant of the machine's clock."""
        self._session.execute(
            insert(Delivery)
            .values(
                notification_id=notification_id,
                channel=channel,
                next_attempt_at=at,
                message_id=message_id(notification_id),
            )
            .on_conflict_do_nothing()
        )

    def claim_due(
        self, now: datetime, lease: timedelta, limit: int = 20
    ) -> list[Delivery]:
        """Take deliveries whose time has come; nobody else takes them for a while."""
        due = list(
            self._session.scalars(
                select(Delivery)
                .where(Delivery.status == "pending", Delivery.next_attempt_at <= now)
                .order_by(Delivery.next_attempt_at)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
        )
        for delivery in due:
            delivery.attempts += 1
            delivery.next_attempt_at = now + lease
        self._session.flush()
        return due

    def get(self, delivery_id: int) -> Delivery:
        """Return a delivery, locked until the transaction ends."""
        return self._session.scalars(
            select(Delivery)
            .where(Delivery.delivery_id == delivery_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one()

    def of(self, notification_ids: Sequence[UUID]) -> dict[UUID, list[Delivery]]:
        """Return the deliveries of several messages."""
        found: dict[UUID, list[Delivery]] = {each: [] for each in notification_ids}
        rows = self._session.scalars(
            select(Delivery).where(Delivery.notification_id.in_(notification_ids))
        )
        for delivery in rows:
            found[delivery.notification_id].append(delivery)
        return found

    def outstanding(self) -> int:
        """Count the deliveries that are still to be made."""
        return (
            self._session.scalar(
                select(func.count())
                .select_from(Delivery)
                .where(Delivery.status == "pending")
            )
            or 0
        )

    def last(self) -> Delivery | None:
        """Return the delivery that was attempted last."""
        return self._session.scalar(
            select(Delivery)
            .where(Delivery.attempts > 0)
            .order_by(Delivery.delivery_id.desc())
            .limit(1)
        )


class Preferences:
    """What people decided about kinds and channels."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def rule(self, kind: str, channel: str) -> Rule:
        """Return what holds for a kind and a channel."""
        row = self._session.get(Preference, (kind, channel), populate_existing=True)
        if row is None:
            return default_rule(kind, channel)
        return Rule(row.enabled, Severity(row.min_severity))

    def set(
        self, kind: str, channel: str, enabled: bool, min_severity: str, by: str
    ) -> None:
        """Decide about a kind and a channel."""
        values: dict[str, Any] = {
            "enabled": enabled,
            "min_severity": min_severity,
            "updated_by": by,
            "updated_at": text("clock_timestamp()"),
        }
        self._session.execute(
            insert(Preference)
            .values(kind=kind, channel=channel, **values)
            .on_conflict_do_update(index_elements=["kind", "channel"], set_=values)
        )
