"""Alerts: into the inbox once, told on the dashboard, and queued for mail."""

from collections.abc import Sequence
from datetime import timedelta

from trading_notification.domain import wording
from trading_notification.domain.alert import Alert
from trading_notification.domain.deliveries import GROUPING
from trading_notification.models import Notification
from trading_notification.repository import NotificationTransaction
from trading_system.clock import utc_now
from trading_system.contracts.execution import OrderFilled
from trading_system.contracts.notification import AlertRaised
from trading_system.vocabulary import Severity

AT_ONCE = timedelta(0)


def notify(
    tx: NotificationTransaction,
    alert: Alert,
    *,
    by_mail: bool,
    lines: Sequence[str] = (),
    wait: timedelta = AT_ONCE,
) -> Notification | None:
    """Put an alert into the inbox and tell of it; a known one is only counted.

    `by_mail` says whether there is a mail server; what goes by mail is for people to
    decide. Mail is sent by the worker, after `wait`.
    """
    message = tx.inbox.add(alert, lines)
    if message is None:
        return None
    if tx.preferences.rule(alert.kind, "dashboard").lets(alert.severity):
        tx.publish(
            AlertRaised(
                notification_id=message.notification_id,
                kind=alert.kind,
                severity=alert.severity,
                title=alert.title,
                message=alert.message,
                link=alert.link,
                market_time=alert.market_time,
            )
        )
    if by_mail and tx.preferences.rule(alert.kind, "email").lets(alert.severity):
        tx.deliveries.queue(message.notification_id, "email", utc_now() + wait)
    return message


def notify_fill(
    tx: NotificationTransaction, event: OrderFilled, *, by_mail: bool
) -> None:
    """Tell of a filled order, together with the others of its minute."""
    if not event.complete:
        return
    key, line = wording.fills_key(event), wording.fill_line(event)
    group = tx.inbox.open_group(key)
    if group is not None:
        lines = [*group.lines, line]
        group.lines = lines
        group.count = len(lines)
        group.title = wording.fills_title(lines)
        group.message = "\n".join(lines)
        group.symbol, group.link, group.correlation_id = None, "/orders", None
        group.last_at = utc_now()
        return
    part = tx.inbox.parts(key) + 1
    alert = Alert(
        kind="order_filled",
        severity=Severity.INFO,
        title=line,
        message=line,
        dedup_key=f"{key}#{part}",
        link=f"/explain/order/{event.order_id}",
        symbol=event.symbol,
        market_time=event.market_time,
        correlation_id=event.correlation_id,
    )
    notify(tx, alert, by_mail=by_mail, lines=[line], wait=GROUPING)
