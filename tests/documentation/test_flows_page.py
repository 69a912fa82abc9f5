"""Every flow has its heading, under its service."""

import re
from pathlib import Path

import pytest

from trading_flows.timetable import TIMETABLE

pytestmark = pytest.mark.documentation

PAGE = Path(__file__).resolve().parents[2] / "docs" / "flows.md"


def test_every_flow_has_its_heading_under_its_service() -> None:
    found, service = set(), ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## (\w+)", line):
            service = heading.group(1).lower()
        if heading := re.fullmatch(r"### (\w+)", line):
            found.add((heading.group(1), service))

    assert found == {(entry.name, str(entry.service)) for entry in TIMETABLE}
