"""Servers that the machine has, for the legs that run without ours."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trading_system.runtime import urls, valkey
from trading_system.runtime.account import for_servers
from trading_system.runtime.databases import can_log_in
from trading_system.runtime.ports import free_port


def found(program: str) -> str | None:
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return shutil.which(program) or (str(places[-1]) if places else None)


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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
