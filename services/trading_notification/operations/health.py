"""Health: every part looked at, changes noted, people told of what stays down."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from trading_core.calendar import NEW_YORK
from trading_notification.domain import health
from trading_notification.domain.alert import Alert
from trading_notification.domain.health import FAILURES_TO_TELL, Seen, Status
from trading_notification.operations.alerts import notify
from trading_notification.ports import Probe
from trading_notification.repository import NotificationTransaction
from trading_system.clock import monotonic, utc_now
from trading_system.contracts.notification import HealthCheckView, SystemHealthView
from trading_system.database import Database
from trading_system.vocabulary import Severity

LATELY = timedelta(hours=1)
"""How far back runs that came too late are looked for, by the machine's clock."""


def check_health(
    database: Database[NotificationTransaction],
    probes: Sequence[Probe],
    *,
    by_mail: bool,
) -> SystemHealthView:
    """Look at every part, note what is otherwise, and return the whole."""
    seen = [probe.look() for probe in probes]
    begun = monotonic()
    with database.read_only() as tx:
        seen.append(_clock(tx))
        seen += [health.consumer(*each) for each in tx.health.consumers()]
    took = (monotonic() - begun) * 1000
    seen.append(Seen("database", "pass", f"answers in {took:.0f} ms", f"{took:.1f}"))
    with database.transaction() as tx:
        now = utc_now()
        for each in seen:
            _note(tx, each, now, by_mail)
        _tell_of_missed_slots(tx, by_mail)
        return system_health(tx)


def system_health(tx: NotificationTransaction) -> SystemHealthView:
    """Return how every part was when it was looked at last."""
    states = tx.health.states()
    return SystemHealthView(
        status=health.worst([state.status for state in states]),
        checks=[HealthCheckView.model_validate(state) for state in states],
        checked_at=max((state.checked_at for state in states), default=None),
    )


def _tell_of_missed_slots(tx: NotificationTransaction, by_mail: bool) -> None:
    """Tell once a day and flow that runs came too late, however many they were."""
    for missed in tx.health.skipped(LATELY):
        first, last = (
            moment.astimezone(NEW_YORK) for moment in (missed.first, missed.last)
        )
        alert = Alert(
            kind="missed_schedule",
            severity=Severity.WARNING,
            title=f"{missed.job} came too late",
            message=(
                f"{missed.runs} runs for {first:%Y-%m-%d %H:%M} to {last:%H:%M}"
                " (New York) came after the next one was due, and did nothing: the"
                " newest catches up. Bars that are late cause no orders."
            ),
            dedup_key=f"missed_schedule:{missed.job}:{missed.day}",
            link="/system",
        )
        if not tx.inbox.has(alert.dedup_key):
            notify(tx, alert, by_mail=by_mail)


def _clock(tx: NotificationTransaction) -> Seen:
    before = utc_now()
    theirs = tx.health.now()
    middle = before + (utc_now() - before) / 2
    return health.skew(middle - theirs, "the database's clock")


def _note(
    tx: NotificationTransaction, seen: Seen, now: datetime, by_mail: bool
) -> None:
    before = tx.health.state(seen.component)
    changed = before is None or before.status != seen.status
    since = now if before is None or changed else before.since
    failures = (before.failures if before else 0) + 1 if seen.status == "fail" else 0
    alerted = before.alerted if before else False
    if changed:
        tx.health.add_change(seen, now)
    if failures >= FAILURES_TO_TELL and not alerted:
        _tell(tx, seen, since, Severity.CRITICAL, by_mail)
        alerted = True
    elif alerted and seen.status == "pass":
        _tell(tx, seen, since, Severity.INFO, by_mail)
        alerted = False
    tx.health.save(seen, since=since, now=now, failures=failures, alerted=alerted)


_WORDS: dict[Status, str] = {
    "fail": "is down",
    "pass": "is well again",
    "warn": "warns",
}


def _tell(
    tx: NotificationTransaction,
    seen: Seen,
    since: datetime,
    severity: Severity,
    by_mail: bool,
) -> None:
    alert = Alert(
        kind="system_health",
        severity=severity,
        title=f"{seen.component} {_WORDS[seen.status]}",
        message=seen.detail,
        dedup_key=f"system_health:{seen.component}:{seen.status}:{since.isoformat()}",
        link="/system",
    )
    notify(tx, alert, by_mail=by_mail)
