"""The documented menu of faults is whole, and each fault has a test that sees it."""

import re
from pathlib import Path

import pytest

from paper_exchange import faults

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests" / "integration" / "paper_exchange"


def rows() -> list[list[str]]:
    """Return the cells of the menu's table."""
    page = (ROOT / "docs" / "paper-exchange.md").read_text(encoding="utf-8")
    table = page.split("| kind | what the client sees |")[1].split("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def test_the_menu_lists_every_kind_once() -> None:
    kinds = [kind for row in rows() for kind in re.findall("`(.+?)`", row[0])]
    assert sorted(kinds) == sorted(faults.KINDS)


def test_every_test_of_the_menu_exists_and_names_its_kinds() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted(TESTS.glob("*faults.py"))
    )
    for row in rows():
        for name in re.findall("`(.+?)`", row[2]):
            assert f"def test_{name}(" in source, name
        for kind in re.findall("`(.+?)`", row[0]):
            assert f'"{kind}"' in source, kind
