"""When orders may trade: regular and extended hours, and where they begin and end."""

from bisect import bisect_right

from paper_exchange.instants import HOUR
from paper_exchange.order_request import OrderRequest
from paper_exchange.sessions import Sessions, TradingDay
from trading_core.matching import TimeInForce

PRE_MARKET = 4 * HOUR
AFTER_HOURS = 4 * HOUR
GTC_DAYS = 90


class TradingHours:
    """The hours of all trading days of a market that ends at an instant."""

    def __init__(self, sessions: Sessions, end: int) -> None:
        self._sessions = sessions
        self._end = end
        self._asked: int | None = None
        self._answer: tuple[TradingDay, bool] | None = None
        self._boundaries = sorted(
            instant
            for day in sessions.days
            for instant in (begin(day), day.open, day.close, finish(day))
        )

    def next_boundary(self, now: int) -> int:
        """Return the next instant at which hours begin or end."""
        index = bisect_right(self._boundaries, now)
        if index == len(self._boundaries):
            return self._end + 1
        return self._boundaries[index]

    def window(self, now: int) -> tuple[TradingDay, bool] | None:
        """Return the day that trades now and whether it is in its regular session."""
        # Every step of an order's life asks, and few of them at another time.
        if now != self._asked:
            self._asked, self._answer = now, self._window(now)
        return self._answer

    def _window(self, now: int) -> tuple[TradingDay, bool] | None:
        day = self._sessions.begun(now)
        if day is None or not begin(day) <= now < finish(day):
            return None
        return day, day.open <= now < day.close

    def expiry(self, request: OrderRequest, now: int) -> int:
        """Return when an order that is placed now ends by itself."""
        sessions = self._sessions
        if request.time_in_force is TimeInForce.GTC:
            last = sessions.closed(now + GTC_DAYS * 24 * HOUR)
            return (last or sessions.days[-1]).close
        day = sessions.begun(now)
        window = self.window(now)
        if window is not None and (window[1] or request.extended_hours):
            ending = window[0]
        elif day is not None and now < day.open:
            ending = day
        else:
            ending = sessions.opened(sessions.next_open(now)) or sessions.days[-1]
        return finish(ending) if request.extended_hours else ending.close


def begin(day: TradingDay) -> int:
    """Return when the extended hours before a session begin."""
    return day.midnight + PRE_MARKET


def finish(day: TradingDay) -> int:
    """Return when the extended hours after a session end."""
    return day.close + AFTER_HOURS
