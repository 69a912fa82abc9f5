"""Session bars and received bars."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from trading_core import bars
from trading_ingestion.models import MarketBar
from trading_ingestion.repository import frames

WITH_END = pl.Schema({**bars.SCHEMA, "bar_end": bars.TIME})
_COLUMNS = "open, high, low, close, volume"

_CHANGED = """
select i.symbol, i.timestamp, k.revision + 1, k.open, k.high, k.low, k.close, k.volume,
  i.open, i.high, i.low, i.close, i.volume
from data_ingestion.incoming_bars i
join data_ingestion.market_data k
  on k.symbol = i.symbol and k.timestamp = i.timestamp
 and k.timeframe = :timeframe and k.feed = :feed
where (k.open, k.high, k.low, k.close, k.volume)
  is distinct from (i.open, i.high, i.low, i.close, i.volume)
"""

_MERGE = """
insert into data_ingestion.market_data as kept
  (symbol, timeframe, timestamp, feed, open, high, low, close, volume, bar_end,
   received_at, source)
select symbol, :timeframe, timestamp, :feed, open, high, low, close, volume, bar_end,
  :received_at, :source
from data_ingestion.incoming_bars order by symbol, timestamp
on conflict (symbol, timeframe, timestamp, feed) do update set
  open = excluded.open, high = excluded.high, low = excluded.low,
  close = excluded.close, volume = excluded.volume,
  received_at = excluded.received_at, source = excluded.source,
  revision = kept.revision + 1
where (kept.open, kept.high, kept.low, kept.close, kept.volume)
  is distinct from
  (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume)
"""

_KEEP_RECEIVED = """
insert into data_ingestion.received_bars
  (symbol, timeframe, timestamp, feed, revision, open, high, low, close, volume,
   received_at)
select i.symbol, :timeframe, i.timestamp, :feed, coalesce(last.revision + 1, 0),
  i.open, i.high, i.low, i.close, i.volume, :received_at
from data_ingestion.incoming_bars i
left join lateral (
  select r.revision, r.open, r.high, r.low, r.close, r.volume
  from data_ingestion.received_bars r
  where r.symbol = i.symbol and r.timeframe = :timeframe
    and r.timestamp = i.timestamp and r.feed = :feed
  order by r.revision desc limit 1) last on true
where last.revision is null
  or (last.open, last.high, last.low, last.close, last.volume)
     is distinct from (i.open, i.high, i.low, i.close, i.volume)
on conflict do nothing
"""

# One walk down the primary key a symbol, so that its cost does not grow with history.
_LATEST = """
select b.*
from unnest(cast(:symbols as text[])) as wanted (symbol)
cross join lateral (
  select * from data_ingestion.market_data m
  where m.symbol = wanted.symbol and m.timeframe = :timeframe and m.feed = :feed
  order by m.timestamp desc limit :count) b
