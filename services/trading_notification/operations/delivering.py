"""Mail: claimed, sent between two transactions, and tried again."""

from dataclasses import dataclass
from datetime import datetime

from loguru import logger

from trading_notification.domain.deliveries import LEASE, pause_after
from trading_notification.domain.mail import Mail, compose, message_id
from trading_notification.models import Delivery
from trading_notification.ports import Mailer, NotSent
from trading_notification.repository import NotificationTransaction
from trading_system.clock import utc_now
from trading_system.contracts.notification import NotificationRunResult
from trading_system.database import Database
from trading_system.errors import Conflict
from trading_system.vocabulary import TradingMode, new_id


@dataclass(frozen=True, slots=True)
class _Claimed:
    delivery_id: int
    attempts: int
    mail: Mail


def deliver_outstanding(
    database: Database[NotificationTransaction], mailer: Mailer | None
) -> NotificationRunResult:
    """Send every mail whose time has come.

    A process that dies between sending and noting it sends again: the Message-ID is the
    same, so a mail program can show it once.
    """
    if mailer is None:
        return NotificationRunResult(status="no mail server")
    sent = failed = 0
    while claimed := _claim(database):
        for each in claimed:
            if _send(database, mailer, each):
                sent += 1
            else:
                failed += 1
    with database.read_only() as tx:
        left = tx.deliveries.outstanding()
    return NotificationRunResult(
        status="done" if not failed else "some mails were not sent",
        examined=sent + failed,
        changed=sent,
        summary=f"{sent} sent, {failed} failed, {left} outstanding",
        detail={"sent": sent, "failed": failed, "outstanding": left},
    )


def send_test(
    database: Database[NotificationTransaction], mailer: Mailer | None, by: str
) -> NotificationRunResult:
    """Send a mail now, and return what the server said."""
    if mailer is None:
        raise Conflict(
            "No mail server is set.", remedy="Set SMTP_HOST and ALERT_EMAIL_TO."
        )
    with database.read_only() as tx:
        mail = compose(
            message_id=message_id(new_id()),
            severity="info",
            title="Test of the mail channel",
            message=f"{by} asked for this mail.",
            lines=(),
            mode=tx.mode,
            market_time=None,
            now=utc_now(),
        )
    mailer.send(mail)
    return NotificationRunResult(
        status="sent", examined=1, changed=1, summary=mail.subject
    )


def _claim(database: Database[NotificationTransaction]) -> list[_Claimed]:
    now = utc_now()
    with database.transaction() as tx:
        mode = tx.mode
        return [
            _Claimed(each.delivery_id, each.attempts, _mail(tx, each, mode, now))
            for each in tx.deliveries.claim_due(now, LEASE)
        ]


def _mail(
    tx: NotificationTransaction, delivery: Delivery, mode: TradingMode, now: datetime
) -> Mail:
    message = tx.inbox.get(delivery.notification_id)
    return compose(
        message_id=delivery.message_id,
        severity=message.severity,
        title=message.title,
        message=message.message,
        lines=message.lines,
        mode=mode,
        market_time=message.market_time,
        now=now,
    )


def _send(
    database: Database[NotificationTransaction], mailer: Mailer, claimed: _Claimed
) -> bool:
    error: NotSent | None = None
    try:
        mailer.send(claimed.mail)
    except NotSent as failure:
        error = failure
        logger.warning("mail {!r} was not sent: {}", claimed.mail.subject, failure)
    with database.transaction() as tx:
        delivery = tx.deliveries.get(claimed.delivery_id)
        if error is None:
            delivery.status, delivery.sent_at = "sent", utc_now()
            delivery.last_error = None
            return True
        delivery.last_error = str(error)[:500]
        pause = pause_after(claimed.attempts)
        if pause is None:
            delivery.status = "given_up"
        else:
            delivery.next_attempt_at = utc_now() + pause
    return False
