"""Stored bars are checked against the calendar and against sense."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from trading_core.calendar import NEW_YORK
from trading_ingestion import operations

pytestmark = pytest.mark.integration


@pytest.fixture
def loaded(database, source, feed):
    operations.load_history(database, source)
    return database


def test_whole_and_sane_bars_have_no_problem(loaded, source):
    result = operations.validate_data_quality(loaded, source)

    assert result.checked == 3 * 10 * 7
    assert result.problems == 0


def test_a_hole_a_jump_and_a_stray_bar_are_found_once(loaded, source, feed):
    hole = datetime(2024, 6, 27, 11, tzinfo=NEW_YORK)
    jump = datetime(2024, 6, 26, 14, tzinfo=NEW_YORK)
    with loaded.transaction() as tx:
        tx.session.execute(
            text(
                "delete from data_ingestion.market_data"
                " where symbol = 'BAC' and timestamp = :at"
            ),
            {"at": hole},
        )
        tx.session.execute(
            text(
                "update data_ingestion.market_data set close = 160, high = 160"
                " where symbol = 'SPY' and timestamp = :at"
            ),
            {"at": jump},
        )
        tx.session.execute(
            text(
                "update data_ingestion.market_data"
                " set timestamp = timestamp + interval '5 minutes'"
                " where symbol = 'AAPL' and timestamp = :at"
            ),
            {"at": hole},
        )

    first = operations.validate_data_quality(loaded, source)
    second = operations.validate_data_quality(loaded, source)

    assert first.by_check == {"gap": 2, "jump": 1, "outside_session": 1}
    assert first.new_problems == 4
    assert second.by_check == first.by_check
    assert second.new_problems == 0
    with loaded.read_only() as tx:
        rows = tx.quality.listed(symbol="BAC", status=None, before=None, limit=10)
    assert [(row.check_type, row.bar_timestamp) for row in rows] == [("gap", hole)]


def test_a_symbol_whose_bars_stopped_is_stale(loaded, source, feed):
    feed.now = datetime(2024, 7, 1, 10, 30, tzinfo=NEW_YORK)

    result = operations.validate_data_quality(loaded, source)

    assert result.by_check == {"stale": 3}


def test_a_check_can_look_further_back(loaded, source, feed):
    since = feed.now - timedelta(days=90)

    result = operations.validate_data_quality(loaded, source, since)

    assert result.checked == 3 * 60 * 7
    assert result.problems == 0
