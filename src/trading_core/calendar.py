"""Sessions of the exchange, half days, and where bars begin and end.

A calendar is a list of sessions and needs no other library, so a service can keep one
in memory. The sessions come from `exchange_calendars`, which loads pandas: run
`python -m trading_core.calendar --from 2024-01-01 --to 2024-12-31` in a short process
and read its output with `Calendar.from_json`.
"""

import argparse
import json
import sys
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")

Interval = tuple[datetime, datetime]
"""Start (included) and end (excluded) of a bar, UTC."""


class Timeframe(StrEnum):
    """Bar lengths, in the broker's spelling."""

    ONE_MINUTE = "1Min"
    FIVE_MINUTES = "5Min"
    FIFTEEN_MINUTES = "15Min"
    THIRTY_MINUTES = "30Min"
    ONE_HOUR = "1Hour"
    ONE_DAY = "1Day"

    @property
    def length(self) -> timedelta:
        """The length on the clock; a day's bar is as long as its session."""
        return _LENGTHS[self]


_LENGTHS = {
    Timeframe.ONE_MINUTE: timedelta(minutes=1),
    Timeframe.FIVE_MINUTES: timedelta(minutes=5),
    Timeframe.FIFTEEN_MINUTES: timedelta(minutes=15),
    Timeframe.THIRTY_MINUTES: timedelta(minutes=30),
    Timeframe.ONE_HOUR: timedelta(hours=1),
    Timeframe.ONE_DAY: timedelta(days=1),
}


class OutsideCalendar(ValueError):
    """A question about a day that the calendar does not cover."""


