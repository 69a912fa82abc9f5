"""As of when values hold: now, or the last close while the market rests."""

from datetime import datetime, timedelta

from trading_core.calendar import NEW_YORK
from trading_system.contracts.execution import MarketClockView
from trading_system.contracts.system import SessionView
from trading_web import formats
from trading_web.desk import Desk

LONGEST_REST = timedelta(days=10)
"""More than any weekend with holidays."""


def last_close(desk: Desk, clock: MarketClockView | None) -> datetime | None:
    """Return when the last session ended, None while one is on or nobody can say."""
    if clock is None or clock.is_open:
        return None
    today = clock.now.astimezone(NEW_YORK).date()
    name = f"sessions-until-{today}"
    # Asked once a day: a tab that is open all night asks every second.
    known = desk.recall(name)
    sessions: list[SessionView] = (
        known.value
        if known is not None
        else desk.ask(
            name, lambda: desk.services.ingestion.sessions(today - LONGEST_REST, today)
        ).value
    ) or []
    return max((s.close for s in sessions if s.close <= clock.now), default=None)


def as_of(desk: Desk, clock: MarketClockView | None, moment: datetime | None) -> str:
    """Say as of when values hold that were marked at a moment of market time."""
    closed = last_close(desk, clock)
    if closed is not None:
        return closed_words(closed)
    return f"as of {formats.clock_time(moment)}" if moment else ""


def closed_words(closed: datetime) -> str:
    """Say that values are those of a close: they are not old, the market rests."""
    return f"Last close {formats.day_time(closed)}"
