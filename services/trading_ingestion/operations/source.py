"""The feed that a service reads, and how long it waits for it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from trading_core.calendar import Calendar, Timeframe, require_aware
from trading_ingestion.domain.due import Pace
from trading_ingestion.domain.intake import SOURCE, Intake, take_in
from trading_ingestion.ports import MarketData
from trading_system.vocabulary import TIMEFRAME


@dataclass(frozen=True, slots=True)
class Source:
    """A feed, the pace of its mode, and the bars that are made of it."""

    market_data: MarketData
    pace: Pace
    timeframe: Timeframe = Timeframe(TIMEFRAME)
    begun: threading.Event = field(default_factory=threading.Event)
    """Set once the series and the universe are known to be there."""

    @property
    def feed(self) -> str:
        """The name that bars are stored under."""
        return self.market_data.feed

    def market_time(self) -> datetime:
        """Ask for the market's time."""
        return require_aware(self.market_data.clock().now)

    def read(
        self,
        symbols: Sequence[str],
        start: datetime,
        end: datetime,
        calendar: Calendar,
    ) -> Intake:
        """Fetch source bars that start in [start, end), and build session bars."""
        received = self.market_data.bars(symbols, SOURCE, start, end)
        return take_in(received, self.timeframe, calendar)
