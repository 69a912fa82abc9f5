"""Copies of the database: those that are there, and one more by the command."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from trading_system.errors import Conflict, Unavailable

COMMAND: Final = (sys.executable, "-m", "trading_system.cli", "backup", "--json")
PATIENCE: Final = 660


class Copy(NamedTuple):
    """A copy that was made."""

    name: str
    at: datetime
    bytes: int


class Backups:
    """The copies in a data directory.

    The gateway may not read the database: the command does, as it would for the person
    who types it.
    """

    def __init__(self, data: Path, command: Sequence[str] = COMMAND) -> None:
        self._data = data.absolute()
        self._command = command
        self._lock = threading.Lock()

    def newest(self, most: int = 5) -> list[Copy]:
        """Return the latest copies, newest first."""
        files = sorted(self._data.glob("backups/*.dump"), reverse=True)[:most]
        return [Copy(file.name, _at(file), file.stat().st_size) for file in files]

    def make(self, reason: str) -> str:
        """Make a copy and return what the command said of it.

        Raises:
            Conflict: Another copy is being made.
            Unavailable: The command failed; the message is its own.
        """
        if not self._lock.acquire(blocking=False):
            raise Conflict("A backup is under way.", remedy="Wait until it is there.")
        try:
            done = subprocess.run(
                [*self._command, "--data-dir", str(self._data), "--reason", reason],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"The backup failed: {error}.") from error
        finally:
            self._lock.release()
        if done.returncode:
            raise Unavailable(f"The backup failed: {done.stderr.strip()[-400:]}")
        row = json.loads(done.stdout)[0]
        return f"{Path(row['file']).name}, {row['tables']} tables, was written."


def _at(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)
