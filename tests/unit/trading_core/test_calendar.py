"""Sessions, half days, holidays and daylight saving, against the exchange's own."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_core.calendar import (
    Calendar,
    OutsideCalendar,
    Session,
    Timeframe,
    xnys_sessions,
)

pytestmark = pytest.mark.unit
NEW_YORK = ZoneInfo("America/New_York")
YEAR = Calendar(xnys_sessions(date(2013, 1, 1), date(2014, 1, 10)))


def new_york(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=NEW_YORK)


def clock(instants: list[datetime]) -> list[str]:
    return [instant.astimezone(NEW_YORK).strftime("%H:%M") for instant in instants]


def session(year: int, month: int, day: int) -> Session:
    found = YEAR.session_on(date(year, month, day))
    assert found is not None
    return found


def test_hourly_bars_are_clock_hours_cut_to_the_session() -> None:
    bars = YEAR.bars(session(2013, 10, 1), "1Hour")
    assert clock([start for start, _ in bars]) == [
        "09:30",
        "10:00",
        "11:00",
        "12:00",
        "13:00",
        "14:00",
        "15:00",
    ]
    assert clock([end for _, end in bars])[0] == "10:00"
    assert clock([end for _, end in bars])[-1] == "16:00"


def test_a_half_day_ends_at_one() -> None:
    after_thanksgiving = session(2013, 11, 29)
    assert after_thanksgiving.is_half_day
    ends = [end for _, end in YEAR.bars(after_thanksgiving, "1Hour")]
    assert clock(ends) == ["10:00", "11:00", "12:00", "13:00"]


def test_other_timeframes_fill_the_session() -> None:
    whole = session(2013, 10, 1)
    counts = {frame: len(YEAR.bars(whole, frame)) for frame in Timeframe}
    assert counts == {
        "1Min": 390,
        "5Min": 78,
        "15Min": 26,
        "30Min": 13,
        "1Hour": 7,
        "1Day": 1,
    }
    assert YEAR.bars(whole, "1Day") == [(whole.open, whole.close)]


def test_an_unknown_timeframe_is_refused() -> None:
    with pytest.raises(ValueError, match="2Hours"):
        YEAR.bars(session(2013, 10, 1), "2Hours")


def test_daylight_saving_moves_the_open_in_utc_and_not_in_new_york() -> None:
    friday, monday = session(2013, 3, 8), session(2013, 3, 11)
    assert (friday.open.hour, monday.open.hour) == (14, 13)
    assert clock([friday.open, monday.open]) == ["09:30", "09:30"]
    autumn = session(2013, 11, 1), session(2013, 11, 4)
    assert [s.open.hour for s in autumn] == [13, 14]


def test_holidays_and_weekends_have_no_session() -> None:
    for day in (date(2013, 7, 4), date(2013, 12, 25), date(2013, 10, 5)):
        assert YEAR.session_on(day) is None
    assert not YEAR.is_open(new_york(2013, 7, 4, 11))


def test_the_open_belongs_to_the_session_and_the_close_does_not() -> None:
    assert not YEAR.is_open(new_york(2013, 10, 1, 9, 29))
    assert YEAR.is_open(new_york(2013, 10, 1, 9, 30))
    assert YEAR.is_open(new_york(2013, 10, 1, 15, 59))
    assert not YEAR.is_open(new_york(2013, 10, 1, 16))


def test_next_open_and_close_are_strictly_later() -> None:
    tuesday = session(2013, 10, 1)
    wednesday = session(2013, 10, 2)
    assert YEAR.next_open(tuesday.open) == wednesday.open
    assert YEAR.next_close(tuesday.open) == tuesday.close
    assert YEAR.next_close(tuesday.close) == wednesday.close
    assert YEAR.next_session(new_york(2013, 10, 4, 17)) == session(2013, 10, 7)
    assert YEAR.previous_session(tuesday.close) == tuesday
    assert YEAR.previous_session(wednesday.open) == tuesday


def test_bar_ends_are_after_one_instant_and_up_to_another() -> None:
    tuesday, wednesday = session(2013, 10, 1), session(2013, 10, 2)
    ends = YEAR.bar_ends(new_york(2013, 10, 1, 15), new_york(2013, 10, 2, 10), "1Hour")
    assert ends == [tuesday.close, wednesday.open + timedelta(minutes=30)]
    assert YEAR.bar_ends(tuesday.close, wednesday.open, "1Hour") == []


def test_a_bar_is_found_by_its_start() -> None:
    tuesday = session(2013, 10, 1)
    assert YEAR.bar_starting(tuesday.open, "1Hour")[1] == new_york(2013, 10, 1, 10)
    with pytest.raises(ValueError, match="No 1Hour bar"):
        YEAR.bar_starting(new_york(2013, 10, 1, 9), "1Hour")


@pytest.mark.parametrize("day", [date(2012, 12, 31), date(2014, 1, 11)])
def test_a_day_outside_the_calendar_is_an_error_and_never_closed(day: date) -> None:
    with pytest.raises(OutsideCalendar, match="covers 2013-01-02 to 2014-01-10"):
        YEAR.session_on(day)


def test_running_out_of_sessions_is_an_error() -> None:
    with pytest.raises(OutsideCalendar):
        YEAR.next_open(YEAR.sessions[-1].close)


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        YEAR.is_open(datetime(2013, 10, 1, 12))


def test_json_carries_every_session() -> None:
    assert Calendar.from_json(YEAR.to_json()) == YEAR


def test_the_command_prints_sessions_before_2006() -> None:
    arguments = ["--from", "1999-11-25", "--to", "1999-11-26"]
    command = [sys.executable, "-m", "trading_core.calendar", *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    (only,) = Calendar.from_json(answer.stdout).sessions
    assert (only.day, only.is_half_day) == (date(1999, 11, 26), True)


def test_the_module_loads_no_data_frame_library() -> None:
    code = "import sys, trading_core.calendar; print(sorted(sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    for heavy in ("'pandas'", "'polars'", "'exchange_calendars'", "'numpy'"):
        assert heavy not in answer.stdout


@given(
    st.datetimes(datetime(2013, 1, 3), datetime(2013, 12, 31)),
    st.sampled_from(list(Timeframe)),
)
def test_bars_tile_every_session(naive: datetime, timeframe: Timeframe) -> None:
    instant = naive.replace(tzinfo=UTC)
    upcoming = YEAR.next_session(instant)
    bars = YEAR.bars(upcoming, timeframe)
    assert bars[0][0] == upcoming.open
    assert bars[-1][1] == upcoming.close
    for (_, end), (start, _) in zip(bars, bars[1:], strict=False):
        assert end == start
    assert YEAR.is_open(instant) == (YEAR.next_close(instant) < upcoming.close)
