"""`trading` on the command line, where a test says under which circumstances."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from stack import environment


class Shell:
    """`trading` as a person calls it, in a folder and with variables of their own."""

    def __init__(
        self, data: Path, variables: dict[str, str], folder: Path | None = None
    ) -> None:
        self.data = data
        self._environment = environment() | variables
        self._folder = folder

    def __call__(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command and return what it said."""
        command = [sys.executable, "-m", "trading_system.cli", *words]
        return subprocess.run(
            [*command, "--data-dir", str(self.data)],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def json(self, *words: str) -> Any:
        """Return what a command says to programs."""
        done = self(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
