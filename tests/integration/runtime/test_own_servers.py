"""The machine's own PostgreSQL and Redis, for a role without any special right."""

import secrets
from datetime import date
from pathlib import Path

import pytest

from trading_system.runtime import databases, migrate, sessions, stamp, urls, valkey
from trading_system.runtime.faults import WrongConfiguration
from trading_system.runtime.provision import Databases
from trading_system.runtime.secrets import Secrets
from trading_system.runtime.stamp import Stamp
from trading_system.vocabulary import TradingMode

pytestmark = pytest.mark.integration


def test_a_plain_role_and_one_createdb_are_enough(
    administrator_url: str, tmp_path: Path
) -> None:
    name = f"trading_{secrets.token_hex(4)}"
    with databases.connected(administrator_url) as connection:
        cursor = connection.cursor()
        cursor.execute(f"create role {name} login password 'pw'")
        for database in (name, f"{name}_prefect"):
            cursor.execute(f"create database {database} owner {name}")
    plain = urls.with_user(administrator_url, name, "pw")
    owner = urls.with_database(plain, name)
    prefect = urls.with_database(plain, f"{name}_prefect")
    keys = Secrets.open(tmp_path / "secrets.json")
    own = Databases(keys, None, owner, prefect_given=prefect, with_roles=False)
    own.require()
    own.make()
    migrate.upgrade(own.owner_url)
    sessions.fill(own.owner_url, date(2026, 3, 2))
    stamp.stamp_database(
        own.owner_url, Stamp(mode=TradingMode.SIMULATED, source="seed 7")
    )
    assert migrate.revisions(own.owner_url) == migrate.heads()


def test_the_machines_redis_will_do(own_redis_url: str) -> None:
    valkey.require_server(own_redis_url)


def test_servers_that_are_too_old_are_refused(
    administrator_url: str, own_redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "LEAST_POSTGRES", 99)
    with pytest.raises(WrongConfiguration, match="PostgreSQL 99 or newer is needed"):
        databases.require_server(administrator_url)
    monkeypatch.setattr(valkey, "LEAST_REDIS", (99, 0))
    with pytest.raises(WrongConfiguration, match="Redis .* is needed"):
        valkey.require_server(own_redis_url)
