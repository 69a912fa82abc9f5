"""The latest bars of each symbol in Redis, for pages that ask often."""

from trading_ingestion.operations.source import Source
from trading_ingestion.repository import IngestionTransaction
from trading_system.cache import Cache
from trading_system.contracts.ingestion import BarView, RecentBarsView
from trading_system.database import Database

COUNT = 50
KEPT_FOR = 60
"""Seconds that a process which did not fetch a bar may show the one before, at most."""


class RecentBars:
    """Recent bars by symbol: from Redis when it has them, else from the database."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._kept: set[str] = set()

    def forget(self) -> None:
        """Leave what is kept: there are newer bars.

        They are read when a page asks. At a bar's end the machine has other things to
        do: the bar is on its way to becoming orders.
        """
        kept = list(self._kept)
        if self._cache.forget(kept):
            self._kept.difference_update(kept)

    def get(
        self, database: Database[IngestionTransaction], source: Source, symbol: str
    ) -> RecentBarsView:
        """Return the latest bars of a symbol, and where they came from."""
        key = f"bars:{source.timeframe}:{source.feed}:{symbol}"
        kept = self._cache.get(key)
        if isinstance(kept, list):
            bars = [BarView.model_validate(bar) for bar in kept]
            return RecentBarsView(symbol=symbol, source="cache", bars=bars)
        with database.read_only() as tx:
            rows = tx.bars.latest([symbol], source.timeframe, source.feed, COUNT)
            bars = [BarView.model_validate(row) for row in rows]
        self._kept.add(key)
        self._cache.set(key, [bar.model_dump(mode="json") for bar in bars], KEPT_FOR)
        return RecentBarsView(symbol=symbol, source="database", bars=bars)
