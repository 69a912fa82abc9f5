"""Strategies are found by their files; a bad file is told and stops no other."""

from pathlib import Path
from textwrap import dedent

import pytest

from trading_system import plugins
from trading_system.config.settings import Settings

pytestmark = pytest.mark.unit

GOOD = """
    import polars as pl
    from trading_core.strategy import Parameters, Strategy

    class {kind}(Strategy[Parameters], name="{name}"):
        \"\"\"Do nothing, calmly.\"\"\"
"""


def write(folder: Path, name: str, source: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(dedent(source), encoding="utf-8")
    return path


def good(name: str, kind: str = "Mine") -> str:
    return GOOD.format(name=name, kind=kind)


def test_the_bundled_strategy_is_found():
    found = plugins.discover()

    assert "momentum_strategy" in found.found
    assert found.faults == ()
    plugin = found.found["momentum_strategy"]
    assert plugin.description
    assert len(plugin.source_hash) == 64


def test_a_file_in_a_folder_of_ones_own_is_enough(tmp_path, monkeypatch):
    write(tmp_path, "mine", good("mine"))
    monkeypatch.chdir(tmp_path)

    loaded = plugins.load(Settings(strategy_dirs=(tmp_path,)))

    assert {"mine", "momentum_strategy"} <= set(loaded)
    assert loaded["mine"].name == "mine"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def broken(:\n", "line 1: is not Python"),
        ("\0", "is not Python"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("raise SystemExit(3)\n", "SystemExit"),
        ("x = 1\n", "defines no strategy"),
        ("import requests\n", "line 1 imports requests"),
        ("import os.path\n", "line 1 imports os.path"),
        ("from trading_system import clock\n", "line 1 imports trading_system"),
        ("from . import momentum\n", "line 1 imports a neighbour"),
        ("x = open('a')\n", "line 1 calls open()"),
        ("\nexec('1')\n", "line 2 calls exec()"),
        ("import datetime\nx = datetime.datetime.now()\n", "line 2 uses .now"),
        ("import numpy as np\nx = np.random.rand()\n", "line 2 uses .random"),
        ("import polars as pl\npl.read_csv('a')\n", "line 2 calls .read_csv()"),
        (
            "from trading_core.strategy import Strategy\n"
            "class Mine(Strategy, name='mine'): pass\n",
            "does not say its parameters",
        ),
    ],
)
def test_a_bad_file_says_why_and_the_others_are_found(tmp_path, source, said):
    bad = tmp_path / "bad.py"
    bad.write_bytes(source.encode())
    write(tmp_path, "good", good("good_one"))

    result = plugins.discover([tmp_path])

    assert {"good_one", "momentum_strategy"} <= set(result.found)
    (fault,) = result.faults
    assert fault.path == bad
    assert said in fault.problem


def test_a_file_that_is_no_text_is_told(tmp_path):
    (tmp_path / "bad.py").write_bytes(b"\xff\xfe\x00")

    (fault,) = plugins.discover([tmp_path]).faults

    assert "cannot be read" in fault.problem


def test_of_two_with_one_name_the_first_counts(tmp_path):
    write(tmp_path, "a", good("twin"))
    write(tmp_path, "b", good("twin", "Other"))
    write(tmp_path, "c", good("momentum_strategy"))

    result = plugins.discover([tmp_path])

    assert result.found["twin"].path.name == "a.py"
    assert result.found["momentum_strategy"].path.name == "momentum.py"
    assert [fault.path.name for fault in result.faults] == ["b.py", "c.py"]


def test_a_folder_that_is_not_there_is_told(tmp_path):
    (fault,) = plugins.discover([tmp_path / "nowhere"]).faults

    assert "STRATEGY_DIRS" in fault.problem


def test_files_that_begin_with_an_underscore_are_left_alone(tmp_path):
    write(tmp_path, "_draft", "import requests\n")

    assert plugins.discover([tmp_path]).faults == ()


def test_a_changed_file_is_another_strategy_with_another_hash(tmp_path):
    write(tmp_path, "mine", good("mine"))
    before = plugins.discover([tmp_path]).found["mine"]
    again = plugins.discover([tmp_path]).found["mine"]
    write(tmp_path, "mine", good("mine") + "\n    # changed\n")
    after = plugins.discover([tmp_path]).found["mine"]

    assert again.strategy is before.strategy
    assert after.strategy is not before.strategy
    assert after.source_hash != before.source_hash


def test_line_ends_do_not_change_the_hash(tmp_path):
    source = dedent(good("mine"))
    (tmp_path / "mine.py").write_bytes(source.encode())
    before = plugins.discover([tmp_path]).found["mine"].source_hash
    (tmp_path / "mine.py").write_bytes(source.replace("\n", "\r\n").encode())

    assert plugins.discover([tmp_path]).found["mine"].source_hash == before
