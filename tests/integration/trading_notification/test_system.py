"""Health, logs and the daily summary."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from trading_notification import operations
from trading_notification.adapters.probes import DiskProbe, RedisProbe, ServiceProbe
from trading_notification.domain.alert import Alert
from trading_notification.domain.health import Seen
from trading_notification.domain.summary import Executed, Figures, Holding
from trading_system.clock import utc_now
from trading_system.runtime.ports import free_port
from trading_system.vocabulary import Severity

pytestmark = pytest.mark.integration

NOON = datetime(2024, 3, 5, 17, tzinfo=UTC)


class FakeProbe:
    """A part of the system that tests break and mend."""

    def __init__(self) -> None:
        self.status = "pass"

    def look(self) -> Seen:
        return Seen("execution", self.status, f"it is {self.status}")


class FakePortfolio:
    """An account with one position and one execution."""

    def figures(self) -> Figures:
        return Figures(
            day=date(2024, 3, 5),
            equity=Decimal("100412.10"),
            day_pnl=Decimal("412.10"),
            cash=Decimal("90000"),
            positions=[
                Holding("AAPL", Decimal(40), Decimal("10412.10"), Decimal("412.10"))
            ],
            trades=[Executed("AAPL", "buy", Decimal(40), Decimal("250"))],
        )


def look(database: Any, *probes: Any) -> Any:
    return operations.check_health(database, probes, by_mail=False)


def titles(database: Any) -> list[str]:
    with database.read_only() as tx:
        return [message.title for message in tx.inbox.recent()]


def test_a_part_that_stays_down_is_told_once_and_its_return_too(database: Any) -> None:
    part = FakeProbe()
    look(database, part)
    part.status = "fail"
    assert look(database, part).status == "fail"
    # It may only be restarting: the second look decides.
    assert titles(database) == []
    for _ in range(3):
        look(database, part)
    assert titles(database) == ["execution is down"]
    part.status = "pass"
    look(database, part)
    assert titles(database) == ["execution is well again", "execution is down"]
    with database.read_only() as tx:
        changes = [c.status for c in tx.health.changes() if c.component == "execution"]
    assert changes == ["pass", "fail", "pass"]


def test_runs_that_came_too_late_are_told_once(database: Any) -> None:
    def missed(job: str, hours: int) -> None:
        with database.transaction() as tx:
            tx.session.execute(
                text(
                    "insert into shared.job_runs (job, scheduled_for, owner,"
                    " lease_until, status) values (:job, :slot, 'a run', now(),"
                    " 'superseded')"
                ),
                {"job": job, "slot": NOON + timedelta(hours=hours)},
            )

    before = len(titles(database))
    # One alone was overtaken by another run: nothing was missed.
    missed("manage_orders", 0)
    for hours in range(4):
        missed("fetch_market_data", hours)
    look(database)
    # The others of the nine come while it is looked at.
    for hours in range(4, 8):
        missed("fetch_market_data", hours - 8)
        look(database)
    told = titles(database)
    assert len(told) == before + 1
    assert told[0] == "fetch_market_data came too late"


def test_a_second_look_at_the_same_changes_nothing(database: Any) -> None:
    part = FakeProbe()
    first = look(database, part)
    with database.read_only() as tx:
        before = len(tx.health.changes())
    second = look(database, part)
    with database.read_only() as tx:
        assert len(tx.health.changes()) == before
        assert operations.system_health(tx).status == second.status
    assert {c.component for c in first.checks} == {c.component for c in second.checks}


def test_database_clock_and_consumers_are_looked_at(database: Any) -> None:
    with database.transaction() as tx:
        tx.session.execute(
            text(
                "insert into shared.dead_letters (consumer, event_id, seq, topic, key,"
                " status) values ('notification', gen_random_uuid(), 1, 't', 'k',"
                " 'parked')"
            )
        )
    checks = {check.component: check for check in look(database).checks}
    with database.transaction() as tx:
        tx.session.execute(text("delete from shared.dead_letters"))
    assert checks["database"].status == "pass"
    assert checks["clock"].status == "pass"
    assert checks["notification events"].status == "warn"
    assert "1 set aside" in checks["notification events"].detail


def test_probes_say_what_they_see_and_never_raise(
    redis_url: str, tmp_path: Path
) -> None:
    port = free_port()
    dead = ServiceProbe("risk", f"http://127.0.0.1:{port}").look()
    assert (dead.component, dead.status) == ("risk", "fail")
    assert RedisProbe(redis_url).look().status == "pass"
    assert RedisProbe(f"redis://127.0.0.1:{port}/0").look().status == "fail"
    assert "GB" in DiskProbe(tmp_path).look().detail
    assert DiskProbe(tmp_path / "nowhere").look().status == "fail"


def log(database: Any, at: datetime, message: str, level: str = "ERROR") -> None:
    with database.transaction() as tx:
        tx.session.execute(
            text(
                "insert into logging.system_logs (service, level, message, timestamp)"
                " values ('execution', :level, :message, :at)"
            ),
            {"level": level, "message": message, "at": at},
        )


def aggregate(database: Any, days: int = 30) -> Any:
    with database.transaction() as tx:
        return operations.aggregate_logs(tx, utc_now(), days)


def test_hours_that_are_over_are_summed_up_once(database: Any) -> None:
    now = utc_now()
    hour = (now - timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    for place in range(3):
        log(database, hour + timedelta(minutes=place), f"order {place} was refused")
    log(database, hour, "all is well", "INFO")
    log(database, now, "not over yet")
    result = aggregate(database)
    assert (result.examined, result.detail["sums"]) == (4, 2)
    with database.read_only() as tx:
        error, info = tx.logs.summaries(hour)
    assert (error.level, error.lines) == ("ERROR", 3)
    assert error.patterns == [{"pattern": "order <n> was refused", "count": 3}]
    assert (info.level, info.lines, info.patterns) == ("INFO", 1, [])
    assert aggregate(database).changed == 0


def partitions(database: Any) -> set[str]:
    with database.read_only() as tx:
        return set(
            tx.session.scalars(
                text(
                    "select inhrelid::regclass::text from pg_inherits"
                    " where inhparent = 'logging.system_logs'::regclass"
                )
            )
        )


def month(moment: datetime) -> str:
    return f"logging.system_logs_{moment:%Y_%m}"


def test_months_are_made_ahead_and_dropped_when_old(database: Any) -> None:
    now = utc_now()
    next_month = (now.replace(day=1) + timedelta(days=32)).replace(day=1)
    old = now - timedelta(days=100)
    with database.transaction() as tx:
        tx.session.execute(text(f"drop table {month(next_month)}"))
        tx.session.execute(
            text("select logging.ensure_partitions(:day, 1)"), {"day": old.date()}
        )
    log(database, next_month, "written before its month was made")
    log(database, old, "long ago")
    assert month(old) in partitions(database)
    kept = aggregate(database).detail
    assert (kept["partitions_made"], kept["partitions_dropped"]) == (1, 1)
    assert month(next_month) in partitions(database)
    assert month(old) not in partitions(database)
    with database.read_only() as tx:
        (line,) = tx.logs.recent()
    assert line.message == "written before its month was made"
    again = aggregate(database).detail
    assert (again["partitions_made"], again["partitions_dropped"]) == (0, 0)


def test_lines_older_than_the_retention_go_and_younger_stay(database: Any) -> None:
    now = utc_now()
    log(database, now - timedelta(days=9), "old")
    log(database, now - timedelta(days=1), "young")
    assert aggregate(database, days=7).detail["lines_dropped"] == 1
    with database.read_only() as tx:
        assert [line.message for line in tx.logs.recent()] == ["young"]
    with pytest.raises(DBAPIError, match="at least one day"):
        aggregate(database, days=0)


def test_log_lines_are_found_by_level_service_and_position(database: Any) -> None:
    now = utc_now()
    for level in ("DEBUG", "INFO", "WARNING", "CRITICAL"):
        log(database, now, level.lower(), level)
    with database.read_only() as tx:
        severe = tx.logs.recent(level="WARNING")
        assert {line.message for line in severe} == {"warning", "critical"}
        newest = max(line.log_id for line in severe)
        assert tx.logs.recent(after=newest) == []
        assert tx.logs.recent(service="risk") == []


def test_the_day_is_summed_up_once(database: Any) -> None:
    with database.transaction() as tx:
        operations.notify(
            tx,
            Alert(
                kind="order_rejected",
                severity=Severity.WARNING,
                title="Rejected: buy 1 XOM",
                message="no",
                dedup_key="x",
                market_time=NOON,
            ),
            by_mail=False,
        )
    first = operations.send_summary(database, FakePortfolio(), by_mail=True)
    assert (first.status, first.changed) == ("sent", 1)
    again = operations.send_summary(database, FakePortfolio(), by_mail=True)
    assert (again.status, again.changed) == ("sent before", 0)
    with database.read_only() as tx:
        message = tx.inbox.recent(kind="daily_summary")[0]
        assert tx.deliveries.outstanding() == 1
    assert message.title == "2024-03-05: $100,412.10, +$412.10, 1 execution"
    for words in ("AAPL", "+$412.10", "bought 40 at $250.00", "Rejected: buy 1 XOM"):
        assert words in message.message
