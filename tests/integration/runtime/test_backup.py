"""A backup: restored into another database, it is the same, and the log has it."""

import secrets
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from trading_system.runtime import backup, databases, urls
from trading_system.runtime.backup import back_up
from trading_system.runtime.faults import DependencyDown

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 20, 21, 5, tzinfo=UTC)
TABLES = (
    "select format('%I.%I', n.nspname, c.relname) from pg_class c"
    " join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r'"
    " and n.nspname not in ('pg_catalog', 'information_schema') order by 1"
)


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """The owner's URL of a database with nothing in it."""
    name = f"restored_{secrets.token_hex(4)}"
    databases.ensure_database(postgres_url, name)
    yield urls.with_database(postgres_url, name)
    with databases.connected(postgres_url) as connection:
        connection.cursor().execute(f'drop database "{name}" with (force)')


def asked(url: str, statement: str) -> list[tuple[Any, ...]]:
    with databases.connected(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def contents(url: str) -> dict[str, Any]:
    """Return how many rows each table has."""
    names = [name for (name,) in asked(url, TABLES)]
    return {name: asked(url, f"select count(*) from {name}") for name in names}


def restore(place: Path, url: str, file: Path) -> None:
    """Restore as docs/operations.md says it is done."""
    newest = "select 1 from pg_settings where name = 'transaction_timeout'"
    if asked(url, newest):
        arguments = ("--no-owner", "--exit-on-error", str(file))
        backup._run(place, url, "pg_restore", *arguments)
    else:
        # A server before 17 does not know the first setting of our pg_restore.
        with pytest.raises(DependencyDown, match="errors ignored on restore: 1"):
            backup._run(place, url, "pg_restore", "--no-owner", str(file))


def test_a_backup_restores_to_the_same_rows_and_is_audited(
    database_url: str,
    empty_database_url: str,
    tmp_path: Path,
) -> None:
    with databases.connected(database_url) as connection:
        connection.cursor().execute(
            "insert into risk_management.symbol_locks (account_id, symbol, reason,"
            " locked_by, market_time) values ('a', 'AAPL', 'why', 'ada', now())"
        )
    before = contents(database_url)
    made = back_up(database_url, tmp_path / "backups", AT, "ada", "before an upgrade")
    assert made.file.name == "trading-20261120T210500Z.dump"
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert made.tables == len(before)
    restore(tmp_path, empty_database_url, made.file)
    assert contents(empty_database_url) == before
    assert asked(empty_database_url, "select shared.verify_audit()") == [(None,)]
    [line] = asked(
        database_url,
        "select user_id, reason, new_values ->> 'file' from shared.audit_log"
        " where operation = 'BACKUP'",
    )
    assert line == ("ada", "before an upgrade", made.file.name)


def test_a_database_that_cannot_be_copied_leaves_no_file(
    database_url: str, tmp_path: Path
) -> None:
    wrong = database_url.rpartition("/")[0] + "/nowhere"
    with pytest.raises(DependencyDown, match="was not copied"):
        back_up(wrong, tmp_path, AT, "ada", "a try")
    assert not list(tmp_path.iterdir())
