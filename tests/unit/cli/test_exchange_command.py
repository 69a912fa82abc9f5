import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit


def test_the_exchange_alone_takes_its_own_options() -> None:
    command = [sys.executable, "-m", "trading_system.cli", "exchange"]

    helped = subprocess.run([*command, "--help"], capture_output=True, text=True)
    refused = subprocess.run([*command, "--seed", "x"], capture_output=True, text=True)

    assert helped.returncode == 0
    assert "--fill-model" in helped.stdout
    assert refused.returncode == 2
    assert "invalid int value" in refused.stderr
