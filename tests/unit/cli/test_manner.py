import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from trading_system.cli import app, manner
from trading_system.cli.app import Commands
from trading_system.cli.manner import Manner, Typer
from trading_system.errors import Unavailable
from trading_system.runtime.faults import ExitCode

pytestmark = pytest.mark.unit

SHARED = ("--json", "--ndjson", "--utc", "--no-color", "--quiet", "--verbose")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TRADING_ENV_FILE", "")
    # Set, so that what a command puts there is taken away again.
    monkeypatch.setenv("NO_COLOR", "")
    yield


@pytest.fixture
def seen() -> list[Manner]:
    return []


@pytest.fixture
def small(seen: list[Manner]) -> Typer:
    """A set of commands that show how they were told to behave."""
    small = Typer(cls=Commands)

    @small.callback()
    @manner.inherited
    def main() -> None: ...

    @small.command()
    def look(word: str = "") -> None:
        seen.append(manner.current())
        manner.say(f"looked {word}".strip())

    @small.command()
    def sleep(orderly: bool = False) -> None:
        if orderly:
            # As the supervisor, which ends everything and then returns.
            ended: list[int] = []
            before = signal.signal(signal.SIGINT, lambda *_: ended.append(1))
            try:
                while not ended:
                    time.sleep(0.01)
            finally:
                signal.signal(signal.SIGINT, before)
        else:
            time.sleep(60)

    @small.command()
    def ready() -> None:
        manner.in_time()
        time.sleep(0.3)

    @small.command()
    def ask() -> None:
        try:
            httpx.get("http://127.0.0.1:1/", trust_env=False)
        except httpx.HTTPError as error:
            raise Unavailable("Nobody answers.") from error

    return small


def test_the_options_of_all_may_stand_before_a_command_or_after_it(
    small: Typer, seen: list[Manner]
) -> None:
    run = CliRunner().invoke
    assert run(small, ["--utc", "look", "--word", "x", "-vv", "--json"]).exit_code == 0
    assert seen == [Manner(utc=True, json=True, verbose=2)]
    # Nothing is left of it for the next one.
    assert run(small, ["look"]).exit_code == 0
    assert seen[1] == Manner() == manner.current()


def test_quiet_leaves_results_and_errors(small: Typer) -> None:
    run = CliRunner().invoke
    assert run(small, ["look"]).stderr == "looked\n"
    assert run(small, ["look", "-q"]).stderr == ""
    assert run(small, ["ask", "-q"]).stderr == "Nobody answers.\n"


def test_verbose_shows_where_an_error_began(small: Typer) -> None:
    plain = CliRunner().invoke(small, ["ask"])
    assert plain.stderr == "Nobody answers.\n"
    told = CliRunner().invoke(small, ["ask", "-v"])
    assert told.exit_code == plain.exit_code == ExitCode.DEPENDENCY_DOWN
    assert "httpx.ConnectError" in told.stderr
    assert told.stderr.endswith("Nobody answers.\n")


def test_no_color_is_asked_for_like_the_variable(small: Typer) -> None:
    CliRunner().invoke(small, ["look", "--no-color"])
    assert os.environ["NO_COLOR"] == "1"


@pytest.mark.parametrize("words", [["sleep"], ["sleep", "--orderly"]])
def test_what_is_not_done_in_time_ends_with_its_own_code(
    small: Typer, words: list[str]
) -> None:
    result = CliRunner().invoke(small, [*words, "--timeout", "0.2"])
    assert result.exit_code == ExitCode.TIMEOUT
    assert result.stderr == "Not done within 0.2 s. Allow more with --timeout.\n"


def test_what_is_done_in_time_may_go_on(small: Typer) -> None:
    assert CliRunner().invoke(small, ["ready", "--timeout", "0.1"]).exit_code == 0


def test_ctrl_c_is_no_timeout(small: Typer) -> None:
    @small.command()
    def interrupt() -> None:
        signal.raise_signal(signal.SIGINT)

    result = CliRunner().invoke(small, ["interrupt", "--timeout", "60"])
    assert result.exit_code == ExitCode.INTERRUPTED


def test_every_command_takes_them() -> None:
    def leaves(command: object, path: str = "trading") -> Iterator[tuple[str, object]]:
        inside = getattr(command, "commands", None)
        if inside is None:
            yield path, command
            return
        for name, each in inside.items():
            yield from leaves(each, f"{path} {name}")

    found = dict(leaves(get_command(app)))
    # Its options are the exchange program's own.
    del found["trading exchange"]
    assert len(found) > 20
    for path, command in found.items():
        params = command.params  # type: ignore[attr-defined]
        options = {option for each in params for option in each.opts}
        assert {*SHARED, "--timeout"} <= options, path


def test_logs_that_go_on_are_a_document_a_line(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "risk.console.log").write_text("one\ntwo\n")
    words = ["logs", "--data-dir", str(tmp_path)]
    run = CliRunner().invoke
    lines = [{"process": "risk", "line": line} for line in ("one", "two")]
    assert json.loads(run(app, [*words, "--json"]).stdout) == lines
    refused = run(app, [*words, "-f", "--json"])
    assert refused.exit_code == ExitCode.USAGE and "--ndjson" in refused.stderr
    command = [sys.executable, "-m", "trading_system.cli", *words, "-f", "--ndjson"]
    done = subprocess.run(
        [*command, "--timeout", "3"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == ExitCode.TIMEOUT
    assert list(map(json.loads, done.stdout.splitlines())) == lines


def test_a_command_without_a_stack_can_be_silent_but_for_the_reason(
    tmp_path: Path,
) -> None:
    result = CliRunner().invoke(app, ["-q", "down", "--data-dir", str(tmp_path)])
    assert result.exit_code == ExitCode.DEPENDENCY_DOWN
    assert result.stderr.startswith("Nothing runs in")
