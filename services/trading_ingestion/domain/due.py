"""Which bars should be here by now, and which of them may still cause orders."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta

from trading_core.calendar import Calendar, Timeframe
from trading_system.vocabulary import TradingMode

LATE_AFTER = timedelta(minutes=15)
"""How long after the next bar's end a bar is too late for an order."""

FLOWS_TURN = timedelta(minutes=2)
"""Market time that a due bar is left to the timetable before the worker fetches it."""

LOCKSTEP_ABOVE = 120.0
"""Simulated speed above which the conductor alone decides when bars are fetched."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a mode waits: `settle` is the time a feed takes to finish a bar."""

    settle: timedelta
    lockstep: bool

    @classmethod
    def of(cls, mode: TradingMode, speed: str) -> "Pace":
        """Return the pace of a mode; `speed` matters in simulated mode only."""
        if mode is not TradingMode.SIMULATED:
            return cls(timedelta(seconds=60), lockstep=False)
        lockstep = speed == "max" or float(speed) > LOCKSTEP_ABOVE
        return cls(timedelta(0), lockstep)

    def live_from(self, market_time: datetime) -> datetime:
        """Return where live bars begin when the first start is at this time."""
        return market_time - self.settle - FLOWS_TURN


@dataclass(frozen=True, slots=True)
class DueBar:
    """A session bar that has ended and is not stored."""

    start: datetime
    end: datetime
    newest: bool
    session_closed: bool
    late: bool

    @property
    def may_trade(self) -> bool:
        """Whether orders may come of this bar."""
        return self.newest and not self.late


def due_bars(
    calendar: Calendar,
    timeframe: Timeframe,
    live_from: datetime,
    market_time: datetime,
    settle: timedelta,
    taken: Container[datetime],
) -> list[DueBar]:
    """Return the bars that ended after `live_from`, have settled and were not taken.

    Oldest first; the newest is told by its end against the whole calendar, so a bar
    that is older than one already taken is never the newest.
    """
    until = market_time - settle
    ended = list(calendar.bars_between(live_from, until, timeframe))
    if not ended:
        return []
    newest = ended[-1][1]
    return [
        DueBar(
            start,
            end,
            newest=end == newest,
            session_closed=closes_session(calendar, start, end),
            late=is_late(end, market_time, timeframe),
        )
        for start, end in ended
        if end not in taken
    ]


def is_late(bar_end: datetime, market_time: datetime, timeframe: Timeframe) -> bool:
    """Say whether a bar comes too late for orders: a whole bar and a bit after it."""
    return market_time > bar_end + timeframe.length + LATE_AFTER


def closes_session(calendar: Calendar, start: datetime, end: datetime) -> bool:
    """Say whether a bar is the last of its session."""
    session = calendar.session_at(start)
    return session is not None and session.close == end
