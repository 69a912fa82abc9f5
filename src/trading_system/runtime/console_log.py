"""What a child writes to its console: kept in a file that stays small."""

import os
from pathlib import Path
from typing import BinaryIO

LARGEST = 20_000_000


def shorten(log: Path) -> None:
    """Keep the end of a console log that has grown large."""
    try:
        if log.stat().st_size > LARGEST:
            with log.open("r+b") as file:
                _keep_end(file, LARGEST // 10)
    except FileNotFoundError:
        pass


def _keep_end(file: BinaryIO, size: int) -> None:
    file.seek(-size, os.SEEK_END)
    end = file.read()
    file.seek(0)
    # The process appends, so it goes on at the new end.
    file.truncate()
    file.write(end)
