"""What notification says: alerts for people, and how the system is."""

from typing import Any, Literal
from uuid import UUID

from trading_system.event import Event
from trading_system.vocabulary import Instant, Model, Severity, View


class AlertRaised(Event, topic="notification.alert_raised"):
    """Something a person should see is in the inbox."""

    notification_id: UUID
    kind: str
    severity: Severity
    title: str
    message: str
    link: str | None = None
    market_time: Instant | None = None

    @property
    def key(self) -> str:
        return self.kind


class NotificationView(View):
    """A message in the inbox, and what became of its deliveries."""

    notification_id: UUID
    kind: str
    severity: str
    title: str
    message: str
    link: str | None
    correlation_id: UUID | None
    created_at: Instant
    read_at: Instant | None
    deliveries: list[dict[str, Any]] = []
    symbol: str | None = None
    count: int = 1
    market_time: Instant | None = None
    last_at: Instant | None = None


class HealthCheckView(View):
    """One thing that was looked at."""

    component: str
    status: str
    detail: str
    observed_value: str | None = None
    checked_at: Instant


class SystemHealthView(View):
    """The system as a whole, by its parts."""

    status: str
    checks: list[HealthCheckView]
    checked_at: Instant | None


class LogView(View):
    """One line of the system log."""

    log_id: int
    service: str
    level: str
    message: str
    timestamp: Instant
    correlation_id: UUID | None = None
    extra: dict[str, Any] = {}


class NotificationRunResult(View):
    """What one run of a notification flow did."""

    status: str
    examined: int = 0
    changed: int = 0
    summary: str = ""
    detail: dict[str, Any] = {}


class LogSummaryView(View):
    """The log lines of one hour, service and level, and the commonest of them."""

    hour: Instant
    service: str
    level: str
    lines: int
    patterns: list[dict[str, Any]] = []


class PreferenceView(View):
    """Whether messages of a kind go through a channel, and from which severity."""

    kind: str
    channel: str
    enabled: bool
    min_severity: Severity


class PreferenceChange(Model):
    """A decision about a kind and a channel."""

    kind: str
    channel: Literal["dashboard", "email"]
    enabled: bool = True
    min_severity: Severity = Severity.INFO
