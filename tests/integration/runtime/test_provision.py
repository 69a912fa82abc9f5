"""Databases and roles, on a server of one's own: what its owner may and may not do."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from trading_system.runtime import databases, migrate, stamp, urls
from trading_system.runtime.databases import SERVICE_ROLES, can_log_in
from trading_system.runtime.faults import (
    DatabaseTooNew,
    DependencyDown,
    ExitCode,
    OtherInstallation,
    WrongConfiguration,
)
from trading_system.runtime.ports import free_port
from trading_system.runtime.postgres import PostgresServer, server_account
from trading_system.runtime.provision import Databases
from trading_system.runtime.secrets import Secrets
from trading_system.runtime.stamp import Stamp
from trading_system.vocabulary import TradingMode

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(server_directory: Path) -> Iterator[PostgresServer]:
    """A server that no other test has made roles on."""
    data = server_directory / "provision" / "postgres"
    data.parent.mkdir()
    server = PostgresServer(data, free_port(), "secret", server_account(data))
    with server.running(data.parent / "postgres.log"):
        yield server


@pytest.fixture
def keys(tmp_path: Path) -> Secrets:
    return Secrets.open(tmp_path / "secrets.json")


def owner_who(server: PostgresServer, rights: str) -> str:
    """Return the URL of a new role's own database."""
    name = f"owner_{secrets.token_hex(4)}"
    with databases.connected(server.url()) as connection:
        cursor = connection.cursor()
        cursor.execute(f"create role {name} login {rights} password 'pw'")
        cursor.execute(f"create database {name} owner {name}")
    return urls.postgres(name, "pw", server.port, name)


def test_the_built_in_server_gets_both_databases_and_every_role(
    server: PostgresServer, keys: Secrets
) -> None:
    made = Databases(keys, server)
    for _ in range(2):
        made.require()
        made.make()
        assert can_log_in(made.owner_url)
        assert can_log_in(made.prefect_url)
        for role in SERVICE_ROLES:
            password = keys.role_password(role)
            assert can_log_in(urls.with_user(made.owner_url, role, password))
            prefects = urls.with_user(made.prefect_url, role, password)
            assert not can_log_in(prefects)
    assert urls.database_of(made.owner_url) == "trading_system"
    assert urls.database_of(made.prefect_url) == "prefect"


def test_lost_secrets_are_said_plainly(server: PostgresServer, keys: Secrets) -> None:
    stranger = PostgresServer(server.data, server.port, "another password")
    with pytest.raises(WrongConfiguration, match="Restore secrets.json"):
        Databases(keys, stranger).make()


def test_an_owner_without_createrole_is_told_both_ways_out(
    server: PostgresServer, keys: Secrets
) -> None:
    owner = owner_who(server, "createdb")
    with pytest.raises(WrongConfiguration, match="trading database roles --sql.*=off"):
        Databases(keys, None, owner).make()


def test_an_administrator_can_make_the_roles_with_the_printed_sql(
    server: PostgresServer, keys: Secrets
) -> None:
    owner = owner_who(server, "createdb")
    wanted = Databases(keys, None, owner, prefect_given=owner)
    script = databases.roles_script(owner, wanted.role_passwords())
    for password in wanted.role_passwords().values():
        assert password not in script
    with databases.connected(server.url()) as connection:
        cursor = connection.cursor()
        for role in wanted.role_passwords():
            cursor.execute(
                f"do $$ begin if exists (select from pg_roles where rolname = '{role}')"
                f" then execute 'drop owned by {role}'; end if; end $$"
            )
            cursor.execute(f"drop database if exists {databases.PREFECT_ROLE}")
        for database in ("trading_system", "prefect"):
            cursor.execute(f"drop database if exists {database}")
        for role in wanted.role_passwords():
            cursor.execute(f"drop role if exists {role}")
        cursor.execute(script)
    wanted.make()
    role = SERVICE_ROLES[0]
    assert can_log_in(urls.with_user(owner, role, keys.role_password(role)))


def test_one_role_is_enough_when_roles_are_off(
    server: PostgresServer, keys: Secrets
) -> None:
    owner = owner_who(server, "")
    prefect = owner_who(server, "")
    one = Databases(keys, None, owner, prefect_given=prefect, with_roles=False)
    one.make()
    assert one.owner_url == owner
    assert one.prefect_url == prefect


def test_an_owner_without_createdb_is_told_of_prefects_database(
    server: PostgresServer, keys: Secrets
) -> None:
    owner = owner_who(server, "")
    with pytest.raises(WrongConfiguration, match="PREFECT_DATABASE_URL"):
        Databases(keys, None, owner, with_roles=False).make()


def test_a_server_that_is_not_there_is_one_sentence(keys: Secrets) -> None:
    url = urls.postgres("ann", "pw", free_port(), "trading_system")
    with pytest.raises(DependencyDown, match="does not answer at .*Check POSTGRES_URL"):
        Databases(keys, None, url).require()


def test_a_database_newer_than_the_code_is_left_alone(database_url: str) -> None:
    before = migrate.revisions(database_url)
    with databases.connected(database_url) as connection:
        cursor = connection.cursor()
        cursor.execute("update alembic_version set version_num = '9999_future'")
    with pytest.raises(DatabaseTooNew, match="9999_future.*newer") as caught:
        migrate.upgrade(database_url)
    assert caught.value.exit_code is ExitCode.DATABASE_TOO_NEW
    with databases.connected(database_url) as connection:
        cursor = connection.cursor()
        cursor.execute("update alembic_version set version_num = %s", before)


def test_a_database_is_stamped_once_and_refuses_another_installation(
    database_url: str,
) -> None:
    first = Stamp(mode=TradingMode.SIMULATED, source="seed 7")
    stamp.require_same_database(database_url, first)
    stamp.stamp_database(database_url, first)
    known = first.model_copy(update={"account_id": "PA1"})
    stamp.stamp_database(database_url, known)
    stamp.require_same_database(database_url, first)
    for other in (
        first.model_copy(update={"source": "seed 8"}),
        first.model_copy(update={"mode": TradingMode.PAPER}),
        first.model_copy(update={"account_id": "PA2"}),
    ):
        with pytest.raises(OtherInstallation, match="mode simulated, seed 7"):
            stamp.require_same_database(database_url, other)
        with pytest.raises(OtherInstallation):
            stamp.stamp_database(database_url, other)


def test_a_database_without_tables_belongs_to_nobody(server: PostgresServer) -> None:
    empty = owner_who(server, "")
    wanted = Stamp(mode=TradingMode.SIMULATED, source="seed 7")
    stamp.require_same_database(empty, wanted)
    assert migrate.revisions(empty) == ()
