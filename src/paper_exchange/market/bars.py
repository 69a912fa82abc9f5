"""Bars of any length from the minutes of a tape, by the rules of the data API.

A bar is labelled with its start, on the clock of New York; it is made of the minutes
that have ended. Minutes and hours include extended hours. A day takes open, high, low
and close from the session and its volume from the whole day. No trade, no bar.
"""

import re
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
import orjson

from paper_exchange import instants
from paper_exchange.instants import HOUR, MINUTE, rfc3339
from paper_exchange.market.market import Market
from paper_exchange.market.source import DayTape, Floats, Integers
from paper_exchange.sessions import TradingDay

DAY = 24 * HOUR
SHARES_A_TRADE = 100
VWAP_PLACES = 6
PRICES = ("o", "h", "l", "c", "vw")
AS_LISTS = orjson.OPT_SERIALIZE_NUMPY
CLOCK = np.array(
    [f"T{minute // 60:02}:{minute % 60:02}:00Z" for minute in range(24 * 60)], object
)
WORDS = (
    '},{"t":"',
    '","o":',
    *(f',"{name}":' for name in ("h", "l", "c", "v", "n", "vw")),
)
"""What stands before each value of a bar's JSON: the first ends the bar before it."""

_TIMEFRAME = re.compile(r"(\d{1,2})(Min|T|Hour|H|Day|D|Week|W|Month|M)")
_LONGEST = {
    "Min": 59,
    "T": 59,
    "Hour": 23,
    "H": 23,
    "Day": 1,
    "D": 1,
    "Week": 1,
    "W": 1,
}
_MONTHS = frozenset((1, 2, 3, 4, 6, 12))


@dataclass(frozen=True, slots=True)
class Timeframe:
    """The length of bars: a number of minutes, or a day, week or months."""

    unit: str
    count: int

    @property
    def is_intraday(self) -> bool:
        """Whether several such bars make a day."""
        return self.unit == "Min"

    def bucket(self, day: date) -> date:
        """Return the first date of the bar that a date belongs to."""
        if self.unit == "Week":
            return day - timedelta(days=day.weekday())
        if self.unit == "Month":
            month = (day.month - 1) // self.count * self.count + 1
            return day.replace(month=month, day=1)
        return day


def timeframe(text: str) -> Timeframe:
    """Return the timeframe of its name; an unknown one is a ValueError."""
    match = _TIMEFRAME.fullmatch(text)
    if match is None:
        raise ValueError(f"invalid timeframe: {text[:20]}")
    count, unit = int(match[1]), match[2]
    is_month = unit in ("Month", "M")
    allowed = count in _MONTHS if is_month else 1 <= count <= _LONGEST[unit]
    if not allowed:
        raise ValueError(f"invalid timeframe: {text[:20]}")
    if unit in ("Min", "T"):
        return Timeframe("Min", count)
    if unit in ("Hour", "H"):
        return Timeframe("Min", count * 60)
    names = {"D": "Day", "W": "Week", "M": "Month"}
    return Timeframe(names.get(unit, unit), count)


Row = tuple[int, dict[str, Any]]
"""The start of a bar, or the time of a trade or quote, and what is answered of it."""

Batch = tuple[list[int], "Texts"]
"""The starts of some bars, and their JSON."""


def rows(
    market: Market,
    symbol: str,
    frame: Timeframe,
    start: int,
    end: int,
    now: int,
    newest_first: bool,
) -> Iterator[Row]:
    """Yield the bars of a symbol with labels between two instants, both included."""
    days, bounds = _span(market, frame, start, end, now, newest_first)
    if frame.is_intraday:
        for made in _intraday(market, symbol, frame, days, bounds, now):
            yield from (reversed(made.rows()) if newest_first else made.rows())
        return
    for label, row in _daily(market, symbol, frame, days, now):
        if start <= label <= end:
            yield label, row


def _span(
    market: Market, frame: Timeframe, start: int, end: int, now: int, newest_first: bool
) -> tuple[Sequence[TradingDay], tuple[int, int]]:
    """Return the days whose bars may have labels between two instants, and which."""
    # A bar's label is the start of its period: days before `start` may still be in it.
    first = instants.new_york_date(start)
    last = instants.new_york_date(min(end, now))
    if frame.unit == "Month":
        last = min(last + timedelta(days=366), instants.new_york_date(now))
    elif frame.unit == "Week":
        last = min(last + timedelta(days=7), instants.new_york_date(now))
    days = market.sessions.between(first, last)
    return days[::-1] if newest_first else days, (max(start, 0), min(end, now))


