"""The latest bars of each symbol in Redis, for pages that ask often."""

from trading_ingestion.operations.source import Source
from trading_ingestion.repository import IngestionTransaction
from trading_system.cache import Cache
from trading_system.contracts.ingestion import BarView, RecentBarsView
from trading_system.database import Database

COUNT = 50
KEPT_FOR = 7 * 24 * 3600


class RecentBars:
    """Recent bars by symbol: from Redis when it has them, else from the database."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def refresh(self, database: Database[IngestionTransaction], source: Source) -> None:
        """Put the latest bars of every symbol into Redis."""
        with database.read_only() as tx:
            symbols = tx.universe.active()
            rows = tx.bars.latest(symbols, source.timeframe, source.feed, COUNT)
            by_symbol: dict[str, list[object]] = {symbol: [] for symbol in symbols}
            for row in rows:
                view = BarView.model_validate(row)
                by_symbol[row.symbol].append(view.model_dump(mode="json"))
        self._cache.set_many(
            {_key(source, symbol): bars for symbol, bars in by_symbol.items()}, KEPT_FOR
        )

    def get(
        self, database: Database[IngestionTransaction], source: Source, symbol: str
    ) -> RecentBarsView:
        """Return the latest bars of a symbol, and where they came from."""
        kept = self._cache.get(_key(source, symbol))
        if isinstance(kept, list):
            bars = [BarView.model_validate(bar) for bar in kept]
            return RecentBarsView(symbol=symbol, source="cache", bars=bars)
        with database.read_only() as tx:
            rows = tx.bars.latest([symbol], source.timeframe, source.feed, COUNT)
            bars = [BarView.model_validate(row) for row in rows]
        return RecentBarsView(symbol=symbol, source="database", bars=bars)


def _key(source: Source, symbol: str) -> str:
    return f"bars:{source.timeframe}:{source.feed}:{symbol}"
