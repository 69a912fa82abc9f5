"""The period that a report is about."""

from datetime import date

import pytest

from trading_analytics.operations.reports import Kind, period

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("kind", "day", "first", "last"),
    [
        ("daily", date(2026, 11, 25), date(2026, 11, 25), date(2026, 11, 25)),
        ("weekly", date(2026, 11, 25), date(2026, 11, 23), date(2026, 11, 29)),
        ("weekly", date(2026, 11, 29), date(2026, 11, 23), date(2026, 11, 29)),
        ("monthly", date(2026, 2, 14), date(2026, 2, 1), date(2026, 2, 28)),
        ("monthly", date(2026, 12, 31), date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_a_period_holds_its_day_from_its_first_to_its_last(
    kind: Kind, day: date, first: date, last: date
) -> None:
    assert period(kind, day) == (first, last)