def adjusted(
    found: Iterator[Row], market: Market, symbol: str, now: int, kinds: Container[str]
) -> Iterator[Row]:
    """Yield bars as if later splits and dividends had happened before them."""
    for label, row in found:
        factor = market.scale(symbol, label, now, kinds)
        if factor != 1:
            prices = {name: round(row[name] * factor, 4) for name in PRICES}
            shares = market.scale(symbol, label, now) if "split" in kinds else 1.0
            row = {**row, **prices, "v": round(row["v"] / shares)}
        yield label, row


def encoded(
    market: Market,
    symbol: str,
    frame: Timeframe,
    start: int,
    end: int,
    now: int,
    newest_first: bool,
) -> Iterator[Batch]:
    """Yield what `rows` does of an intraday frame, as JSON, byte for byte the same.

    A year of minutes is a hundred thousand rows: written column by column, and handed
    on a day at a time, they take a fraction of the time of a dictionary for each.
    """
    days, bounds = _span(market, frame, start, end, now, newest_first)
    for made in _intraday(market, symbol, frame, days, bounds, now):
        ordered = made.reversed() if newest_first else made
        yield ordered.label.tolist(), ordered.texts()


@dataclass(frozen=True, slots=True)
class Bars:
    """Columns of one bar or more, oldest first; `average` is the price by volume."""

    label: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Integers
    trades: Integers
    average: Floats

    def rows(self) -> list[Row]:
        """Return each bar as the data API writes it."""
        columns = zip(
            self.label.tolist(),
            _times(self.label),
            *(column.tolist() for column in self._values()),
            strict=True,
        )
        return [
            (
                label,
                {
                    "t": time,
                    "o": open,
                    "h": high,
                    "l": low,
                    "c": close,
                    "v": volume,
                    "n": trades,
                    "vw": average,
                },
            )
            for label, time, open, high, low, close, volume, trades, average in columns
        ]

    def reversed(self) -> "Bars":
        """Return the same bars, newest first."""
        columns: Any = (column[::-1] for column in self._values())
        return Bars(self.label[::-1], *columns)

    def texts(self) -> "Texts":
        """Return the JSON of each bar."""
        # Numbers are written by orjson, as those of `rows` are, but a column at once.
        numbers = (
            orjson.dumps(np.ascontiguousarray(column), option=AS_LISTS)[1:-1]
            .decode()
            .split(",")
            for column in self._values()
        )
        values = (_times(self.label), *numbers)
        pieces = [""] * (2 * len(WORDS) * len(self.label))
        for place, (word, column) in enumerate(zip(WORDS, values, strict=True)):
            pieces[2 * place :: 2 * len(WORDS)] = [word] * len(self.label)
            pieces[2 * place + 1 :: 2 * len(WORDS)] = column
        return Texts(pieces)

    def _values(self) -> tuple[Floats | Integers, ...]:
        return (
            self.open,
            self.high,
            self.low,
            self.close,
            self.volume,
            self.trades,
            self.average,
        )


