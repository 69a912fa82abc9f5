"""Logs: counted by hour, summed up by what they say, and dropped when old."""

from datetime import datetime, timedelta

from trading_notification.domain.log_patterns import commonest
from trading_notification.repository import NotificationTransaction
from trading_notification.repository.logs import TOLD
from trading_system.contracts.notification import NotificationRunResult

HOUR = timedelta(hours=1)
SETTLED = timedelta(minutes=5)
"""How long after an hour its last lines may still be written."""


def aggregate_logs(
    tx: NotificationTransaction, now: datetime, retention_days: int
) -> NotificationRunResult:
    """Sum up the hours that are over, once each, and keep only what is young enough."""
    until = (now - SETTLED).replace(minute=0, second=0, microsecond=0)
    start = tx.logs.summarized_until() or tx.logs.first_hour() or until
    added = lines = problems = 0
    if start < until:
        for hour, service, level, count in tx.logs.counts(start, until):
            patterns = []
            if level in TOLD:
                found = tx.logs.messages(hour, hour + HOUR, service, level)
                patterns = commonest(found)
                problems += count
            added += tx.logs.add_summary(
                hour=hour,
                service=service,
                level=level,
                lines=count,
                patterns=patterns,
            )
            lines += count
        tx.logs.set_summarized_until(until)
    kept = tx.logs.keep(retention_days)
    done = sum(int(number) for number in kept.values())
    return NotificationRunResult(
        status="done",
        examined=lines,
        changed=added + done,
        summary=f"{lines} lines in {added} sums, {problems} warnings and errors",
        detail={"sums": added, "problems": problems, **kept},
    )
