from pathlib import Path

import pytest
from typer.testing import CliRunner

from trading_system.cli import app
from trading_system.cli.log_commands import last_lines

pytestmark = pytest.mark.unit


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRADING_ENV_FILE", "")
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "risk.console.log").write_text("r1\nr2\nr3\n")
    (logs / "execution.console.log").write_text("e1\n")
    return tmp_path


def logs(data_dir: Path, *arguments: str) -> tuple[int, list[str], str]:
    words = ["logs", *arguments, "--data-dir", str(data_dir)]
    result = CliRunner().invoke(app, words)
    return result.exit_code, result.stdout.splitlines(), result.stderr


def test_the_last_lines_of_one_process(data_dir: Path) -> None:
    assert logs(data_dir, "risk", "-n", "2") == (0, ["r2", "r3"], "")


def test_of_all_processes_each_line_is_named(data_dir: Path) -> None:
    _, lines, _ = logs(data_dir)
    assert [line.split() for line in lines] == [
        ["execution", "e1"],
        ["risk", "r1"],
        ["risk", "r2"],
        ["risk", "r3"],
    ]


def test_an_unknown_process_is_not_found_and_the_known_are_named(
    data_dir: Path,
) -> None:
    code, _, said = logs(data_dir, "strategie")
    assert code == 7
    assert "There are some of: execution, risk." in said


def test_a_large_file_is_read_from_its_end_only(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"x" * 3_000_000 + b"\nlast\n")
    with file.open("rb") as opened:
        assert last_lines(opened, 1) == [b"last"]
        assert opened.read() == b""