def require_aware(instant: datetime) -> datetime:
    """Return the instant in UTC; a naive one is refused."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone: hand in aware UTC times.")
    return instant.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Session:
    """A trading day: its date in New York, its open and its close in UTC."""

    day: date
    open: datetime
    close: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "open", require_aware(self.open))
        object.__setattr__(self, "close", require_aware(self.close))
        if not self.open < self.close:
            raise ValueError(f"The session of {self.day} closes before it opens.")

    def contains(self, instant: datetime) -> bool:
        """Whether the market is open at this instant: open included, close not."""
        return self.open <= instant < self.close

    @property
    def is_half_day(self) -> bool:
        """Whether the session ends early (a whole one lasts six and a half hours)."""
        return self.close - self.open < timedelta(hours=6, minutes=30)


class Calendar:
    """Trading days in order, from the first session's date to the last one's.

    A date outside that range is an error, never "closed": a calendar that has run out
    must not look like a holiday.
    """

    def __init__(self, sessions: Iterable[Session]) -> None:
        self.sessions: tuple[Session, ...] = tuple(
            sorted(sessions, key=lambda session: session.day)
        )
        if not self.sessions:
            raise ValueError("A calendar needs at least one session.")
        self._days = [session.day for session in self.sessions]
        self._opens = [session.open for session in self.sessions]
        self._closes = [session.close for session in self.sessions]
        for earlier, later in zip(self.sessions, self.sessions[1:], strict=False):
            if later.open < earlier.close:
                raise ValueError(f"{earlier.day} and {later.day} overlap.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Calendar) and self.sessions == other.sessions

    def __hash__(self) -> int:
        return hash(self.sessions)

    @property
    def first_day(self) -> date:
        """The first session's date."""
        return self._days[0]

    @property
    def last_day(self) -> date:
        """The last session's date."""
        return self._days[-1]

    def covers(self, day: date) -> bool:
        """Whether the calendar can speak about this date."""
        return self.first_day <= day <= self.last_day

    def session_on(self, day: date) -> Session | None:
        """Return the session of a New York date, or None on a closed day."""
        self._require(day)
        index = bisect_left(self._days, day)
        return self.sessions[index] if self._days[index] == day else None

    def session_at(self, instant: datetime) -> Session | None:
        """Return the session that is open at this instant, or None."""
        instant = require_aware(instant)
        session = self.session_on(instant.astimezone(NEW_YORK).date())
        return session if session and session.contains(instant) else None

    def is_open(self, instant: datetime) -> bool:
        """Whether the regular session is open at this instant."""
        return self.session_at(instant) is not None

    def next_session(self, instant: datetime) -> Session:
        """Return the first session that opens after this instant."""
        return self._pick(bisect_right(self._opens, require_aware(instant)), instant)

    def previous_session(self, instant: datetime) -> Session:
        """Return the last session that had closed at this instant."""
        instant = require_aware(instant)
        self._require(instant.astimezone(NEW_YORK).date())
        return self._pick(bisect_right(self._closes, instant) - 1, instant)

    def next_open(self, instant: datetime) -> datetime:
        """Return the first open after this instant (at an open: the following one)."""
        return self.next_session(instant).open

    def next_close(self, instant: datetime) -> datetime:
        """Return the first close after this instant."""
        instant = require_aware(instant)
        return self._pick(bisect_right(self._closes, instant), instant).close

    def sessions_between(self, start: date, end: date) -> Sequence[Session]:
        """Return the sessions from one New York date to another, both included."""
        return self.sessions[
            bisect_left(self._days, start) : bisect_right(self._days, end)
        ]

    def bars(self, session: Session, timeframe: Timeframe | str) -> list[Interval]:
        """Return start and end of each bar of a session.

        Hours and minutes begin on the clock and are cut to the session, so the first
        hourly bar is 09:30-10:00 and a half day's last one ends at 13:00. A day's bar
        is the session itself, stamped with its open.
        """
        timeframe = Timeframe(timeframe)
        if timeframe is Timeframe.ONE_DAY:
            return [(session.open, session.close)]
        # New York is whole hours from UTC, so both clocks share these boundaries.
        length = int(timeframe.length.total_seconds())
        first = int(session.open.timestamp()) // length * length
        last = int(session.close.timestamp())
        bars = []
        for start in range(first, last, length):
            opens = max(datetime.fromtimestamp(start, UTC), session.open)
            closes = min(datetime.fromtimestamp(start + length, UTC), session.close)
            bars.append((opens, closes))
        return bars

    def bars_between(
        self, after: datetime, until: datetime, timeframe: Timeframe | str
    ) -> Iterator[Interval]:
        """Yield the bars that end after one instant and not later than another.

        `until` must be covered; before the first session the calendar knows no bars.
        """
        after, until = require_aware(after), require_aware(until)
        # A calendar that has run out must not look as if nothing were due.
        self._require(until.astimezone(NEW_YORK).date())
        for session in self.sessions[bisect_right(self._closes, after) :]:
            if session.open >= until:
                return
            for start, end in self.bars(session, timeframe):
                if after < end <= until:
                    yield start, end

    def bar_ends(
        self, after: datetime, until: datetime, timeframe: Timeframe | str
    ) -> list[datetime]:
        """Return the bar ends after one instant and up to another, oldest first."""
        return [end for _, end in self.bars_between(after, until, timeframe)]

    def bar_starting(self, start: datetime, timeframe: Timeframe | str) -> Interval:
        """Return the bar that starts at exactly this instant."""
        start = require_aware(start)
        session = self.session_at(start)
        for bar in self.bars(session, timeframe) if session else ():
            if bar[0] == start:
                return bar
        raise ValueError(f"No {timeframe} bar of a session starts at {start}.")

    def to_json(self) -> str:
        """Return the sessions as a JSON list of day, open and close."""
        return json.dumps(
            [
                {
                    "day": session.day.isoformat(),
                    "open": session.open.isoformat(),
                    "close": session.close.isoformat(),
                }
                for session in self.sessions
            ]
        )

    @classmethod
    def from_json(cls, text: str) -> "Calendar":
        """Return the calendar that `to_json` wrote."""
        return cls(
            Session(
                date.fromisoformat(row["day"]),
                datetime.fromisoformat(row["open"]),
                datetime.fromisoformat(row["close"]),
            )
            for row in json.loads(text)
        )

    def _require(self, day: date) -> None:
        if not self.covers(day):
            raise OutsideCalendar(
                f"The calendar covers {self.first_day} to {self.last_day}; "
                f"{day} is outside. Load more sessions."
            )

    def _pick(self, index: int, instant: datetime) -> Session:
        if not 0 <= index < len(self.sessions):
            raise OutsideCalendar(
                f"The calendar covers {self.first_day} to {self.last_day} and has "
                f"no such session for {instant}. Load more sessions."
            )
        return self.sessions[index]


def xnys_sessions(start: date, end: date) -> list[Session]:
    """Return the sessions of the New York Stock Exchange between two dates.

    Loads pandas: call it in a short process, not in a service.
    """
    from exchange_calendars import get_calendar

    # By default it knows twenty years only, and it refuses a range without sessions.
    margin = timedelta(days=14)
    with warnings.catch_warnings():
        # exchange_calendars 4.13 reads Series.values, which pandas 3.1 deprecates.
        warnings.filterwarnings("ignore", "Series.values", DeprecationWarning)
        calendar = get_calendar("XNYS", start=start - margin, end=end + margin)
    schedule = calendar.schedule
    return [
        Session(row.Index.date(), row.open.to_pydatetime(), row.close.to_pydatetime())
        for row in schedule.itertuples()
        if start <= row.Index.date() <= end
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the sessions between two dates as JSON."""
    parser = argparse.ArgumentParser(prog="python -m trading_core.calendar")
    parser.add_argument("--from", dest="start", type=date.fromisoformat, required=True)
    parser.add_argument("--to", dest="end", type=date.fromisoformat, required=True)
    options = parser.parse_args(arguments)
    sessions = xnys_sessions(options.start, options.end)
    if not sessions:
        parser.error(f"no session between {options.start} and {options.end}")
    sys.stdout.write(Calendar(sessions).to_json() + "\n")


if __name__ == "__main__":
    main()
