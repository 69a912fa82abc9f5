"""Taking in a file of bars, for backtests."""

import hashlib
from datetime import datetime
from pathlib import Path

from trading_core.calendar import Timeframe
from trading_ingestion.domain import files
from trading_ingestion.models import ImportedFile
from trading_ingestion.repository import IngestionTransaction
from trading_system.contracts.ingestion import HistoryLoaded, ImportResult
from trading_system.database import Database
from trading_system.errors import Invalid

IMPORTED = "import"
"""The feed that imported bars belong to, unless another name is given."""


def read_file(path: Path) -> bytes:
    """Return the content of a file on this machine."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Invalid(
            f"{path} cannot be read: {error.strerror}.",
            remedy="Give the whole path of a file that this service may read.",
        ) from error


def import_file(
    database: Database[IngestionTransaction],
    name: str,
    content: bytes,
    now: datetime,
    *,
    timeframe: Timeframe | None = None,
    feed: str = IMPORTED,
) -> ImportResult:
    """Store the session bars of a CSV or Parquet file; the same file again is a no-op.

    A file with a bad row is refused whole.
    """
    digest = hashlib.sha256(content).hexdigest()
    with database.read_only() as tx:
        known = tx.imports.get(digest, feed)
        if known is not None:
            return _result(known, rows=0, outside=0)
        calendar = tx.calendar
    file = files.session_bars(name, files.parse(name, content), calendar, timeframe)
    if file.session_bars.is_empty():
        raise Invalid(
            f"{name}: none of its bars lies in a session of the exchange.",
            remedy="The timestamp is the bar's start in UTC.",
        )
    first, last = (
        file.session_bars["timestamp"].min(),
        file.session_bars["bar_end"].max(),
    )
    assert isinstance(first, datetime) and isinstance(last, datetime)
    symbols = sorted(file.session_bars["symbol"].unique())
    with database.transaction() as tx:
        stored = tx.bars.store(
            file.session_bars,
            timeframe=file.timeframe,
            feed=feed,
            source="import",
            received_at=now,
        )
        record = ImportedFile(
            content_hash=digest,
            feed=feed,
            file=name,
            timeframe=file.timeframe,
            rows=stored.rows,
            symbols=symbols,
            first=first,
            last=last,
            restamped=file.restamped,
        )
        tx.imports.add(record)
        tx.publish(
            HistoryLoaded(
                timeframe=file.timeframe,
                feed=feed,
                symbols=tuple(symbols),
                first=first,
                last=last,
                rows=stored.rows,
                market_time=now,
            )
        )
        return _result(record, rows=stored.rows, outside=file.outside)


def _result(record: ImportedFile, *, rows: int, outside: int) -> ImportResult:
    return ImportResult(
        rows=rows,
        symbols=record.symbols,
        timeframe=record.timeframe,
        feed=record.feed,
        first=record.first,
        last=record.last,
        problems=outside,
        restamped=record.restamped,
        content_hash=record.content_hash,
    )
