"""Which bars are due, and which may still cause orders."""

from datetime import UTC, date, datetime, timedelta

import pytest

from trading_core.calendar import NEW_YORK, Calendar, Session, Timeframe
from trading_ingestion.domain.due import Pace, due_bars, is_late
from trading_ingestion.domain.universe import FAMILIAR, first_universe
from trading_system.vocabulary import TradingMode

pytestmark = pytest.mark.unit

HOUR = Timeframe.ONE_HOUR


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2024, 7, day, hour, minute, tzinfo=NEW_YORK).astimezone(UTC)


CALENDAR = Calendar(
    Session(date(2024, 7, day), at(day, 9, 30), at(day, 13 if day == 3 else 16))
    for day in (1, 2, 3, 5)
)


def due(now, taken=(), settle=timedelta(0), live_from=at(1, 9)):
    return due_bars(CALENDAR, HOUR, live_from, now, settle, set(taken))


def test_nothing_is_due_before_the_first_half_hour_has_ended():
    assert due(at(1, 9, 59)) == []


def test_the_first_bar_of_a_session_is_half_an_hour():
    (bar,) = due(at(1, 10))
    assert (bar.start, bar.end) == (at(1, 9, 30), at(1, 10))
    assert bar.may_trade and not bar.session_closed


def test_a_bar_settles_before_it_is_due():
    settle = timedelta(seconds=60)
    assert due(at(1, 10), settle=settle) == []
    assert len(due(at(1, 10, 1), settle=settle)) == 1


def test_a_bar_taken_in_is_due_no_more():
    assert due(at(1, 11), taken=[at(1, 10), at(1, 11)]) == []


def test_a_hole_before_a_taken_bar_is_due_and_never_the_newest():
    (bar,) = due(at(1, 11), taken=[at(1, 11)])
    assert bar.end == at(1, 10)
    assert not bar.newest


def test_over_a_night_and_a_holiday_only_session_bars_are_due():
    bars = due(at(5, 9), live_from=at(3, 11))
    assert [bar.end for bar in bars] == [at(3, 12), at(3, 13)]
    assert [bar.session_closed for bar in bars] == [False, True]


@pytest.mark.parametrize(("minute", "late"), [(15, False), (16, True)])
def test_a_bar_is_late_after_the_next_one_and_a_quarter(minute, late):
    assert is_late(at(1, 10), at(1, 11, minute), HOUR) is late


def test_simulated_bars_settle_at_once_and_others_after_a_minute():
    assert Pace.of(TradingMode.SIMULATED, "60") == Pace(timedelta(0), False)
    assert Pace.of(TradingMode.SIMULATED, "120") == Pace(timedelta(0), False)
    assert Pace.of(TradingMode.SIMULATED, "121") == Pace(timedelta(0), True)
    assert Pace.of(TradingMode.SIMULATED, "max") == Pace(timedelta(0), True)
    assert Pace.of(TradingMode.PAPER, "max") == Pace(timedelta(seconds=60), False)
    assert Pace.of(TradingMode.LIVE, "60").settle == timedelta(seconds=60)


def test_a_small_market_is_taken_whole_and_a_large_one_by_its_familiar_names():
    assert first_universe({"B": "b", "A": "a"}) == {"A": "a", "B": "b"}
    large = {f"X{n}": "" for n in range(101)} | {"SPY": "fund", "AAPL": "Apple"}
    assert first_universe(large) == {"AAPL": "Apple", "SPY": "fund"}
    assert len(FAMILIAR) == len(set(FAMILIAR)) == 25
