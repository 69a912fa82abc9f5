"""The real stack, ended by its terminal: no process stays."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from reserved_ports import reserved_ports
from stack import environment, left_of

from trading_system.runtime import run_file
from trading_system.runtime.faults import ExitCode
from trading_system.runtime.run_file import Run

pytestmark = pytest.mark.integration


def eventually(check: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.05)


@pytest.fixture
def read_run(tmp_path: Path) -> Iterator[Callable[[], Run | None]]:
    yield lambda: run_file.read(tmp_path / "data" / "run.json")


def test_a_detached_start_that_is_interrupted_leaves_no_process(
    tmp_path: Path, read_run: Callable[[], Run | None]
) -> None:
    tmp_path.chmod(0o755)
    with reserved_ports() as base:
        command = [sys.executable, "-m", "trading_system.cli", "up", "--detach"]
        caller = subprocess.Popen(
            [*command, "--data-dir", str(tmp_path / "data"), "--port-base", str(base)],
            env=environment(),
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: (run := read_run()) is not None and bool(run.children))
        caller.send_signal(signal.SIGINT)
        assert caller.wait(60) == ExitCode.INTERRUPTED
    run = read_run()
    assert run is not None and run.state == "stopped"
    assert not left_of(run)
