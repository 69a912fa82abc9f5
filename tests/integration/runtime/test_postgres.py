"""PostgreSQL from the wheel: start, recovery, two at once."""

import os
import secrets
import signal
from pathlib import Path

import pytest

from trading_system.runtime import databases, urls
from trading_system.runtime.databases import can_log_in
from trading_system.runtime.ports import free_port
from trading_system.runtime.postgres import PostgresServer, server_account

pytestmark = pytest.mark.integration


@pytest.fixture
def server(server_directory: Path) -> PostgresServer:
    data = server_directory / secrets.token_hex(4) / "postgres"
    data.parent.mkdir()
    return PostgresServer(data, free_port(), "secret", server_account(data))


@pytest.fixture
def log(server: PostgresServer) -> Path:
    return server.data.parent / "postgres.log"


def test_a_new_cluster_refuses_a_wrong_password(
    server: PostgresServer, log: Path
) -> None:
    with server.running(log):
        assert can_log_in(server.url())
        assert not can_log_in(urls.with_user(server.url(), "postgres", "wrong"))


def test_what_was_committed_survives_kill_9_of_the_server(
    server: PostgresServer, log: Path
) -> None:
    server.initialise()
    for round_ in range(2):
        process = server.start(log)
        with databases.connected(server.url()) as connection:
            cursor = connection.cursor()
            cursor.execute("create table if not exists kept (number int)")
            cursor.execute("insert into kept values (1)")
            cursor.execute("select count(*) from kept")
            row = cursor.fetchone()
        assert row == (round_ + 1,)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with server.running(log), databases.connected(server.url()) as connection:
        cursor = connection.cursor()
        cursor.execute("select count(*) from kept")
        assert cursor.fetchone() == (2,)


def test_two_clusters_run_side_by_side(server: PostgresServer, log: Path) -> None:
    data = server.data.with_name("second")
    with server.running(log):
        second = PostgresServer(data, free_port(), "other", server.account)
        assert second.port != server.port
        with second.running(log.with_name("second.log")):
            assert can_log_in(second.url())
            assert not can_log_in(urls.with_user(second.url(), "postgres", "secret"))


def test_another_server_on_the_port_is_not_mistaken_for_ours(
    server: PostgresServer, log: Path
) -> None:
    with server.running(log):
        stranger = PostgresServer(
            server.data.with_name("stranger"), server.port, "other", server.account
        )
        stranger.initialise()
        process = stranger.launch(log.with_name("stranger.log"))
        assert process.wait(30) != 0
        assert not stranger.is_ready(process.pid)


def test_the_owner_makes_databases_and_roles_without_being_superuser(
    postgres_url: str,
) -> None:
    owner = postgres_url
    name = f"owned_{secrets.token_hex(4)}"
    role = f"role_{secrets.token_hex(4)}"
    databases.ensure_roles(owner, {role: "secret"})
    databases.ensure_database(owner, name, role)
    databases.ensure_database(owner, name, role)
    made = urls.with_user(urls.with_database(owner, name), role, "secret")
    databases.admit_roles(made, [])
    assert can_log_in(made)
    with databases.connected(owner) as connection, connection.cursor() as cursor:
        cursor.execute("select rolsuper from pg_roles where rolname = current_user")
        assert cursor.fetchone() == (False,)
        cursor.execute(f"drop database {name}")
        cursor.execute(f"drop role {role}")
