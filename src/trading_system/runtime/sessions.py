"""The exchange's sessions in `shared.sessions`, so that no service loads pandas."""

import json
import subprocess
import sys
from datetime import date

from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

from trading_system.runtime import databases
from trading_system.runtime.faults import DependencyDown

FIRST_DAY = date(1990, 1, 1)
YEARS_AHEAD = 5
"""A simulated market may run on for as long."""


def fill(owner: str, today: date) -> None:
    """Store the sessions from 1990 to some years ahead, unless they are there."""
    last_day = date(today.year + YEARS_AHEAD, 12, 31)
    with databases.connected(owner) as connection:
        if not _covers(connection, last_day):
            _store(connection, _listed(FIRST_DAY, last_day))


def _covers(connection: Connection, last_day: date) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select min(day), max(day) from shared.sessions")
        first, last = cursor.fetchone() or (None, None)
    # A year ends within its last three days, a century began within its first three.
    return (
        first is not None
        and first.year == FIRST_DAY.year
        and (last_day - last).days < 4
    )


def _listed(first: date, last: date) -> list[dict[str, str]]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "trading_core.calendar"),
            *("--from", first.isoformat(), "--to", last.isoformat()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DependencyDown(
            "The exchange calendar could not be read: "
            f"{done.stderr.strip().splitlines()[-1]}.",
            remedy="Install the requirements again.",
        )
    rows: list[dict[str, str]] = json.loads(done.stdout)
    return rows


def _store(connection: Connection, rows: list[dict[str, str]]) -> None:
    with connection.cursor() as cursor:
        execute_values(
            cursor,
            "insert into shared.sessions (day, open, close) values %s"
            " on conflict (day) do update"
            " set open = excluded.open, close = excluded.close",
            rows,
            template="(%(day)s, %(open)s, %(close)s)",
            page_size=1000,
        )
