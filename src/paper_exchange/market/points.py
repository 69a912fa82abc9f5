"""Price points of many bars at once, where `trading_core.bars.path` has them."""

import numpy as np
from numpy.typing import NDArray

from paper_exchange.instants import MINUTE
from paper_exchange.market.source import DayTape, Floats, Integers
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
    times, prices = through(start, start + MINUTE, open, high, low, close)
    return DayTape(
        start,
        open,
        high,
        low,
        close,
        volume,
        times,
        prices,
        np.repeat(volume / POINTS, POINTS),
        _jumps(len(times)),
        _regular(day, start),
    )


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
        times,
        prices,
        np.repeat(volume / POINTS, POINTS),
        _jumps(len(times)),
        _regular(day, minutes),
    )


def _jumps(count: int) -> NDArray[np.bool_]:
    """Return the marks of points of which each bar's first is a jump."""
    return np.asarray(np.arange(count) % POINTS == 0)


def _regular(day: TradingDay, start: Integers) -> slice:
    first, last = np.searchsorted(start, (day.open, day.close))
    return slice(int(first), int(last))
