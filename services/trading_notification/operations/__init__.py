"""What notification can do.

Operations that are handed a `tx` only write; those that are handed a `database` talk to
the outside between two transactions.
"""

from trading_notification.operations.alerts import notify, notify_fill
from trading_notification.operations.delivering import deliver_outstanding, send_test
from trading_notification.operations.health import check_health, system_health
from trading_notification.operations.logs import aggregate_logs
from trading_notification.operations.preferences import (
    preferences,
    set_preference,
)
from trading_notification.operations.summary import send_summary

__all__ = [
    "aggregate_logs",
    "check_health",
    "deliver_outstanding",
    "notify",
    "notify_fill",
    "preferences",
    "send_summary",
    "send_test",
    "set_preference",
    "system_health",
]
