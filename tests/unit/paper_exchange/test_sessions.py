"""The sessions of an exchange, by the rules of the market or computed for old years."""

import json
from datetime import date
from pathlib import Path

import pytest

from paper_exchange import nyse, sessions
from trading_core.calendar import xnys_sessions

pytestmark = pytest.mark.unit


def test_the_rules_give_the_very_sessions_of_the_calendar_library() -> None:
    whole = date(nyse.FIRST_YEAR, 1, 1), date(nyse.LAST_YEAR, 12, 31)
    assert list(nyse.sessions(*whole)) == xnys_sessions(*whole)


def test_a_range_begins_and_ends_with_its_own_days() -> None:
    days = [one.day.day for one in nyse.sessions(date(2024, 7, 1), date(2024, 7, 5))]
    assert days == [1, 2, 3, 5]


def test_years_the_rules_do_not_cover_are_computed_once_and_kept(
    tmp_path: Path,
) -> None:
    file, first, last = tmp_path / "sessions.json", date(2001, 9, 7), date(2001, 9, 18)
    days = [one.day.day for one in sessions.load(file, first, last).days]
    assert days == [7, 10, 17, 18]
    kept = json.loads(file.read_text("utf-8"))
    del kept["sessions"][1]
    file.write_text(json.dumps(kept), "utf-8")
    again = sessions.load(file, first, last).days
    assert [one.day.day for one in again] == [7, 17, 18]


def test_years_the_rules_cover_need_no_file(tmp_path: Path) -> None:
    file = tmp_path / "sessions.json"
    days = sessions.load(file, date(2025, 1, 8), date(2025, 1, 10)).days
    assert [one.day.day for one in days] == [8, 10]
    assert not file.exists()
