"""The machine's own PostgreSQL and Redis, for a role without any special right."""

import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from trading_system.runtime import databases, migrate, sessions, stamp, urls, valkey
from trading_system.runtime.account import for_servers
from trading_system.runtime.databases import can_log_in
from trading_system.runtime.faults import WrongConfiguration
from trading_system.runtime.ports import free_port
from trading_system.runtime.provision import Databases
from trading_system.runtime.secrets import Secrets
from trading_system.runtime.stamp import Stamp
from trading_system.vocabulary import TradingMode

pytestmark = pytest.mark.integration


def found(program: str) -> str | None:
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return shutil.which(program) or (str(places[-1]) if places else None)


@pytest.fixture(scope="module")
def administrator_url(server_directory: Path) -> Iterator[str]:
    """A superuser on a new cluster of the machine's own PostgreSQL."""
    initdb, postgres = found("initdb"), found("postgres")
    if initdb is None or postgres is None:
        pytest.skip("this machine has no PostgreSQL of its own")
    data = server_directory / "own" / "postgres"
    data.mkdir(parents=True)
    account = for_servers((Path(postgres), data))
    account.own(data)
    account.own(data.parent)
    password = data.parent / "password"
    password.write_text("admin")
    arguments = account.process_arguments()
    subprocess.run(
        [initdb, "-D", str(data), "-U", "admin", "-A", "scram-sha-256"]
        + [f"--pwfile={password}", "-E", "UTF8", "--no-locale"],
        check=True,
        capture_output=True,
        cwd="/",
        **arguments,
    )
    port = free_port()
    options = [f"port={port}", "listen_addresses=127.0.0.1", "fsync=off"]
    options += [f"unix_socket_directories={data.parent}"]
    words = [word for option in options for word in ("-c", option)]
    url = urls.postgres("admin", "admin", port, "postgres")
    with (data.parent / "log").open("wb") as log:
        process = subprocess.Popen(
            [postgres, "-D", data, *words],
            stdout=log,
            stderr=log,
            cwd="/",
            **arguments,
        )
    try:
        deadline = time.monotonic() + 60
        while not can_log_in(url) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


@pytest.fixture(scope="module")
def own_redis_url(server_directory: Path) -> Iterator[str]:
    program = found("redis-server")
    if program is None:
        pytest.skip("this machine has no Redis of its own")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(
        [program, *options], cwd=server_directory, stdout=subprocess.DEVNULL
    )
    url = f"redis://127.0.0.1:{port}/0"
    try:
        deadline = time.monotonic() + 30
        while not valkey.answers(url) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


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
