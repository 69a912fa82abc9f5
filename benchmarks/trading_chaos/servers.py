"""A PostgreSQL and a Valkey of the run's own, which may be killed and come back."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import redis
from psycopg2 import OperationalError

from trading_system.clock import monotonic, sleep
from trading_system.runtime import databases, migrate, urls
from trading_system.runtime.ports import free_port
from trading_system.runtime.postgres import PostgresServer
from trading_system.runtime.postgres import server_account as postgres_account
from trading_system.runtime.postgres import server_environment, stop
from trading_system.runtime.valkey import ValkeyServer

PASSWORD = "only-for-chaos"
TEMPLATE = "chaos_template"

# A killed process loses nothing that it handed to the operating system; only a power
# cut would, and no test cuts it. Commits must still be handed over before they answer.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}


@dataclass
class Servers:
    """Both servers, one for all seeds of a run."""

    root: Path
    postgres: PostgresServer
    valkey: ValkeyServer
    _postgres: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    _valkey: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def redis_url(self) -> str:
        """The URL of Valkey."""
        return self.valkey.url()

    @property
    def owner_url(self) -> str:
        """The URL of PostgreSQL for the role that owns the seeds' databases."""
        return urls.with_user(self.postgres.url(), databases.OWNER, PASSWORD)

    def start(self) -> None:
        """Start whichever does not run."""
        if self._postgres is None or self._postgres.poll() is not None:
            self._postgres = self.postgres.start(self.root / "postgres.log")
        if self._valkey is None or self._valkey.poll() is not None:
            self._valkey = self._launch_valkey()

    def kill_postgres(self) -> None:
        """End PostgreSQL as a crash does, and start it again."""
        assert self._postgres is not None
        self._postgres.kill()
        self._postgres.wait()
        self.start()

    def kill_valkey(self) -> None:
        """End Valkey as a crash does, and start it again, empty."""
        assert self._valkey is not None
        self._valkey.kill()
        self._valkey.wait()
        self.start()

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Have both stand still, with every process that serves a connection."""
        stopped: list[psutil.Process] = []
        for server in (self._postgres, self._valkey):
            with suppress(psutil.NoSuchProcess):
                assert server is not None
                parent = psutil.Process(server.pid)
                # The parent first: nobody is born while the others are stopped.
                parent.suspend()
                stopped.append(parent)
                for child in parent.children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        child.suspend()
                        stopped.append(child)
        try:
            yield
        finally:
            for each in reversed(stopped):
                with suppress(psutil.NoSuchProcess):
                    each.resume()

    def disturb_valkey(self, how: str) -> None:
        """Forget everything, hang for a while, or cut off whoever listens."""
        commands = {
            "valkey_flush": ("FLUSHALL",),
            "valkey_pause": ("CLIENT", "PAUSE", "1500"),
            "valkey_cut": ("CLIENT", "KILL", "TYPE", "pubsub"),
        }
        with suppress(redis.RedisError):
            with redis.Redis.from_url(self.redis_url, socket_timeout=2) as client:
                client.execute_command(*commands[how])

    def end_connections(self, database: str) -> None:
        """Have PostgreSQL end every connection to a database."""
        with suppress(OperationalError):
            with databases.connected(self.postgres.url()) as connection:
                with connection.cursor() as cursor:
                    cursor.execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity"
                        " where datname = %s",
                        (database,),
                    )

    def prepare(self) -> None:
        """Make the database that each seed's is a copy of."""
        databases.ensure_owner(self.postgres.url(), PASSWORD)
        roles = dict.fromkeys(databases.SERVICE_ROLES, PASSWORD)
        databases.ensure_roles(self.owner_url, roles)
        databases.ensure_database(self.owner_url, TEMPLATE)
        migrate.upgrade(urls.with_database(self.owner_url, TEMPLATE))

    def create_database(self, name: str) -> str:
        """Return the URL of a fresh, migrated database."""
        with databases.connected(self.owner_url) as connection:
            with connection.cursor() as cursor:
                cursor.execute(f'create database "{name}" template "{TEMPLATE}"')
        return urls.with_database(self.owner_url, name)

    def drop_database(self, name: str) -> None:
        """Remove a seed's database."""
        databases.drop_database(self.owner_url, name)

    def stop(self) -> None:
        """Stop both."""
        if self._postgres is not None:
            stop(self._postgres)
        if self._valkey is not None:
            self._valkey.kill()
            self._valkey.wait()

    def _launch_valkey(self) -> "subprocess.Popen[bytes]":
        self.valkey.initialise()
        with (self.root / "valkey.log").open("ab") as output:
            process = subprocess.Popen(
                self.valkey.command(),
                cwd=self.valkey.directory.anchor,
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **self.valkey.account.process_arguments(),
            )
        until = monotonic() + 20
        while not self.valkey.is_ready():
            if process.poll() is not None or monotonic() > until:
                raise RuntimeError(f"Valkey did not start: read {self.root}/valkey.log")
            sleep(0.02)
        return process


@contextmanager
def running_servers(settings: Mapping[str, str] = SETTINGS) -> Iterator[Servers]:
    """Yield both servers, in a directory of their own that is removed at the end."""
    root = Path(tempfile.mkdtemp(prefix="trading-chaos-"))
    # PostgreSQL may run as another account, which must reach its own directory.
    os.chmod(root, 0o755)
    data = root / "postgres"
    servers = Servers(
        root,
        PostgresServer(
            data, free_port(), secrets.token_hex(16), postgres_account(data), settings
        ),
        ValkeyServer(root / "valkey", free_port(), secrets.token_hex(16)),
    )
    servers.postgres.initialise()
    try:
        servers.start()
        servers.prepare()
        yield servers
    finally:
        servers.stop()
        shutil.rmtree(root, ignore_errors=True)
