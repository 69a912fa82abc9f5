"""Moving old rows to Parquet: written, read back, compared, and only then deleted."""

import hashlib
import os
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl

from trading_ingestion.models import ArchivedFile
from trading_ingestion.repository import IngestionTransaction
from trading_ingestion.repository.old_rows import KEPT, Kept
from trading_system.contracts.ingestion import ArchiveResult
from trading_system.database import Database
from trading_system.errors import Invalid, Unavailable

AT_LEAST = timedelta(days=90)
"""No younger rows are archived, whatever is asked: strategies and pages need them."""


def archive_old_data(
    database: Database[IngestionTransaction],
    directory: Path,
    today: date,
    before: date | None = None,
) -> ArchiveResult:
    """Move rows older than a date, or than each table keeps them, to Parquet files.

    A file holds a month of a table. A run that ends half-way leaves the rows where
    they were; the next one writes the file again.
    """
    if before is not None and before > today - AT_LEAST:
        raise Invalid(
            f"{before} is less than {AT_LEAST.days} days ago.",
            remedy=f"Archive what is older than {today - AT_LEAST} at most.",
        )
    rows, written = 0, []
    for kept in KEPT:
        limit = before or today - kept.keep
        for month in _months(database, kept, limit):
            moved = _move(database, directory, kept, month, limit)
            if moved is not None:
                rows += moved[0]
                written.append(moved[1])
    return ArchiveResult(
        before=before or today - min(kept.keep for kept in KEPT),
        rows=rows,
        files=written,
    )


def _months(
    database: Database[IngestionTransaction], kept: Kept, limit: date
) -> list[date]:
    with database.read_only() as tx:
        return tx.old_rows.months(kept, _midnight(limit))


def _move(
    database: Database[IngestionTransaction],
    directory: Path,
    kept: Kept,
    month: date,
    limit: date,
) -> tuple[int, str] | None:
    start = _midnight(month)
    end = min(_midnight(_next_month(month)), _midnight(limit))
    with database.read_only() as tx:
        frame = tx.old_rows.frame(kept, start, end)
    if frame.is_empty():
        return None
    first, last = frame[kept.time].min(), frame[kept.time].max()
    assert isinstance(first, datetime) and isinstance(last, datetime)
    # Named after what it holds: a later run for the month writes a file of its own.
    name = f"{month:%Y-%m}_{first:%d%H%M%S}_{last:%d%H%M%S}.parquet"
    path = directory / kept.table / name
    content_hash = _write(path, frame)
    record = ArchivedFile(
        path=str(path),
        table_name=kept.table,
        before=limit,
        rows=frame.height,
        content_hash=content_hash,
        first=first,
        last=last,
    )
    with database.transaction() as tx:
        deleted = tx.old_rows.delete(kept, start, end)
        if deleted != frame.height:
            raise Unavailable(
                f"{kept.table} changed while its rows of {month:%Y-%m} were archived: "
                f"{frame.height} were written, {deleted} found. Nothing was deleted.",
                remedy="Run it again.",
            )
        tx.archives.add(record)
    return frame.height, str(path)


def _write(path: Path, frame: pl.DataFrame) -> str:
    """Write a file, name it once it reads back equal, and return its hash."""
    fresh = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(fresh, compression="zstd")
        with fresh.open("rb+") as file:
            os.fsync(file.fileno())
        content = fresh.read_bytes()
        if not pl.read_parquet(content).equals(frame):
            raise Unavailable(
                f"{fresh} does not read back as it was written. Nothing was deleted.",
                remedy="Check the disk.",
            )
        os.replace(fresh, path)
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be written: {error.strerror}. Nothing was deleted.",
            remedy="Free space on the disk, or check its rights.",
        ) from error
    return hashlib.sha256(content).hexdigest()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _next_month(month: date) -> date:
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)
