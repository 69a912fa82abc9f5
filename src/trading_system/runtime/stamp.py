"""Which installation a data directory and a database belong to; they never mix."""

import hashlib
from pathlib import Path
from typing import Self

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extras import Json
from pydantic import BaseModel, ConfigDict, ValidationError

from trading_system.runtime import databases
from trading_system.runtime.data_directory import write_whole
from trading_system.runtime.faults import OtherInstallation
from trading_system.vocabulary import TradingMode

DESCRIPTIONS = {
    "mode": "Whose market is traded here.",
    "source": "Where prices come from: a seed, the hash of a replay file, or Alpaca.",
    "account_id": "The broker account that is traded here.",
}


class Stamp(BaseModel):
    """The mode, source and broker account of an installation."""

    model_config = ConfigDict(frozen=True)

    mode: TradingMode
    source: str
    account_id: str | None = None

    def agrees_with(self, other: Self) -> bool:
        """Return whether both are the same installation, as far as both know."""
        accounts = {self.account_id, other.account_id} - {None}
        return (
            self.mode == other.mode
            and self.source == other.source
            and len(accounts) <= 1
        )

    def words(self) -> str:
        """Return the stamp in words."""
        account = f", account {self.account_id}" if self.account_id else ""
        return f"mode {self.mode}, {self.source}{account}"


def source_of_replay(file: Path) -> str:
    """Return the source that a replay file is, whatever its name."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256")
    return f"replay sha256 {digest.hexdigest()}"


def source_of_seed(seed: int) -> str:
    """Return the source that a generated market is."""
    return f"seed {seed}"


def stamp_directory(file: Path, stamp: Stamp) -> Stamp:
    """Stamp a data directory at its first start; refuse it when it is another's."""
    found = read(file)
    if found is None:
        write_whole(file, stamp.model_dump_json(indent=2))
        return stamp
    if not found.agrees_with(stamp):
        raise OtherInstallation(
            f"The data directory {file.parent} belongs to {found.words()}, and this "
            f"start asks for {stamp.words()}.",
            remedy="Start it as it was, or choose another with --data-dir.",
        )
    whole = stamp if stamp.account_id else found
    if whole != found:
        write_whole(file, whole.model_dump_json(indent=2))
    return whole


def read(file: Path) -> Stamp | None:
    """Return the stamp of a data directory, or None when it has none yet."""
    if not file.exists():
        return None
    try:
        return Stamp.model_validate_json(file.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise OtherInstallation(
            f"{file} is damaged, so nobody knows what the data directory belongs to.",
            remedy="Restore it from a backup, or choose another with --data-dir.",
        ) from error


def stamp_database(owner: str, stamp: Stamp) -> None:
    """Stamp a migrated database at its first start; refuse it when it is another's."""
    with databases.connected(owner) as connection:
        found = _stamp_of(connection)
        if found is not None and not found.agrees_with(stamp):
            raise OtherInstallation(
                f"The database belongs to {found.words()}, and this start asks for "
                f"{stamp.words()}.",
                remedy="Start with the data directory it was made with, or name "
                "another database in POSTGRES_URL.",
            )
        values = stamp.model_dump(mode="json", exclude_none=True)
        with connection.cursor() as cursor:
            for key, value in values.items():
                cursor.execute(
                    "insert into shared.system_config"
                    " (config_key, config_value, description) values (%s, %s, %s)"
                    " on conflict (config_key) do nothing",
                    (key, Json(value), DESCRIPTIONS[key]),
                )


def keep_salt(owner: str, salt: str) -> None:
    """Keep what sets this installation's order ids apart from any other's."""
    with databases.connected(owner) as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into shared.system_config (config_key, config_value, description)"
            " values ('installation_salt', %s, %s) on conflict (config_key) do nothing",
            (Json(salt), "Sets this installation's order ids apart."),
        )


def _stamp_of(connection: Connection) -> Stamp | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select config_key, config_value from shared.system_config"
            " where config_key = any(%s)",
            (list(DESCRIPTIONS),),
        )
        values = dict(cursor.fetchall())
    return Stamp.model_validate(values) if "mode" in values else None


def require_same_database(owner: str, stamp: Stamp) -> None:
    """Refuse another installation's database before anything in it is changed."""
    with databases.connected(owner) as connection:
        try:
            found = _stamp_of(connection)
        except (psycopg2.errors.UndefinedTable, psycopg2.errors.InvalidSchemaName):
            return
    if found is not None and not found.agrees_with(stamp):
        raise OtherInstallation(
            f"The database belongs to {found.words()}, and this start asks for "
            f"{stamp.words()}.",
            remedy="Start with the data directory it was made with, or name another "
            "database in POSTGRES_URL.",
        )
