"""A frame of bars as columns of numbers, one a symbol, for the compiled passes."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, time
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from trading_core import bars as bar_frame
from trading_core.calendar import NEW_YORK, require_aware
from trading_core.simulation.actions import CorporateAction, split_adjusted
from trading_core.simulation.column_pass import ACTION, is_sound

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Numbers = tuple[Floats, Floats, Floats, Floats, Floats]

PARTS_A_CORE = 4

Work = TypeVar("Work")
Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Column:
    """The bars of one symbol: where they stand in the frame, and their numbers.

    `prices` are open, high, low and close as traded; `seen` is the frame that the
    strategy sees, adjusted for splits; signals before the bar `begun` do not count.
    """

    symbol: str
    place: slice
    prices: tuple[Floats, Floats, Floats, Floats]
    volume: Floats
    actions: npt.NDArray[np.void]
    seen: pl.DataFrame
    begun: int


class Table:
    """Bars of any number of symbols, checked."""

    def __init__(
        self,
        bars: pl.DataFrame,
        actions: Sequence[CorporateAction] = (),
        trade_from: datetime | None = None,
    ) -> None:
        self.bars = (
            bars if bars.schema == bar_frame.SCHEMA else bar_frame.conform(bars)
        ).rechunk()
        if bars.is_empty():
            raise ValueError("A backtest needs clean bars. There are no bars.")
        self.seen = split_adjusted(self.bars, actions)
        self.times = self.bars["timestamp"].to_numpy()
        open_, high, low, close, volume = (
            self.bars[name].to_numpy() for name in bar_frame.NUMBERS
        )
        self.numbers: Numbers = open_, high, low, close, volume
        self.columns = self._columns(actions, trade_from)
        if not all(spread(self._is_sound, self.columns)) or self._is_unordered():
            _, problems = bar_frame.validate(self.bars)
            said = bar_frame.complaint(problems)
            raise ValueError(f"A backtest needs clean bars. {said}")

    def days(self) -> Integers:
        """Return a number for the day in New York of each bar."""
        zoned = self.bars["timestamp"].dt.convert_time_zone(str(NEW_YORK))
        days: Integers = zoned.dt.date().to_physical().cast(pl.Int64).to_numpy()
        return days

    def _columns(
        self, actions: Sequence[CorporateAction], trade_from: datetime | None
    ) -> list[Column]:
        columns, first = [], 0
        for length, symbol in _runs(self.bars["symbol"]):
            place = slice(first, first + length)
            open_, high, low, close, volume = (each[place] for each in self.numbers)
            columns.append(
                Column(
                    symbol=symbol,
                    place=place,
                    prices=(open_, high, low, close),
                    volume=volume,
                    actions=_before_opens(
                        [each for each in actions if each.symbol == symbol],
                        self.times[place],
                    ),
                    seen=self.seen.slice(first, length),
                    begun=_bar_at(self.times[place], trade_from) if trade_from else 0,
                )
            )
            first += length
        return columns

    def _is_sound(self, column: Column) -> bool:
        times = self.times[column.place].view(np.int64)
        return is_sound(*column.prices, column.volume, times)

    def _is_unordered(self) -> bool:
        symbols = [column.symbol for column in self.columns]
        return None in symbols or symbols != sorted(set(symbols))


def spread(work: Callable[[Work], Done], over: Iterable[Work]) -> list[Done]:
    """Return the results of work in order, computed by as many threads as cores."""
    items = list(over)
    cores = os.cpu_count() or 1
    # Few large parts: a thread that works on many items seldom waits for another.
    size = max(math.ceil(len(items) / cores / PARTS_A_CORE), 1)
    parts = [items[first : first + size] for first in range(0, len(items), size)]
    if len(parts) <= 1:
        return [work(item) for item in items]

    def part_of(part: list[Work]) -> list[Done]:
        return [work(item) for item in part]

    with ThreadPoolExecutor(cores) as threads:
        return [done for part in threads.map(part_of, parts) for done in part]


def _runs(symbols: pl.Series) -> list[tuple[int, str]]:
    """Return how often each symbol follows itself."""
    # One symbol is told by a comparison three times as fast as runs are counted.
    first = symbols[0]
    if first is not None and (symbols == first).all(ignore_nulls=False):
        return [(symbols.len(), first)]
    return symbols.rle().struct.unnest().rows()


def _before_opens(
    actions: Sequence[CorporateAction], times: npt.NDArray[np.datetime64]
) -> npt.NDArray[np.void]:
    """Return actions by the bar before whose open they are due."""
    due = np.zeros(len(actions), ACTION)
    for row, action in enumerate(sorted(actions, key=lambda each: each.day)):
        bar = _bar_at(times, datetime.combine(action.day, time(), NEW_YORK))
        due[row] = bar, float(action.split), float(action.dividend)
    return due


def _bar_at(times: npt.NDArray[np.datetime64], instant: datetime) -> int:
    """Return the first bar that starts at an instant or later."""
    naive = require_aware(instant).replace(tzinfo=None)
    return int(np.searchsorted(times, np.datetime64(naive)))
