"""What ingestion can do.

Operations that are handed a `database` talk to the feed or the disk between two
transactions; those that are handed a `tx` are part of one.
"""

from trading_ingestion.operations.archive import archive_old_data
from trading_ingestion.operations.coverage import coverage
from trading_ingestion.operations.due import fetch_due_bars, waits_too_long
from trading_ingestion.operations.history import (
    backfill,
    begin,
    history_is_complete,
    load_history,
)
from trading_ingestion.operations.importing import import_file
from trading_ingestion.operations.quality import validate_data_quality
from trading_ingestion.operations.recent import RecentBars
from trading_ingestion.operations.source import Source

__all__ = [
    "RecentBars",
    "Source",
    "archive_old_data",
    "backfill",
    "begin",
    "coverage",
    "fetch_due_bars",
    "history_is_complete",
    "import_file",
    "load_history",
    "validate_data_quality",
    "waits_too_long",
]