order by b.symbol, b.timestamp
"""


class Correction(NamedTuple):
    """A stored bar that the feed now says otherwise."""

    symbol: str
    timestamp: datetime
    revision: int
    before: tuple[float, ...]
    after: tuple[float, ...]


class Stored(NamedTuple):
    """Rows that are new or changed, and which of them changed."""

    rows: int
    corrections: list[Correction]


class Coverage(NamedTuple):
    """How many bars of a symbol there are, and from when to when."""

    symbol: str
    timeframe: str
    feed: str
    bars: int
    first: datetime
    last: datetime


class Bars:
    """Session bars, and the bars they were built from."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def store(
        self,
        frame: pl.DataFrame,
        *,
        timeframe: str,
        feed: str,
        source: str,
        received_at: datetime,
    ) -> Stored:
        """Merge session bars; equal ones change nothing, others get a revision."""
        if frame.is_empty():
            return Stored(0, [])
        about = {"timeframe": timeframe, "feed": feed}
        frames.copy_in(
            self._session,
            "data_ingestion.incoming_bars",
            frame.select(WITH_END.names()),
        )
        corrections = [
            Correction(row[0], row[1], row[2], tuple(row[3:8]), tuple(row[8:13]))
            for row in self._session.execute(text(_CHANGED), about)
        ]
        values = about | {"source": source, "received_at": received_at}
        merged = self._session.execute(text(_MERGE), values)
        self._empty_incoming()
        return Stored(_count(merged), corrections)

    def keep_received(
        self, frame: pl.DataFrame, *, timeframe: str, feed: str, received_at: datetime
    ) -> int:
        """Keep bars as they came; a bar that differs from before is a new revision."""
        if frame.is_empty():
            return 0
        frames.copy_in(
            self._session,
            "data_ingestion.incoming_bars",
            frame.select(bars.SCHEMA.names()),
        )
        values = {"timeframe": timeframe, "feed": feed, "received_at": received_at}
        kept = self._session.execute(text(_KEEP_RECEIVED), values)
        self._empty_incoming()
        return _count(kept)

    def _empty_incoming(self) -> None:
        self._session.execute(text("delete from data_ingestion.incoming_bars"))

    def frame(
        self,
        *,
        timeframe: str,
        feed: str,
        start: datetime,
        end: datetime,
        symbols: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Return the bars that start in [start, end), by symbol and time."""
        chosen = "" if symbols is None else " and symbol = any(%(symbols)s)"
        query = (
            f"select symbol, {frames.micros('timestamp')}, {_COLUMNS},"
            f" {frames.micros('bar_end')} from data_ingestion.market_data"
            " where timeframe = %(timeframe)s and feed = %(feed)s"
            f" and timestamp >= %(start)s and timestamp < %(end)s{chosen}"
            " order by symbol, timestamp"
        )
        parameters = {
            "timeframe": timeframe,
            "feed": feed,
            "start": start,
            "end": end,
            "symbols": list(symbols or ()),
        }
        return frames.read(self._session, query, parameters, WITH_END)

    def listed(
        self,
        *,
        symbol: str,
        timeframe: str,
        feed: str,
        start: datetime | None,
        end: datetime | None,
        limit: int,
    ) -> list[MarketBar]:
        """Return the latest bars of a symbol in a range, oldest first."""
        query = select(MarketBar).where(
            MarketBar.symbol == symbol,
            MarketBar.timeframe == timeframe,
            MarketBar.feed == feed,
        )
        if start is not None:
            query = query.where(MarketBar.timestamp >= start)
        if end is not None:
            query = query.where(MarketBar.timestamp < end)
        query = query.order_by(MarketBar.timestamp.desc()).limit(limit)
        return list(reversed(self._session.scalars(query).all()))

    def latest(
        self, symbols: Sequence[str], timeframe: str, feed: str, count: int = 1
    ) -> list[MarketBar]:
        """Return the newest bars of each symbol, oldest first within a symbol."""
        values = {
            "symbols": list(symbols),
            "timeframe": timeframe,
            "feed": feed,
            "count": count,
        }
        found = select(MarketBar).from_statement(text(_LATEST))
        return list(self._session.scalars(found, values))

    def newest_ends(self, timeframe: str, feed: str) -> dict[str, datetime]:
        """Return the end of each symbol's newest bar."""
        query = (
            select(MarketBar.symbol, func.max(MarketBar.bar_end))
            .where(MarketBar.timeframe == timeframe, MarketBar.feed == feed)
            .group_by(MarketBar.symbol)
        )
        return {symbol: end for symbol, end in self._session.execute(query)}

    def coverage(self) -> list[Coverage]:
        """Return how many bars of each symbol, timeframe and feed there are."""
        query = (
            select(
                MarketBar.symbol,
                MarketBar.timeframe,
                MarketBar.feed,
                func.count(),
                func.min(MarketBar.timestamp),
                func.max(MarketBar.timestamp),
            )
            .group_by(MarketBar.symbol, MarketBar.timeframe, MarketBar.feed)
            .order_by(MarketBar.timeframe, MarketBar.feed, MarketBar.symbol)
        )
        return [Coverage(*row) for row in self._session.execute(query)]


def _count(result: Any) -> int:
    rows: int = result.rowcount
    return rows