class Texts:
    """The JSON of some bars: words and values in turn, put together when wanted."""

    def __init__(self, pieces: list[str]) -> None:
        self._pieces = pieces

    def __getitem__(self, bars: slice) -> list[orjson.Fragment]:
        """Return what stands for some of the bars in a list: one text of them all."""
        first, last, _ = bars.indices(len(self._pieces) // (2 * len(WORDS)))
        text = "".join(self._pieces[2 * len(WORDS) * first : 2 * len(WORDS) * last])
        return [orjson.Fragment(text.removeprefix("},") + "}")] if text else []


def _times(labels: Integers) -> list[str]:
    """Return whole minutes as RFC 3339, put together from a date and a clock."""
    days, minutes = np.divmod(labels // MINUTE, len(CLOCK))
    dates: Any = _date(int(days[0]))
    if days[0] != days[-1]:
        dates = np.array([_date(day) for day in days.tolist()], object)
    texts: list[str] = (dates + CLOCK[minutes]).tolist()
    return texts


@lru_cache(maxsize=4096)
def _date(day: int) -> str:
    """Return the date that is some days after the first of 1970."""
    return str(np.datetime64(day, "D"))


def _intraday(
    market: Market,
    symbol: str,
    frame: Timeframe,
    days: Sequence[TradingDay],
    bounds: tuple[int, int],
    now: int,
) -> Iterator[Bars]:
    """Yield the bars of each day that has some."""
    length = frame.count * MINUTE
    for day in days:
        tape = market.tape(symbol, day)
        if tape is None:
            continue
        count = _ended(tape, now)
        if not count:
            continue
        labels = day.midnight + (tape.start[:count] - day.midnight) // length * length
        cuts = np.flatnonzero(np.concatenate(([True], labels[1:] != labels[:-1])))
        made = _reduce(tape, cuts, count, labels[cuts], bounds)
        if len(made.label):
            yield made


def _ended(tape: DayTape, now: int) -> int:
    """Return how many minutes of a tape have ended."""
    return int(np.searchsorted(tape.start, now - MINUTE, side="right"))


def _reduce(
    tape: DayTape, cuts: Any, count: int, labels: Any, bounds: tuple[int, int]
) -> Bars:
    """Return the bars that begin at some minutes and have labels within bounds."""
    wanted = slice(*np.searchsorted(labels, (bounds[0], bounds[1] + 1)).tolist())
    close = tape.close[np.append(cuts[1:], count) - 1]
    volume = np.add.reduceat(tape.volume[:count], cuts)
    typical = (tape.high + tape.low + tape.close)[:count] / 3 * tape.volume[:count]
    value = np.add.reduceat(typical, cuts)
    average = np.round(value / np.maximum(1, volume), VWAP_PLACES)
    return Bars(
        labels[wanted],
        tape.open[cuts][wanted],
        np.maximum.reduceat(tape.high[:count], cuts)[wanted],
        np.minimum.reduceat(tape.low[:count], cuts)[wanted],
        close[wanted],
        volume[wanted],
        np.maximum(1, volume // SHARES_A_TRADE)[wanted],
        np.where(volume > 0, average, close)[wanted],
    )


def bar(
    label: int,
    open: float,
    high: float,
    low: float,
    close: float,
    volume: int,
    value: float,
) -> dict[str, Any]:
    """Return a bar as the data API writes it; `value` is dollars traded."""
    return {
        "t": rfc3339(label),
        "o": open,
        "h": high,
        "l": low,
        "c": close,
        "v": volume,
        "n": max(1, volume // SHARES_A_TRADE),
        "vw": round(value / volume, VWAP_PLACES) if volume else close,
    }


def _daily(
    market: Market, symbol: str, frame: Timeframe, days: Any, now: int
) -> Iterator[Row]:
    key: Callable[[TradingDay], date] = lambda day: frame.bucket(day.day)  # noqa: E731
    for first, members in groupby(days, key=key):
        # The first bar of a range may have begun before it.
        whole = sorted(members, key=lambda day: day.index)
        while whole[0].index and frame.bucket(_before(market, whole[0]).day) == first:
            whole.insert(0, _before(market, whole[0]))
        parts = [part for day in whole if (part := _session(market, symbol, day, now))]
        if parts:
            label = instants.new_york_midnight(first)
            yield label, bar(
                label,
                parts[0][0],
                max(part[1] for part in parts),
                min(part[2] for part in parts),
                parts[-1][3],
                sum(part[4] for part in parts),
                sum(part[5] for part in parts),
            )


def _before(market: Market, day: TradingDay) -> TradingDay:
    return market.sessions.days[day.index - 1]


def _session(
    market: Market, symbol: str, day: TradingDay, now: int
) -> tuple[float, float, float, float, int, float] | None:
    """Return open, high, low, close of a session, volume and dollars of the day."""
    tape = market.tape(symbol, day)
    if tape is None:
        return None
    count = _ended(tape, now)
    first, last = tape.regular.start, min(tape.regular.stop, count)
    if first >= last:
        return None
    typical = (tape.high + tape.low + tape.close)[:count] / 3
    return (
        float(tape.open[first]),
        float(tape.high[first:last].max()),
        float(tape.low[first:last].min()),
        float(tape.close[last - 1]),
        int(tape.volume[:count].sum()),
        float((typical * tape.volume[:count]).sum()),
    )
