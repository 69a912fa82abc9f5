from pathlib import Path

import pytest

from trading_system.documentation import pages

pytestmark = pytest.mark.documentation

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", pages(ROOT), ids=lambda path: path.name)
def test_a_generated_file_is_what_the_code_says(path: Path) -> None:
    written = path.read_text(encoding="utf-8")

    assert written == pages(ROOT)[path], "run `python -m trading_system.documentation`"
