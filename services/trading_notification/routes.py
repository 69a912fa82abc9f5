"""What notification answers over HTTP."""

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request

from trading_notification import operations
from trading_notification.models import HealthCheck, LogSummary, Notification
from trading_notification.ports import Desk
from trading_notification.repository import NotificationTransaction
from trading_system.clock import utc_now
from trading_system.contracts.notification import (
    HealthCheckView,
    LogSummaryView,
    LogView,
    NotificationRunResult,
    NotificationView,
    PreferenceChange,
    PreferenceView,
    SystemHealthView,
)
from trading_system.database import Database
from trading_system.models import SystemLog
from trading_system.personal_tokens import RISK
from trading_system.security import requires
from trading_system.service import in_read_only, in_transaction

router = APIRouter()

Reading = Annotated[NotificationTransaction, in_read_only]
Writing = Annotated[NotificationTransaction, in_transaction]
Limit = Annotated[int, Query(ge=1, le=1000)]
Level = Literal["TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"]


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _database(request: Request) -> Database[NotificationTransaction]:
    database: Database[NotificationTransaction] = request.app.state.database
    return database


def _asker(request: Request) -> str:
    return request.headers.get("X-Acting-User") or str(request.state.caller.name)


@router.get("/notifications", response_model=list[NotificationView], tags=["Inbox"])
def notifications(
    tx: Reading,
    unread: bool = False,
    kind: str | None = None,
    severity: Literal["info", "warning", "critical"] | None = None,
    before: UUID | None = None,
    limit: Limit = 50,
) -> Any:
    """List messages, newest first; `before` goes on after the last of a page."""
    found = tx.inbox.recent(
        unread=unread, kind=kind, severity=severity, before=before, limit=limit
    )
    return _views(tx, found)


@router.post(
    "/notifications/{notification_id}/read",
    response_model=NotificationView,
    tags=["Inbox"],
)
def read(tx: Writing, notification_id: UUID) -> Any:
    """Note that a person has seen a message."""
    return _views(tx, [tx.inbox.mark_read(notification_id)])[0]


@router.post(
    "/notifications/read-all", response_model=NotificationRunResult, tags=["Inbox"]
)
def read_all(tx: Writing) -> Any:
    """Note that a person has seen every message."""
    return NotificationRunResult(status="done", changed=tx.inbox.mark_all_read())


@router.post(
    "/alerts/deliver",
    response_model=NotificationRunResult,
    tags=["Runs"],
    dependencies=[requires(RISK)],
)
def deliver(request: Request) -> Any:
    """Send what is due and has not been sent."""
    return operations.deliver_outstanding(_database(request), _desk(request).mailer)


@router.post(
    "/health/check",
    response_model=SystemHealthView,
    tags=["Runs"],
    dependencies=[requires(RISK)],
)
def check_health(request: Request) -> Any:
    """Look at every part of the system."""
    desk = _desk(request)
    return operations.check_health(
        _database(request), desk.probes, by_mail=desk.by_mail
    )


@router.post(
    "/logs/aggregate",
    response_model=NotificationRunResult,
    tags=["Runs"],
    dependencies=[requires(RISK)],
)
def aggregate(tx: Writing, request: Request) -> Any:
    """Sum up the hours that are over, and drop lines that are too old."""
    return operations.aggregate_logs(tx, utc_now(), _desk(request).retention_days)


@router.post(
    "/summary/send",
    response_model=NotificationRunResult,
    tags=["Runs"],
    dependencies=[requires(RISK)],
)
def send_summary(request: Request) -> Any:
    """Sum up the newest day, once."""
    desk = _desk(request)
    return operations.send_summary(
        _database(request), desk.portfolio, by_mail=desk.by_mail
    )


@router.get("/system-health", response_model=SystemHealthView, tags=["Health"])
def system_health(tx: Reading) -> Any:
    """Return how every part was when it was looked at last."""
    return operations.system_health(tx)


@router.get(
    "/system-health/changes", response_model=list[HealthCheckView], tags=["Health"]
)
def health_changes(tx: Reading, limit: Limit = 100) -> list[HealthCheck]:
    """List the changes of parts, newest first."""
    return tx.health.changes(limit)


@router.get("/logs", response_model=list[LogView], tags=["Logs"])
def logs(
    tx: Reading,
    service: str | None = None,
    level: Level | None = None,
    correlation_id: UUID | None = None,
    after: Annotated[int | None, Query(ge=0)] = None,
    before: Annotated[int | None, Query(ge=0)] = None,
    limit: Limit = 100,
) -> Any:
    """List log lines, newest first; `level` is the least that is shown.

    Go on `before` the last one seen; `after` leaves out what was seen already.
    """
    found = tx.logs.recent(
        service=service,
        level=level,
        correlation_id=correlation_id,
        after=after,
        before=before,
        limit=limit,
    )
    return [_log_view(line) for line in found]


@router.get("/logs/summaries", response_model=list[LogSummaryView], tags=["Logs"])
def log_summaries(
    tx: Reading, hours: Annotated[int, Query(ge=1, le=24 * 31)] = 24
) -> list[LogSummary]:
    """List the sums of hours, newest first."""
    return tx.logs.summaries(utc_now() - timedelta(hours=hours))


@router.get("/preferences", response_model=list[PreferenceView], tags=["Preferences"])
def preferences(tx: Reading) -> Any:
    """List which kinds go through which channel, and from which severity."""
    return operations.preferences(tx)


@router.put(
    "/preferences",
    response_model=list[PreferenceView],
    tags=["Preferences"],
    dependencies=[requires(RISK)],
)
def set_preference(tx: Writing, request: Request, change: PreferenceChange) -> Any:
    """Decide whether a kind goes through a channel, and from which severity."""
    operations.set_preference(
        tx,
        kind=change.kind,
        channel=change.channel,
        enabled=change.enabled,
        min_severity=change.min_severity,
        by=_asker(request),
    )
    return operations.preferences(tx)


@router.post(
    "/preferences/test",
    response_model=NotificationRunResult,
    tags=["Preferences"],
    dependencies=[requires(RISK)],
)
def test_mail(request: Request) -> Any:
    """Send a mail now, and answer what the server said."""
    return operations.send_test(
        _database(request), _desk(request).mailer, _asker(request)
    )


def _log_view(line: SystemLog) -> LogView:
    return LogView(
        log_id=line.log_id,
        service=line.service,
        level=line.level,
        message=line.message,
        timestamp=line.timestamp,
        correlation_id=line.correlation_id,
        extra=line.extra or {},
    )


def _views(
    tx: NotificationTransaction, found: list[Notification]
) -> list[NotificationView]:
    deliveries = tx.deliveries.of([each.notification_id for each in found])
    return [
        NotificationView(
            notification_id=each.notification_id,
            kind=each.kind,
            severity=each.severity,
            title=each.title,
            message=each.message,
            link=each.link,
            symbol=each.symbol,
            correlation_id=each.correlation_id,
            count=each.count,
            market_time=each.market_time,
            created_at=each.created_at,
            last_at=each.last_at,
            read_at=each.read_at,
            deliveries=[
                {
                    "channel": delivery.channel,
                    "status": delivery.status,
                    "attempts": delivery.attempts,
                    "last_error": delivery.last_error,
                    "sent_at": delivery.sent_at,
                }
                for delivery in deliveries[each.notification_id]
            ],
        )
        for each in found
    ]
