from pathlib import Path

import pytest

from trading_system.config import shipped

pytestmark = pytest.mark.unit


def test_in_a_checkout_files_lie_at_its_top() -> None:
    assert shipped.shipped("config/strategies.yaml").is_file()
    assert shipped.shipped("migrations/env.py").is_file()


def test_in_a_wheel_they_lie_inside_the_kernel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shipped, "_CHECKOUT", tmp_path)
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "trading_system")

    place = shipped.shipped("migrations")

    assert place == tmp_path / "trading_system" / "_shipped" / "migrations"
