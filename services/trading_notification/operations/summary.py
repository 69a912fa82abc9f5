"""The day on one page: into the inbox, and by mail."""

from datetime import datetime, time

from trading_core.calendar import NEW_YORK
from trading_notification.domain import summary
from trading_notification.domain.alert import Alert
from trading_notification.operations.alerts import notify
from trading_notification.ports import Portfolio
from trading_notification.repository import NotificationTransaction
from trading_system.contracts.notification import NotificationRunResult
from trading_system.database import Database
from trading_system.vocabulary import Severity


def send_summary(
    database: Database[NotificationTransaction], portfolio: Portfolio, *, by_mail: bool
) -> NotificationRunResult:
    """Sum up the newest day, once."""
    figures = portfolio.figures()
    midnight = datetime.combine(figures.day, time(), NEW_YORK)
    with database.transaction() as tx:
        alerts = tx.inbox.titles_since(midnight, [Severity.WARNING, Severity.CRITICAL])
        lines = summary.lines(figures, alerts)
        title = summary.title(figures)
        alert = Alert(
            kind="daily_summary",
            severity=Severity.INFO,
            title=title,
            message="\n".join(lines),
            dedup_key=f"daily_summary:{figures.day}",
            link="/",
        )
        # Nothing has happened again: a known summary is not even counted.
        message = None
        if not tx.inbox.has(alert.dedup_key):
            message = notify(tx, alert, by_mail=by_mail)
    return NotificationRunResult(
        status="sent" if message else "sent before",
        examined=len(figures.positions) + len(figures.trades) + len(alerts),
        changed=0 if message is None else 1,
        summary=title,
        detail={
            "day": figures.day.isoformat(),
            "positions": len(figures.positions),
            "executions": len(figures.trades),
            "alerts": len(alerts),
        },
    )
