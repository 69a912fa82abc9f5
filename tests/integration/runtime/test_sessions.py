"""The exchange's sessions in the database."""

from datetime import UTC, date, datetime

import pytest

from trading_system.runtime import databases, sessions

pytestmark = pytest.mark.integration


def test_services_find_every_session_and_a_second_fill_adds_none(
    database_url: str,
) -> None:
    for _ in range(2):
        sessions.fill(database_url, date(2026, 3, 2))
        with databases.connected(database_url) as connection:
            cursor = connection.cursor()
            cursor.execute("select min(day), max(day) from shared.sessions")
            assert cursor.fetchone() == (date(1990, 1, 2), date(2031, 12, 31))
            cursor.execute(
                "select extract(year from day)::int, count(*) from shared.sessions"
                " where extract(year from day) in (2001, 2013, 2018)"
                " group by 1 order by 1"
            )
            # Four days were lost in September 2001, one in December 2018.
            assert cursor.fetchall() == [(2001, 248), (2013, 252), (2018, 251)]
            cursor.execute(
                "select open, close from shared.sessions where day = %s",
                (date(2013, 11, 29),),
            )
            # The day after Thanksgiving ends at one o'clock.
            assert cursor.fetchone() == (
                datetime(2013, 11, 29, 14, 30, tzinfo=UTC),
                datetime(2013, 11, 29, 18, 0, tzinfo=UTC),
            )
