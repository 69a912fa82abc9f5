"""What ingestion needs from outside."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import polars as pl

from trading_core.calendar import Timeframe
from trading_system.clock import ClockReading


class Asset(NamedTuple):
    """Something that can be traded."""

    symbol: str
    name: str


class MarketData(Protocol):
    """A feed of bars, and the market's clock."""

    @property
    def feed(self) -> str:
        """The name that its bars are stored under."""
        ...

    def clock(self) -> ClockReading:
        """Ask for the market's time now."""
        ...

    def bars(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
    ) -> pl.DataFrame:
        """Return the bars that start in [start, end), as the feed has them.

        The frame has the columns of `trading_core.bars.SCHEMA`; nothing in it has been
        checked, and values the feed left out are null.
        """
        ...

    def assets(self) -> Sequence[Asset]:
        """Return everything this market lists."""
        ...
