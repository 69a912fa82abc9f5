"""What the market needs from a source of prices, whichever it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from paper_exchange.sessions import Sessions, TradingDay

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Listing:
    """A symbol and what an asset list says about it."""

    symbol: str
    name: str
    exchange: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What the broker allows with a symbol."""

    fractionable: bool = True
    shortable: bool = True
    easy_to_borrow: bool = True


@dataclass(frozen=True, slots=True)
class Points:
    """The price points of the bars of a day, in time order.

    `jumps` marks those that were not reached from the one before.
    """

    time: Integers
    price: Floats
    volume: Floats
    jumps: NDArray[np.bool_]


@dataclass(frozen=True)
class DayTape:
    """What one symbol traded on one day, extended hours included.

    Minute bars (`start` in nanoseconds, prices in dollars a share, `volume` in shares;
    a minute without a trade has no row) and the price points of the bars they come
    from, which are made when they are first looked at: who reads bars does not.
    `regular` is the range of rows that belong to the session.
    """

    start: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Integers
    make_points: Callable[[], Points]
    regular: slice

    @cached_property
    def points(self) -> Points:
        """The prices in time order."""
        return self.make_points()


class PriceSource(Protocol):
    """Prices of some symbols over some trading days."""

    @property
    def name(self) -> str:
        """Say in one line what is traded: a seed, or a file and its hash."""

    @property
    def sessions(self) -> Sessions:
        """The trading days it knows."""

    @property
    def listings(self) -> Sequence[Listing]:
        """The symbols it has prices for."""

    @property
    def start(self) -> int:
        """The market time at which a new exchange begins."""

    @property
    def end(self) -> int:
        """The market time after which there are no prices."""

    def day(self, symbol: str, day: TradingDay) -> DayTape | None:
        """Return what a symbol traded on a day; the same whenever it is asked."""
