"""Bars that are due are fetched once, whoever asks and however often."""

import threading
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from trading_core.calendar import NEW_YORK
from trading_ingestion import operations
from trading_ingestion.domain.due import Pace
from trading_ingestion.operations import Source
from trading_ingestion.repository import IngestionTransaction
from trading_system.contracts.ingestion import BarsIngested
from trading_system.database import Database
from trading_system.errors import Unavailable

pytestmark = pytest.mark.integration

MONDAY = date(2024, 7, 1)
Ingestion = Database[IngestionTransaction]


def at(hour: int, minute: int = 0, day: date = MONDAY) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK)


def told(database: Ingestion) -> list[BarsIngested]:
    with database.read_only() as tx:
        rows = tx.session.execute(
            text(
                "select payload, event_id, correlation_id, causation_id"
                " from shared.events where topic = :topic order by seq"
            ),
            {"topic": BarsIngested.topic},
        ).all()
    return [BarsIngested.loaded(row) for row in rows]


def stored(database: Ingestion) -> list[Any]:
    with database.read_only() as tx:
        return list(
            tx.session.execute(
                text(
                    "select symbol, timestamp, bar_end, open, high, low, close, volume,"
                    " revision from data_ingestion.market_data order by 2, 1"
                )
            )
        )


def log(database: Ingestion, check: str) -> list[str]:
    with database.read_only() as tx:
        return list(
            tx.session.scalars(
                text(
                    "select message from data_ingestion.data_quality_logs"
                    " where check_type = :check order by log_id"
                ),
                {"check": check},
            )
        )


def everything(database: Ingestion) -> dict[str, int]:
    """Count what a repeat could have doubled."""
    tables = "market_data received_bars data_quality_logs batches series universe"
    with database.read_only() as tx:
        counts = {
            table: tx.session.scalar(
                text(f"select count(*) from data_ingestion.{table}")
            )
            for table in tables.split()
        }
        counts["events"] = tx.session.scalar(text("select count(*) from shared.events"))
    return {name: count or 0 for name, count in counts.items()}


@pytest.fixture
def begun(database: Ingestion, source: Source) -> Ingestion:
    """A service that started before the open, without its history."""
    operations.begin(database, source, source.market_time())
    return database


def test_a_due_bar_is_stored_and_told(begun, source, feed):
    feed.now = at(10, 2)

    result = operations.fetch_due_bars(begun, source)

    assert result.status == "stored"
    assert result.bar_ends == [at(10)]
    rows = stored(begun)
    assert [row.symbol for row in rows] == ["AAPL", "BAC", "SPY"]
    assert {(row.timestamp, row.bar_end) for row in rows} == {(at(9, 30), at(10))}
    (event,) = told(begun)
    assert event.symbols == ("AAPL", "BAC", "SPY")
    assert event.newest and not event.session_closed and not event.missing
    assert event.market_time == at(10, 2)


def test_an_hour_is_built_from_its_two_half_hours(begun, source, feed):
    feed.now = at(11, 2)
    feed.changed[("SPY", at(10))] = {"open": 50.0, "low": 49.0, "volume": 7.0}
    feed.changed[("SPY", at(10, 30))] = {"high": 300.0, "close": 200.0, "volume": 5.0}

    operations.fetch_due_bars(begun, source)

    bar = next(r for r in stored(begun) if r.symbol == "SPY" and r.bar_end == at(11))
    assert (bar.open, bar.high, bar.low, bar.close) == (50.0, 300.0, 49.0, 200.0)
    assert bar.volume == 12.0


def test_fetching_again_changes_nothing(begun, source, feed):
    feed.now = at(10, 2)
    operations.fetch_due_bars(begun, source)
    before = everything(begun)

    result = operations.fetch_due_bars(begun, source, scheduled_for=at(10, 2))

    assert result.status == "nothing due"
    assert result.bar_ends == []
    assert everything(begun) == before


def test_a_bar_is_not_due_before_it_has_settled(begun, source, feed):
    feed.now = at(10) + timedelta(seconds=59)
    assert operations.fetch_due_bars(begun, source).status == "nothing due"
    feed.now = at(10) + timedelta(seconds=60)
    assert operations.fetch_due_bars(begun, source).bar_ends == [at(10)]


def test_after_an_outage_all_bars_come_oldest_first_and_only_the_newest_may_trade(
    begun, source, feed
):
    feed.now = at(12, 1)

    operations.fetch_due_bars(begun, source)

    assert [(e.bar_end, e.newest) for e in told(begun)] == [
        (at(10), False),
        (at(11), False),
        (at(12), True),
    ]


def test_an_outage_of_weeks_leaves_no_hole(begun, source, feed):
    feed.now = at(12, 1, date(2024, 7, 29))

    result = operations.fetch_due_bars(begun, source)

    # 20 sessions of 7 bars, the half day of 3 July (4 bars) and no 4 July among them
    # (19 sessions from 1 to 26 July), and three bars of the 29th.
    assert len(result.bar_ends) == 18 * 7 + 4 + 3
    assert result.bar_ends == sorted(result.bar_ends)
    assert len(stored(begun)) == 3 * len(result.bar_ends)
    assert [e.newest for e in told(begun)].count(True) == 1


def test_a_newest_bar_that_is_late_causes_no_orders(begun, source, feed):
    feed.now = at(17, 16)

    operations.fetch_due_bars(begun, source)

    last = told(begun)[-1]
    assert last.bar_end == at(16)
    assert last.session_closed
    assert not last.newest


