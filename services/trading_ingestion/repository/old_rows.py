"""Rows that are old enough to leave the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl
from sqlalchemy import text
from sqlalchemy.orm import Session

from trading_core.bars import TIME
from trading_ingestion.repository import frames


@dataclass(frozen=True)
class Kept:
    """A table whose rows leave it after a while, by a time of theirs."""

    table: str
    time: str
    keep: timedelta
    columns: Mapping[str, pl.DataType]


_KEY = {
    "symbol": pl.String(),
    "timeframe": pl.String(),
    "timestamp": TIME,
    "feed": pl.String(),
    "revision": pl.Int64(),
}
_NUMBERS = dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64())

KEPT = (
    Kept(
        "market_data",
        "timestamp",
        timedelta(days=3 * 365),
        {
            **_KEY,
            **_NUMBERS,
            "bar_end": TIME,
            "received_at": TIME,
            "source": pl.String(),
        },
    ),
    Kept(
        "received_bars",
        "timestamp",
        timedelta(days=800),
        {**_KEY, **_NUMBERS, "received_at": TIME},
    ),
    Kept(
        "data_quality_logs",
        "created_at",
        timedelta(days=400),
        {
            "log_id": pl.Int64(),
            "symbol": pl.String(),
            "check_type": pl.String(),
            "status": pl.String(),
            "message": pl.String(),
            "timeframe": pl.String(),
            "feed": pl.String(),
            "bar_timestamp": TIME,
            "revision": pl.Int64(),
            "market_time": TIME,
            "created_at": TIME,
        },
    ),
)


class OldRows:
    """Rows of the tables in `KEPT`. Imported bars stay: a backtest asked for them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def months(self, kept: Kept, before: datetime) -> list[date]:
        """Return the months (UTC) that hold rows older than a time."""
        query = (
            f"select distinct date_trunc('month', {kept.time} at time zone 'UTC')::date"
            f" from data_ingestion.{kept.table}"
            f" where {kept.time} < :before{_not_imported(kept)} order by 1"
        )
        return list(self._session.scalars(text(query), {"before": before}))

    def frame(self, kept: Kept, start: datetime, end: datetime) -> pl.DataFrame:
        """Return the rows of [start, end)."""
        columns = ", ".join(
            frames.micros(name) if dtype == TIME else name
            for name, dtype in kept.columns.items()
        )
        query = (
            f"select {columns} from data_ingestion.{kept.table}"
            f" where {kept.time} >= %(start)s and {kept.time} < %(end)s"
            f"{_not_imported(kept)} order by {kept.time}, {columns}"
        )
        parameters = {"start": start, "end": end}
        return frames.read(self._session, query, parameters, kept.columns)

    def delete(self, kept: Kept, start: datetime, end: datetime) -> int:
        """Delete the rows of [start, end); return how many."""
        query = (
            f"with gone as (delete from data_ingestion.{kept.table}"
            f" where {kept.time} >= :start and {kept.time} < :end{_not_imported(kept)}"
            " returning 1) select count(*) from gone"
        )
        return int(self._session.scalar(text(query), {"start": start, "end": end}) or 0)


def _not_imported(kept: Kept) -> str:
    return " and source <> 'import'" if "source" in kept.columns else ""
