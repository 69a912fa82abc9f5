"""Sessions of the New York Stock Exchange by its own rules.

They hold for the years below, which a test compares with `exchange_calendars`. That
library knows every year, but it loads pandas, which takes longer than everything else
that an exchange does at its start.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from trading_core.calendar import NEW_YORK, Session

FIRST_YEAR, LAST_YEAR = 2013, 2045
OPENS, CLOSES, CLOSES_EARLY = time(9, 30), time(16), time(13)
MONDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = 0, 3, 4, 5, 6
JUNETEENTH_SINCE = 2022
# Days of mourning for presidents.
CLOSED = {date(2018, 12, 5), date(2025, 1, 9)}


def covers(first: date, last: date) -> bool:
    """Whether the rules hold from one date to another."""
    return FIRST_YEAR <= first.year and last.year <= LAST_YEAR


def sessions(first: date, last: date) -> Iterator[Session]:
    """Yield the sessions between two dates, both included."""
    for year in range(first.year, last.year + 1):
        closed = set(_holidays(year)) | CLOSED
        early = _half_days(year)
        day = max(first, date(year, 1, 1))
        while day <= min(last, date(year, 12, 31)):
            if day.weekday() <= FRIDAY and day not in closed:
                closes = CLOSES_EARLY if day in early else CLOSES
                yield Session(
                    day,
                    datetime.combine(day, OPENS, NEW_YORK),
                    datetime.combine(day, closes, NEW_YORK),
                )
            day += timedelta(days=1)


def _holidays(year: int) -> Iterator[date]:
    new_year = date(year, 1, 1)
    # Of the fixed dates, this one alone is not kept on the Friday before a Saturday.
    yield new_year + timedelta(days=1) if new_year.weekday() == SUNDAY else new_year
    yield _nth(3, MONDAY, date(year, 1, 1))
    yield _nth(3, MONDAY, date(year, 2, 1))
    yield _easter(year) - timedelta(days=2)
    # The last Monday of May.
    yield _nth(1, MONDAY, date(year, 5, 25))
    if year >= JUNETEENTH_SINCE:
        yield _observed(date(year, 6, 19))
    yield _observed(date(year, 7, 4))
    yield _nth(1, MONDAY, date(year, 9, 1))
    yield _nth(4, THURSDAY, date(year, 11, 1))
    yield _observed(date(year, 12, 25))


def _half_days(year: int) -> set[date]:
    """Return the days before Independence Day and Christmas, and after Thanksgiving."""
    eves = (date(year, 7, 3), date(year, 12, 24))
    after_thanksgiving = _nth(4, THURSDAY, date(year, 11, 1)) + timedelta(days=1)
    return {eve for eve in eves if eve.weekday() <= THURSDAY} | {after_thanksgiving}


def _nth(count: int, weekday: int, since: date) -> date:
    """Return the n-th of a weekday from a date on, that date included."""
    first = since + timedelta(days=(weekday - since.weekday()) % 7)
    return first + timedelta(weeks=count - 1)


def _observed(holiday: date) -> date:
    """Return the day on which a holiday is kept that may fall on a weekend."""
    moved = {SATURDAY: -1, SUNDAY: 1}.get(holiday.weekday(), 0)
    return holiday + timedelta(days=moved)


def _easter(year: int) -> date:
    """Return Easter Sunday (Gauss's algorithm, as it holds from 1900 to 2099)."""
    moon = (19 * (year % 19) + 24) % 30
    sunday = (2 * (year % 4) + 4 * (year % 7) + 6 * moon + 5) % 7
    if moon + sunday == 35 or (moon == 28 and sunday == 6 and year % 19 > 10):
        sunday -= 7
    return date(year, 3, 22) + timedelta(days=moon + sunday)
