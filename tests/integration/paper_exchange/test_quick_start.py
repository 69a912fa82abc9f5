"""The lines of the documentation's quick start do what it says."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.documentation]

PAGE = Path(__file__).parents[3] / "docs" / "paper-exchange.md"
DOCUMENTED_PORT = "8100"


def blocks() -> list[str]:
    """Return the code blocks of the quick start, the command and the program first.

    The program is `py` in the page: unlike its `python` blocks it needs the command.
    """
    section = PAGE.read_text(encoding="utf-8").split("## Quick start")[1]
    return re.findall("```(?:py)?\n(.*?)```", section.split("\n## ")[0], re.S)


def environment(tmp_path: Path) -> dict[str, str]:
    """Return one in which the exchange keeps its state in the test's directory."""
    kept = {name: str(tmp_path) for name in ("HOME", "XDG_DATA_HOME", "LOCALAPPDATA")}
    # Neither keys of the one who runs the tests nor a proxy belong to the quick start.
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ALPACA_", "EXCHANGE_"))
    }
    return ours | kept | {"NO_PROXY": "127.0.0.1"}


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def run(program: str, tmp_path: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def lines_of_curl() -> list[str]:
    """Return the commands of the page's section on other programs."""
    section = PAGE.read_text(encoding="utf-8").split("## Another program")[1]
    return re.findall("```\n(.*?)```", section, re.S)[0].splitlines()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_lines_of_curl_are_answered(exchange: Any, tmp_path: Path) -> None:
    exchange.control(advance_to="2026-09-14T14:00:00Z")
    port = exchange.url.rsplit(":", 1)[1]
    answers = []
    for line in lines_of_curl():
        words = shlex.split(line.replace(DOCUMENTED_PORT, port))
        done = subprocess.run(
            [*words, "--silent"],
            env=environment(tmp_path),
            capture_output=True,
            timeout=300,
            check=True,
        )
        answers.append(json.loads(done.stdout))
    account, order = answers
    assert account["equity"] == "100000"
    assert (order["symbol"], order["status"]) == ("KO", "pending_new")


def test_the_command_and_six_lines_place_an_order(tmp_path: Path) -> None:
    command, program = blocks()
    port = free_port()
    assert DOCUMENTED_PORT in command and DOCUMENTED_PORT in program
    words = command.replace(DOCUMENTED_PORT, port).split()
    assert words.pop(0) == "trading"
    assert len([line for line in program.splitlines() if line]) == 6

    with subprocess.Popen(
        [sys.executable, "-m", "trading_system.cli", *words],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    ) as exchange:
        try:
            assert exchange.stdout is not None
            assert exchange.stdout.readline().endswith(f":{port}\n")
            printed = run(program.replace(DOCUMENTED_PORT, port), tmp_path)
        finally:
            exchange.terminate()

    equity, status = printed
    # Before the open it waits for it; this depends on how fast the test gets there.
    assert float(equity) == 100_000
    assert status.split(".")[-1] in ("ACCEPTED", "PENDING_NEW", "NEW")
