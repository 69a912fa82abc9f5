"""The directory in which one installation keeps everything."""

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trading_system.runtime.faults import DiskFull, WrongConfiguration

LEAST_FREE_BYTES = 300_000_000


@dataclass(frozen=True)
class DataDirectory:
    """Names of what lies in a data directory."""

    root: Path

    @property
    def secrets(self) -> Path:
        """Passwords and tokens, for the owner's eyes only."""
        return self.root / "secrets.json"

    @property
    def stamp(self) -> Path:
        """Which mode, account and source this directory belongs to."""
        return self.root / "stamp.json"

    @property
    def ports(self) -> Path:
        """Ports of the database servers, kept from start to start."""
        return self.root / "ports.json"

    @property
    def run(self) -> Path:
        """What runs at the moment."""
        return self.root / "run.json"

    @property
    def stop_request(self) -> Path:
        """Its presence asks the supervisor to stop."""
        return self.root / "stop"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as it lives."""
        return self.root / "supervisor.lock"

    @property
    def logs(self) -> Path:
        """Log files, and what each process wrote on its console."""
        return self.root / "logs"

    @property
    def postgres(self) -> Path:
        """The built-in PostgreSQL's cluster."""
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        """The built-in Valkey's configuration."""
        return self.root / "valkey"

    @property
    def prefect(self) -> Path:
        """Prefect's home."""
        return self.root / "prefect"

    @property
    def backups(self) -> Path:
        """Copies of the database."""
        return self.root / "backups"

    @property
    def exchange(self) -> Path:
        """The paper exchange's own storage."""
        return self.root / "exchange"

    def console(self, name: str) -> Path:
        """What a process wrote on its console."""
        return self.logs / f"{name}.console.log"

    def create(self) -> None:
        """Make the directory, and refuse one that has no room or cannot be written."""
        try:
            for place in (self.root, self.logs, self.prefect, self.exchange):
                place.mkdir(parents=True, exist_ok=True)
            if sys.platform != "win32" and os.geteuid() != 0:
                # Under root another account must be able to enter.
                self.root.chmod(0o700)
            for private in (self.prefect, self.exchange, self.logs):
                private.chmod(0o700)
            write_whole(self.root / "writable", "")
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise disk_full(self.root) from error
            raise WrongConfiguration(
                f"The data directory {self.root} cannot be used: {error.strerror}.",
                remedy="Choose another with --data-dir or TRADING_DATA_DIR.",
            ) from error
        (self.root / "writable").unlink()
        if shutil.disk_usage(self.root).free < LEAST_FREE_BYTES:
            raise disk_full(self.root)


@contextmanager
def passing(chosen: Path | None) -> Iterator[Path]:
    """Yield a chosen data directory, or one that is gone at the end."""
    if chosen is not None:
        yield chosen.absolute()
        return
    made = Path(tempfile.mkdtemp(prefix="trading-"))
    try:
        # Under root another account, which runs the database, must be able to enter.
        made.chmod(0o755 if sys.platform != "win32" and os.geteuid() == 0 else 0o700)
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def disk_full(place: Path) -> DiskFull:
    """Return the fault of a disk without room."""
    return DiskFull(
        f"The disk of {place} has less than {LEAST_FREE_BYTES // 1_000_000} MB left.",
        remedy="Free some space, or choose another place with --data-dir.",
    )


def write_whole(file: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file's text; a reader sees the old or the new, never a part."""
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    os.replace(part, file)