def test_the_last_bar_of_a_half_day_closes_the_session(begun, source, feed):
    feed.now = at(13, 1, date(2024, 7, 3))

    operations.fetch_due_bars(begun, source)

    last = told(begun)[-1]
    assert (last.bar_start, last.bar_end) == (
        at(12, 0, date(2024, 7, 3)),
        at(13, 0, date(2024, 7, 3)),
    )
    assert last.session_closed and last.newest


def test_a_symbol_without_a_bar_is_missing_and_never_invented(begun, source, feed):
    feed.now = at(10, 2)
    feed.without.add(("BAC", at(9, 30)))

    result = operations.fetch_due_bars(begun, source)

    assert result.missing == ["BAC"]
    assert [row.symbol for row in stored(begun)] == ["AAPL", "SPY"]
    (event,) = told(begun)
    assert event.missing == ("BAC",)
    assert log(begun, "missing") == [
        "The feed has no bar of BAC from 2024-07-01 13:30 to 14:00Z."
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"close": float("nan")},
        {"low": -1.0},
        {"high": 1.0},
        {"volume": -5.0},
        {"open": None},
        {"high": float("inf")},
    ],
)
def test_a_bad_bar_is_logged_and_its_hour_is_missing(begun, source, feed, change):
    feed.now = at(11, 2)
    feed.changed[("AAPL", at(10, 30))] = change

    result = operations.fetch_due_bars(begun, source)

    assert result.missing == ["AAPL"]
    assert (("AAPL", at(11))) not in {(r.symbol, r.bar_end) for r in stored(begun)}
    with begun.read_only() as tx:
        failed = tx.quality.listed(symbol="AAPL", status="failed", before=None, limit=9)
        said = tx.session.scalars(
            text(
                "select payload ->> 'message' from shared.events"
                " where topic = 'ingestion.data_quality_failed'"
            )
        ).all()
    assert [row.bar_timestamp for row in failed] == [at(10, 30)]
    assert said == [failed[0].message]


def test_a_corrected_bar_gets_a_revision_and_a_line_in_the_log(begun, source, feed):
    feed.now = at(10, 2)
    operations.fetch_due_bars(begun, source)
    feed.changed[("SPY", at(9, 30))] = {"close": 105.75}
    feed.now = at(11, 2)

    operations.fetch_due_bars(begun, source)

    bar = next(r for r in stored(begun) if r.symbol == "SPY" and r.bar_end == at(10))
    assert (bar.close, bar.revision) == (105.75, 1)
    (said,) = log(begun, "corrected")
    assert "SPY 2024-07-01 13:30Z: close" in said and "-> 105.75" in said
    with begun.read_only() as tx:
        revisions = tx.session.scalars(
            text(
                "select revision from data_ingestion.received_bars"
                " where symbol = 'SPY' and timestamp = :at order by 1"
            ),
            {"at": at(9, 30)},
        ).all()
    assert revisions == [0, 1]
    assert [e.bar_end for e in told(begun)] == [at(10), at(11)]


def test_an_hour_without_any_bar_waits_for_the_feed_and_is_told_when_late(
    begun, source, feed
):
    feed.without = {(symbol, at(9, 30)) for symbol in feed.symbols}
    feed.now = at(10, 2)
    assert operations.fetch_due_bars(begun, source).status == "waiting for the feed"
    assert told(begun) == []

    feed.now = at(11, 16)
    result = operations.fetch_due_bars(begun, source)

    assert result.bar_ends == [at(10), at(11)]
    first, second = told(begun)
    assert first.symbols == () and first.missing == feed.symbols
    assert not first.newest and second.newest


def test_in_simulated_time_an_empty_hour_is_final_at_once(begun, feed):
    simulated = Source(feed, Pace(timedelta(0), lockstep=True))
    feed.without = {(symbol, at(9, 30)) for symbol in feed.symbols}
    feed.now = at(10)

    assert operations.fetch_due_bars(begun, simulated).bar_ends == [at(10)]
    assert told(begun)[0].missing == feed.symbols


def test_a_feed_that_is_down_leaves_the_bar_due(begun, source, feed):
    feed.now, feed.is_down = at(10, 2), True
    before = everything(begun)
    with pytest.raises(Unavailable):
        operations.fetch_due_bars(begun, source)
    assert everything(begun) == before

    feed.is_down = False
    assert operations.fetch_due_bars(begun, source).bar_ends == [at(10)]


def test_two_instances_that_fetch_at_once_have_one_effect(begun, source, feed):
    feed.now = at(12, 1)
    together = threading.Barrier(2)
    results = []

    def fetch() -> None:
        together.wait()
        results.append(operations.fetch_due_bars(begun, source))

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 2
    ends = [end for result in results for end in result.bar_ends]
    assert sorted(ends) == [at(10), at(11), at(12)]
    assert [e.bar_end for e in told(begun)] == [at(10), at(11), at(12)]
    assert len(stored(begun)) == 9


def test_the_worker_leaves_a_bar_to_the_timetable_for_two_minutes(begun, source, feed):
    feed.now = at(10, 2)
    assert not operations.waits_too_long(begun, source, 120)
    feed.now = at(10, 3)
    assert operations.waits_too_long(begun, source, 120)
    operations.fetch_due_bars(begun, source)
    assert not operations.waits_too_long(begun, source, 120)


def test_a_start_just_after_a_bar_still_takes_it_as_live(database, source, feed):
    feed.now = at(10, 2)
    operations.load_history(database, source)

    assert operations.fetch_due_bars(database, source).bar_ends == [at(10)]
