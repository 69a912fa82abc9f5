"""A real PostgreSQL and a real Valkey for the tests that ask for them.

One server of each a test session (and a worker of pytest-xdist), in a temporary
directory; `TEST_POSTGRES_URL` and `TEST_REDIS_URL` name servers of one's own instead.
Each test module that asks for `database_url` gets its own database, cloned from one
that was migrated once.
"""

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from reserved_ports import reserved_ports

from trading_system.runtime import databases, migrate, urls
from trading_system.runtime.postgres import PostgresServer, server_account
from trading_system.runtime.valkey import ValkeyServer

ROLE_PASSWORD = "only-for-tests"

# A settings file of the developer's own decides nothing here.
os.environ["TRADING_ENV_FILE"] = ""

# Tests lose their databases anyhow, so nothing waits for the disk.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Use two processes for folders of tests, and none beside this for single files.

    Roles belong to a whole server: with servers of one's own, one process uses them.
    """
    folders = any(Path(asked).is_dir() for asked in config.args)
    return 2 if folders and "TEST_POSTGRES_URL" not in os.environ else 0


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """Where the servers of this session live: reachable for whoever runs them."""
    directory = Path(tempfile.mkdtemp(prefix="trading-tests-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(server_directory: Path) -> Iterator[str]:
    """The URL of a PostgreSQL server, for a role that makes databases and roles."""
    if url := os.environ.get("TEST_POSTGRES_URL"):
        yield url
        return
    data, password = server_directory / "postgres", secrets.token_hex(16)
    with reserved_ports() as port:
        server = PostgresServer(data, port, password, server_account(data), NOT_DURABLE)
        with server.running(server_directory / "postgres.log"):
            databases.ensure_owner(server.url(), ROLE_PASSWORD)
            yield urls.with_user(server.url(), databases.OWNER, ROLE_PASSWORD)


@pytest.fixture(scope="session")
def redis_url(server_directory: Path) -> Iterator[str]:
    """The URL of a Valkey server."""
    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
        return
    data, password = server_directory / "valkey", secrets.token_hex(16)
    with reserved_ports() as port:
        server = ValkeyServer(data, port, password)
        with server.running(server_directory / "valkey.log"):
            yield server.url()


@pytest.fixture(scope="session")
def database_template(postgres_url: str) -> Iterator[str]:
    """The name of a migrated database that `database_url` clones."""
    name = f"template_{secrets.token_hex(4)}"
    roles = dict.fromkeys(databases.SERVICE_ROLES, ROLE_PASSWORD)
    databases.ensure_roles(postgres_url, roles)
    databases.ensure_database(postgres_url, name)
    migrate.upgrade(urls.with_database(postgres_url, name))
    yield name
    databases.drop_database(postgres_url, name)


@pytest.fixture(scope="session")
def new_database(
    postgres_url: str, database_template: str
) -> Callable[[str], AbstractContextManager[str]]:
    """Return what makes a migrated, empty database and gives its owner's URL."""

    @contextmanager
    def made(prefix: str) -> Iterator[str]:
        name = f"{prefix[:40]}_{secrets.token_hex(4)}"
        with databases.connected(postgres_url) as server, server.cursor() as cursor:
            # Files are copied whole: a quarter of the time of PostgreSQL's own way,
            # which writes each page to the log, where the disk is not waited for.
            cursor.execute(
                f'create database "{name}" template "{database_template}"'
                " strategy file_copy"
            )
        url = urls.with_database(postgres_url, name)
        databases.admit_roles(url, databases.SERVICE_ROLES)
        yield url
        databases.drop_database(postgres_url, name)

    return made


@pytest.fixture(scope="module")
def database_url(
    new_database: Callable[[str], AbstractContextManager[str]],
    request: pytest.FixtureRequest,
) -> Iterator[str]:
    """The owner's URL of a migrated, empty database that this module has to itself."""
    with new_database(re.sub(r"\W", "_", request.path.stem)) as url:
        yield url


@pytest.fixture(scope="module")
def service_database_url(database_url: str) -> Callable[[str], str]:
    """Return the URL of this module's database for one service's own role."""

    def url_of(service: str) -> str:
        role = databases.role_of(service)
        return urls.with_user(database_url, role, ROLE_PASSWORD)

    return url_of
