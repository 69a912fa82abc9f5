"""An alert, its kinds, and through which channels each kind goes at first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from trading_system.vocabulary import Severity

CHANNELS = ("dashboard", "email")
RANK: Mapping[str, int] = {
    Severity.INFO: 0,
    Severity.WARNING: 1,
    Severity.CRITICAL: 2,
}


@dataclass(frozen=True, slots=True)
class Alert:
    """Something worth telling. Alerts with the same key are told once."""

    kind: str
    severity: Severity
    title: str
    message: str
    dedup_key: str
    link: str | None = None
    symbol: str | None = None
    market_time: datetime | None = None
    correlation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Whether a kind goes through a channel, and from which severity."""

    enabled: bool
    min_severity: Severity

    def lets(self, severity: str) -> bool:
        """Say whether an alert of this severity goes through."""
        return self.enabled and RANK[severity] >= RANK[self.min_severity]


KINDS: Mapping[str, Severity] = {
    "order_filled": Severity.INFO,
    "order_rejected": Severity.WARNING,
    "order_unresolved": Severity.WARNING,
    "broker_contract": Severity.WARNING,
    "combo": Severity.WARNING,
    "missed_schedule": Severity.WARNING,
    "order_denied": Severity.WARNING,
    "risk_alert": Severity.WARNING,
    "trading_state": Severity.INFO,
    "strategy_failed": Severity.WARNING,
    "data_quality": Severity.CRITICAL,
    "reconciliation": Severity.WARNING,
    "report": Severity.CRITICAL,
    "system_health": Severity.WARNING,
    "daily_summary": Severity.INFO,
    "test": Severity.INFO,
}
"""Every kind, and the severity from which it goes by mail unless a person says else."""


def default_rule(kind: str, channel: str) -> Rule:
    """Return what holds for a kind that nobody has decided about."""
    if channel == "email":
        return Rule(True, KINDS.get(kind, Severity.WARNING))
    return Rule(True, Severity.INFO)
