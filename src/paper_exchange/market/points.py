"""Price points of many bars at once, where `trading_core.bars.path` has them."""

import numpy as np

from paper_exchange.instants import MINUTE
from paper_exchange.market.source import DayTape, Floats, Integers, Points
from paper_exchange.sessions import TradingDay

POINTS = 4
"""Price points of a bar."""


def through(
    start: Integers,
    end: Integers,
    open: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
) -> tuple[Integers, Floats]:
    """Return time and price of the four points of each bar, flattened in order.

    Open, low, high, close where a bar did not fall, else open, high, low, close; at
    the start, one third, two thirds and one sixtieth before the end.
    """
    length = end - start
    times = np.stack(
        (start, start + length // 3, start + length * 2 // 3, end - length // 60),
        axis=1,
    )
    rose = close >= open
    prices = np.stack(
        (open, np.where(rose, low, high), np.where(rose, high, low), close), axis=1
    )
    return times.ravel(), prices.ravel()


def minute_tape(
    day: TradingDay,
    start: Integers,
    open: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Integers,
) -> DayTape:
    """Return a day made of minute bars."""

    def points() -> Points:
        times, prices = through(start, start + MINUTE, open, high, low, close)
        return _points(times, prices, volume)

    return DayTape(start, open, high, low, close, volume, points, _regular(day, start))


def longer_tape(
    day: TradingDay,
    start: Integers,
    end: Integers,
    open: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Integers,
) -> DayTape:
    """Return a day made of bars of more than a minute.

    Each bar becomes its four points, each a trade in its own minute with a quarter of
    the volume (the last one takes what does not divide), so that bars built from these
    minutes have exactly the open, high, low, close and volume they came from.
    """
    times, prices = through(start, end, open, high, low, close)
    quarter = volume // 4
    shares = np.stack((quarter, quarter, quarter, volume - 3 * quarter), axis=1).ravel()
    minutes = times - times % MINUTE
    return DayTape(
        minutes,
        prices,
        prices,
        prices,
        prices,
        shares,
        lambda: _points(times, prices, volume),
        _regular(day, minutes),
    )


def _points(times: Integers, prices: Floats, volume: Integers) -> Points:
    """Return the points of bars, of which each bar's first is a jump."""
    jumps = np.arange(len(times)) % POINTS == 0
    return Points(times, prices, np.repeat(volume / POINTS, POINTS), jumps)


def _regular(day: TradingDay, start: Integers) -> slice:
    first, last = np.searchsorted(start, (day.open, day.close))
    return slice(int(first), int(last))
