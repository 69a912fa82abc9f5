import hashlib
import json
import sys
from pathlib import Path

import pytest

from trading_system.runtime.faults import WrongConfiguration
from trading_system.runtime.secrets import Secrets

pytestmark = pytest.mark.unit


def test_they_are_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    made = Secrets.open(file)
    assert Secrets.open(file) == made
    if sys.platform != "win32":
        assert file.stat().st_mode & 0o777 == 0o600


def test_no_two_are_alike(tmp_path: Path) -> None:
    Secrets.open(tmp_path / "secrets.json")
    found = json.loads((tmp_path / "secrets.json").read_text())
    values = [*found.pop("roles").values(), *found.pop("tokens").values()]
    values += found.values()
    assert len(set(values)) == len(values)
    assert min(map(len, values)) >= 40


def test_a_file_of_an_older_version_keeps_what_it_has(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    made = Secrets.open(file)
    older = json.loads(file.read_text())
    del older["salt"], older["tokens"]["conductor"]
    file.write_text(json.dumps(older))
    found = Secrets.open(file)
    assert found.postgres == made.postgres
    assert found.token("cli") == made.token("cli")
    assert found.token("conductor") and found.salt.get_secret_value()
    assert Secrets.open(file) == found


def test_nothing_shows_in_a_representation(tmp_path: Path) -> None:
    made = Secrets.open(tmp_path / "secrets.json")
    assert made.token("cli") not in repr(made)


def test_services_are_told_hashes_and_scopes_of_their_callers(tmp_path: Path) -> None:
    made = Secrets.open(tmp_path / "secrets.json")
    hashes = json.loads(made.token_hashes())
    flows = hashes[hashlib.sha256(made.token("flows").encode()).hexdigest()]
    assert flows == {"caller": "flows", "scopes": ["read", "trade", "risk"]}
    risk = hashes[hashlib.sha256(made.token("risk").encode()).hexdigest()]
    assert risk["scopes"] == ["read"]


def test_a_damaged_file_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    file.write_text("{")
    with pytest.raises(WrongConfiguration, match="is damaged"):
        Secrets.open(file)
    assert file.read_text() == "{"
