"""What is imported is declared, and what is declared is pinned."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[3]
ROOTS = ("src", "services", "flows", "web")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
DISTRIBUTIONS = packages_distributions()


def declared(*extras: str) -> set[str]:
    project = PROJECT["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    parsed = [Requirement(line) for line in lines if line and line[0] != "#"]
    return {canonicalize_name(pin.name): pin for pin in parsed}


def our_packages() -> set[str]:
    listed = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return {Path(each).name for each in listed}


def imports(folder: str) -> Iterator[tuple[str, Path]]:
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((name.name.split(".")[0], path) for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0], path


def undeclared(folder: str, known: set[str]) -> set[str]:
    # Tests may share a module of fakes beside them.
    beside = {path.stem for path in (ROOT / "tests").rglob("*.py")}
    ours = our_packages() | beside | set(sys.stdlib_module_names)
    return {
        f"{path.relative_to(ROOT)} imports {name}"
        for name, path in imports(folder)
        if name not in ours
        and not {canonicalize_name(d) for d in DISTRIBUTIONS.get(name, [name])} & known
    }


@pytest.mark.parametrize("root", ROOTS)
def test_what_the_code_imports_is_declared(root: str) -> None:
    assert undeclared(root, declared()) == set()


def test_what_tests_and_migrations_import_is_declared() -> None:
    assert undeclared("tests", declared("test")) == set()
    assert undeclared("migrations", declared()) == set()


def test_what_is_declared_is_pinned_to_a_version_that_it_allows() -> None:
    pinned = pins()
    project = PROJECT["project"]
    lines = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        lines += extra
    for line in lines:
        wanted = Requirement(line)
        pin = pinned[canonicalize_name(wanted.name)]
        (version,) = (specifier.version for specifier in pin.specifier)
        assert wanted.specifier.contains(version, prereleases=True), line


def test_pins_are_exact_and_name_no_place() -> None:
    text = (ROOT / "requirements.txt").read_text("utf-8")

    assert not re.search(r"^\s*-|--hash|://|@", text, re.M)
    for pin in pins().values():
        (specifier,) = pin.specifier
        assert specifier.operator == "==", pin


def test_the_caps_that_keep_prefect_alive_are_there() -> None:
    lines = {Requirement(x).name: x for x in PROJECT["project"]["dependencies"]}

    assert lines["prefect"] == "prefect==3.8.8"
    assert not Requirement(lines["fastapi"]).specifier.contains("0.151.0")
    assert not Requirement(lines["sqlalchemy"]).specifier.contains("2.1.0")


def test_every_package_of_the_roots_is_in_the_wheel() -> None:
    listed = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    found = {
        path.relative_to(ROOT).as_posix()
        for root in ROOTS
        for path in (ROOT / root).iterdir()
        if (path / "__init__.py").is_file()
    }

    assert found <= set(listed)
