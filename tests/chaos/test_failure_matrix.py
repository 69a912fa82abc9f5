"""Every failure that the documentation names has the test that it names."""

import re
from pathlib import Path

import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.documentation]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"


def test_every_row_names_a_test_that_is_there() -> None:
    found = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*(?:async )?def (test_\w+)", path.read_text(), re.M)
    }
    table = PAGE.read_text().partition("## Failures")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, row
        assert set(named) <= found, set(named) - found
