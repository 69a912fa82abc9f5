"""A copy of the database as one file, which PostgreSQL's own tools restore."""

import json
import os
import subprocess
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from trading_system.runtime import databases
from trading_system.runtime.data_directory import disk_full
from trading_system.runtime.faults import DependencyDown
from trading_system.runtime.postgres import program, server_environment

PATIENCE = 600
"""Seconds after which a copy is given up."""

_AUDIT = (
    "insert into shared.audit_log (user_id, table_name, operation, new_values, reason)"
    " values (%s, 'backup', 'BACKUP', %s, %s)"
)


class Backup(NamedTuple):
    """A copy that was made and read back."""

    file: Path
    bytes: int
    tables: int


def back_up(url: str, folder: Path, at: datetime, by: str, reason: str) -> Backup:
    """Write the database behind the owner's URL to a file, and read its contents back.

    The copy is one moment of the database, whatever is written meanwhile. Who asked
    for it, and why, goes to the audit log.

    Raises:
        DependencyDown: PostgreSQL could not be copied, or the copy cannot be read.
        DiskFull: There is no room for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    file = folder / f"trading-{at:%Y%m%dT%H%M%SZ}.dump"
    draft = file.with_suffix(".part")
    try:
        _run(folder, url, "pg_dump", "--format=custom", "--file", str(draft))
        contents = _run(folder, "", "pg_restore", "--list", str(draft))
        draft.chmod(0o600)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    made = Backup(file, file.stat().st_size, contents.count(" TABLE DATA "))
    facts = json.dumps({"file": file.name, "bytes": made.bytes, "tables": made.tables})
    with databases.connected(url) as connection, connection.cursor() as cursor:
        cursor.execute(_AUDIT, (by, facts, reason))
    return made


def _run(folder: Path, url: str, name: str, *arguments: str) -> str:
    environment = server_environment()
    if url:
        # Not among the arguments: every account of the machine can read those.
        parts = urlsplit(url)
        environment["PGPASSWORD"] = unquote(parts.password or "")
        host = parts.netloc.rpartition("@")[2]
        bare = parts._replace(netloc=f"{parts.username or ''}@{host}")
        arguments = ("--no-password", "--dbname", urlunsplit(bare), *arguments)
    try:
        done = subprocess.run(
            [str(program(name)), *arguments],
            env=environment,
            cwd=os.sep,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DependencyDown(
            f"{name} did not end within {PATIENCE} seconds.",
            remedy="Try again while less is written.",
        ) from error
    if "No space left" in done.stderr:
        raise disk_full(folder)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise DependencyDown(
            f"The database was not copied: {said}.", remedy="See `trading status`."
        )
    return done.stdout
