"""Bars, read from where ingestion keeps them."""

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import cast

import polars as pl
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import text
from sqlalchemy.orm import Session

from trading_core import bars

WINDOW = pl.Schema({**bars.SCHEMA, "revision": pl.Int64()})
_ON_THE_WIRE = pl.Schema(
    {
        name: pl.Int64() if dtype == bars.TIME else dtype
        for name, dtype in WINDOW.items()
    }
)

# One walk down the primary key a symbol, so that its cost does not grow with history.
_READ = """
copy (
  select b.symbol, (extract(epoch from b.timestamp) * 1000000)::bigint, b.open, b.high,
    b.low, b.close, b.volume, b.revision
  from unnest(%(symbols)s::text[]) as wanted (symbol)
  cross join lateral (
    select * from data_ingestion.market_data m
    where m.symbol = wanted.symbol and m.timeframe = %(timeframe)s
      and m.feed = %(feed)s and m.timestamp < %(until)s
    order by m.timestamp desc limit %(count)s) b
  order by b.symbol, b.timestamp
) to stdout (format csv)
"""


class Windows:
    """The last bars of each symbol up to a moment."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def read(
        self,
        symbols: Sequence[str],
        *,
        timeframe: str,
        feed: str,
        until: datetime,
        count: int,
    ) -> pl.DataFrame:
        """Return the last `count` bars of each symbol that start before `until`."""
        parameters = {
            "symbols": list(symbols),
            "timeframe": timeframe,
            "feed": feed,
            "until": until,
            "count": count,
        }
        driver = self._session.connection().connection.driver_connection
        assert driver is not None
        buffer = BytesIO()
        with cast(Cursor, driver.cursor()) as cursor:
            cursor.copy_expert(cursor.mogrify(_READ, parameters).decode(), buffer)
        return pl.read_csv(
            buffer.getvalue(),
            has_header=False,
            schema=_ON_THE_WIRE,
            raise_if_empty=False,
        ).cast(WINDOW)

    def newest_end(self, timeframe: str, feed: str) -> datetime | None:
        """Return the end of the newest bar that is stored."""
        end: datetime | None = self._session.scalar(
            text(
                "select max(bar_end) from data_ingestion.market_data"
                " where timeframe = :timeframe and feed = :feed"
            ),
            {"timeframe": timeframe, "feed": feed},
        )
        return end

    def universe(self) -> list[str]:
        """Return the symbols that bars are fetched for."""
        query = "select symbol from data_ingestion.universe where active order by 1"
        return list(self._session.scalars(text(query)))
