"""History: 60 sessions at once, the rest step by step, and never a due bar."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import text

from trading_core.calendar import NEW_YORK
from trading_ingestion import operations
from trading_system.errors import Invalid

pytestmark = pytest.mark.integration


def spans(database):
    with database.read_only() as tx:
        return tx.session.execute(
            text(
                "select symbol, count(*), min(timestamp), max(bar_end)"
                " from data_ingestion.market_data group by 1 order by 1"
            )
        ).all()


def topics(database):
    with database.read_only() as tx:
        return tx.session.scalars(
            text("select topic from shared.events order by seq")
        ).all()


def test_the_first_step_loads_sixty_sessions_before_the_start(database, source, feed):
    result = operations.load_history(database, source)

    assert result.rows_stored == 3 * 60 * 7
    symbols = spans(database)
    assert [row[0] for row in symbols] == ["AAPL", "BAC", "SPY"]
    friday = datetime(2024, 6, 28, 16, tzinfo=NEW_YORK)
    assert {row[3] for row in symbols} == {friday}
    assert topics(database) == ["ingestion.history_loaded"]
    assert not operations.history_is_complete(database, source)


def test_further_steps_go_back_two_years_and_then_stop(database, source, feed):
    for _ in range(20):
        operations.load_history(database, source)
        if operations.history_is_complete(database, source):
            break

    first = spans(database)[0][2]
    assert feed.now - timedelta(days=732) < first < feed.now - timedelta(days=726)
    asked = len(feed.asked)
    assert operations.load_history(database, source).status == "complete"
    assert len(feed.asked) == asked


def test_history_ends_where_the_feed_has_none(database, source, feed):
    feed.history_begins = datetime(2024, 6, 3, tzinfo=NEW_YORK)

    operations.load_history(database, source)
    operations.load_history(database, source)

    assert operations.history_is_complete(database, source)
    assert spans(database)[0][2] == datetime(2024, 6, 3, 9, 30, tzinfo=NEW_YORK)


def test_history_is_never_told_as_bars_that_came_in(database, source, feed):
    feed.now = datetime(2024, 7, 1, 15, 30, tzinfo=NEW_YORK)

    operations.load_history(database, source)
    result = operations.fetch_due_bars(database, source)

    assert result.status == "nothing due"
    assert set(topics(database)) == {"ingestion.history_loaded"}


def test_loading_a_range_again_changes_nothing(database, source, feed):
    start, end = (
        datetime(2024, 6, 3, tzinfo=NEW_YORK),
        datetime(2024, 6, 8, tzinfo=NEW_YORK),
    )
    assert operations.backfill(database, source, start, end).rows_stored == 3 * 5 * 7
    before = topics(database)

    assert operations.backfill(database, source, start, end).rows_stored == 0
    assert topics(database) == before


def test_another_symbol_can_be_loaded_for_a_range(database, source, feed):
    operations.begin(database, source, feed.now)
    feed.symbols = (*feed.symbols, "XOM")
    start = datetime(2024, 6, 3, tzinfo=NEW_YORK)

    operations.backfill(database, source, start, start + timedelta(days=1), ["XOM"])

    assert [(row[0], row[1]) for row in spans(database)] == [("XOM", 7)]


def test_a_backfill_leaves_due_bars_to_the_fetch(database, source, feed):
    operations.begin(database, source, feed.now)
    feed.now = datetime(2024, 7, 1, 12, 2, tzinfo=NEW_YORK)
    start = datetime(2024, 7, 1, tzinfo=NEW_YORK)

    operations.backfill(database, source, start, start + timedelta(days=1))

    assert spans(database) == []
    assert len(operations.fetch_due_bars(database, source).bar_ends) == 3


def test_a_range_that_ends_before_it_starts_is_refused(database, source):
    start = datetime(2024, 6, 3, tzinfo=NEW_YORK)
    with pytest.raises(Invalid, match="before it starts"):
        operations.backfill(database, source, start, start - timedelta(days=1))


def test_a_large_market_gives_the_familiar_symbols(database, source, feed):
    feed.symbols = ("AAPL", "SPY", *(f"X{n}" for n in range(200)))

    operations.begin(database, source, feed.now)

    with database.read_only() as tx:
        assert tx.universe.active() == ["AAPL", "SPY"]


def test_a_removed_symbol_is_fetched_no_more_and_keeps_its_bars(database, source, feed):
    operations.load_history(database, source)
    with database.transaction() as tx:
        tx.universe.remove(["BAC"], feed.now)
    feed.now = datetime(2024, 7, 1, 10, 2, tzinfo=NEW_YORK)

    operations.fetch_due_bars(database, source)

    counts = {row[0]: row[1] for row in spans(database)}
    assert counts == {"AAPL": 421, "BAC": 420, "SPY": 421}


def test_coverage_counts_what_the_calendar_has_and_we_have_not(database, source, feed):
    feed.without = {
        ("BAC", datetime(2024, 6, 28, 11, minute, tzinfo=NEW_YORK))
        for minute in (0, 30)
    }
    operations.load_history(database, source)

    with database.read_only() as tx:
        found = {view.symbol: view for view in operations.coverage(tx)}
    assert (found["BAC"].bars, found["BAC"].missing) == (419, 1)
    assert (found["SPY"].bars, found["SPY"].missing) == (420, 0)
    assert found["SPY"].first.astimezone(NEW_YORK).date() == date(2024, 4, 8)
