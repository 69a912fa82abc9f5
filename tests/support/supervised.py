"""A supervisor of tiny processes, in the place of a whole stack."""

import os
import sys
import textwrap
from collections.abc import Sequence

from trading_system.runtime import run_file
from trading_system.runtime.component import Component, Unit
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.run_file import Child, Run
from trading_system.runtime.supervisor import Supervisor
from trading_system.vocabulary import TradingMode

SLEEPS = "import time; time.sleep(600)"
HAS_A_CHILD = textwrap.dedent(f"""
    import subprocess, sys
    subprocess.Popen([sys.executable, "-c", "{SLEEPS}"], start_new_session=True)
    {SLEEPS}
    """)


class FakeProgress:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.became_ready: list[str] = []
        self.notes: list[str] = []

    def starting(self, name: str) -> None: ...

    def ready(self, name: str, seconds: float) -> None:
        self.became_ready.append(name)

    def note(self, text: str) -> None:
        self.notes.append(text)


def stand_in(name: str, code: str = SLEEPS, after: Sequence[str] = ()) -> Component:
    return Component(name, (sys.executable, "-c", code), {}, after=after)


def supervisor_of(
    place: DataDirectory, units: Sequence[Unit], patience: float = 10.0
) -> tuple[Supervisor, FakeProgress]:
    progress = FakeProgress()
    me = Child(name="me", pid=os.getpid(), created=run_file.birth(os.getpid()))
    run = Run(
        run_id=os.urandom(8).hex(),
        state="starting",
        mode=TradingMode.SIMULATED,
        source="seed 1",
        speed="60",
        supervisor=me,
    )
    supervisor = Supervisor(place, units, progress, run, stop_patience=patience)
    return supervisor, progress
