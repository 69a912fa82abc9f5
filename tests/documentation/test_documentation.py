"""What the documentation says is so."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from trading_system.config.settings import Settings
from trading_system.vocabulary import ServiceName

pytestmark = pytest.mark.documentation

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md"])


def python_blocks() -> Iterator[Any]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
            line = text[: found.start()].count("\n") + 2
            name = f"{page.relative_to(ROOT)}:{line}"
            yield pytest.param(found.group(1), id=name)


@pytest.mark.parametrize("block", list(python_blocks()))
def test_every_python_block_runs(block: str, tmp_path: Path) -> None:
    ast.parse(block)
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", block],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_every_setting_has_its_heading() -> None:
    headings = set(
        re.findall(r"^### (\w+)$", (DOCS / "configuration.md").read_text("utf-8"), re.M)
    )

    assert {name.upper() for name in Settings.model_fields} == headings


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"([\w/.-]+\.md)", text))

    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}

    assert named == pages, "name every page in the `nav` of mkdocs.yml"


def test_every_relative_link_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(
            r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")
        )
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert broken == []


def test_no_page_fetches_anything_from_elsewhere() -> None:
    theme = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["theme"]

    assert theme["font"] is False


def test_every_decision_is_listed() -> None:
    listed = (DOCS / "decisions" / "index.md").read_text(encoding="utf-8")

    for page in (DOCS / "decisions").glob("0*.md"):
        assert f"({page.name})" in listed


def test_every_event_has_its_row() -> None:
    rows = (DOCS / "events.md").read_text(encoding="utf-8")
    topics = set()
    for service in ServiceName:
        contract = import_module(f"trading_system.contracts.{service}")
        for thing in vars(contract).values():
            topic = getattr(thing, "topic", None)
            if isinstance(topic, str) and thing.__module__ == contract.__name__:
                topics.add(topic)

    assert topics
    assert {topic for topic in topics if f"| `{topic}` |" not in rows} == set()
