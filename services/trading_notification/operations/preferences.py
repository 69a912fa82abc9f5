"""Which kinds of messages go where."""

from trading_notification.domain.alert import CHANNELS, KINDS
from trading_notification.repository import NotificationTransaction
from trading_system.contracts.notification import PreferenceView
from trading_system.errors import Invalid


def preferences(tx: NotificationTransaction) -> list[PreferenceView]:
    """Return what holds for every kind and channel."""
    found = []
    for kind in KINDS:
        for channel in CHANNELS:
            rule = tx.preferences.rule(kind, channel)
            found.append(
                PreferenceView(
                    kind=kind,
                    channel=channel,
                    enabled=rule.enabled,
                    min_severity=rule.min_severity,
                )
            )
    return found


def set_preference(
    tx: NotificationTransaction,
    *,
    kind: str,
    channel: str,
    enabled: bool,
    min_severity: str,
    by: str,
) -> None:
    """Decide whether a kind goes through a channel, and from which severity."""
    if kind not in KINDS:
        raise Invalid(f"There is no kind {kind}; known are {', '.join(KINDS)}.")
    tx.act_as(by, "preferences")
    tx.preferences.set(kind, channel, enabled, min_severity, by)
