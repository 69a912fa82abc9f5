"""How long a start takes, what the stack weighs, and what it costs at rest.

`python benchmarks/startup.py` starts the whole stack twice in a temporary data
directory, on ports of its own, trades the first hour of a session at speed 60, and then
watches it at speed 1 for the five minutes of the timetable in the session, and in the
evening. It takes a quarter of an hour. Memory is the proportional set size where the
system tells it (Linux), else the resident set.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, time
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.secrets import Secrets

Memory = dict[str, float]
"""Megabytes by process of the stack."""

NEW_YORK = ZoneInfo("America/New_York")
HOUR_TRADED, EVENING = time(10, 35), time(17)
SETTLED = 20.0
"""Seconds without a flow run after which a stack is at rest."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watch", type=float, default=300.0, help="seconds for CPU")
    parser.add_argument("--port-base", type=int, default=21500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trading-startup-") as directory:
        # Servers may run under another account, which must be able to enter.
        Path(directory).chmod(0o755)
        stack = Stack(directory, options.port_base)
        try:
            measure(stack, options.watch)
        finally:
            with suppress(subprocess.CalledProcessError):
                stack.stop()


def measure(stack: "Stack", seconds: float) -> None:
    """Start, stop, start again, trade an hour, rest; print each as it is known."""
    console = Console()
    times = Table("", "measured", "goal", title="Start, stop and cost")
    with peak_of(stack) as at_start:
        times.add_row("first start", f"{stack.start(speed=1):.1f} s", "60 s")
        stack.settle()
        first = stack.memory()
    times.add_row("stop", f"{stack.stop():.1f} s", "")
    with peak_of(stack) as trading:
        times.add_row("later start", f"{stack.start(speed=60):.1f} s", "20 s")
        stack.wait_until(HOUR_TRADED)
    orders = stack.orders()
    stack.stop()
    # Anew, because what nobody waits for is looked at less often at this speed.
    stack.start(speed=1)
    stack.settle()
    times.add_row("CPU in the session", f"{stack.cpu(seconds):.1f} %", "15 %")
    rest = stack.memory()
    stack.move_to(EVENING)
    stack.steer(run=1, skip_closed=False)
    stack.settle()
    times.add_row("CPU outside of it", f"{stack.cpu(seconds):.1f} %", "8 %")
    console.print(times)
    console.print(memory_table(first, rest, at_start, trading))
    console.print(f"Orders in the first hour: {orders}. CPU in percent of a core.")


def memory_table(first: Memory, rest: Memory, *peaks: Memory) -> Table:
    """Return megabytes by process, at rest and at each peak of the whole."""
    columns = ("at rest, new", "at rest", "peak of the start", "peak of the hour")
    table = Table("process", *columns, title="Memory in MB (goal: 1300, peak 1600)")
    every = (first, rest, *peaks)
    for name in sorted(rest, key=lambda each: -rest[each]):
        table.add_row(name, *(f"{sizes.get(name, 0):.0f}" for sizes in every))
    sums = (f"{sum(sizes.values()):.0f}" for sizes in every)
    table.add_row("all", *sums, style="bold")
    return table


class Stack:
    """One stack, started and stopped by the command line."""

    def __init__(self, directory: str, port_base: int) -> None:
        self.place = DataDirectory(Path(directory))
        self.port_base = port_base

    def start(self, speed: int) -> float:
        """Start it; return the seconds until everything is ready."""
        began = monotonic()
        ports = ("--port-base", str(self.port_base))
        self.trading("up", "--detach", *ports, "--speed", str(speed))
        return monotonic() - began

    def stop(self) -> float:
        """Stop it; return the seconds until nothing is left."""
        began = monotonic()
        self.trading("down")
        return monotonic() - began

    def orders(self) -> int:
        """Return how many orders there are."""
        return len(json.loads(self.trading("orders", "--json")))

    def trading(self, command: str, *options: str) -> str:
        """Run a command about the data directory; return what it printed."""
        words = [sys.executable, "-m", "trading_system.cli", command]
        words += ["--data-dir", str(self.place.root), *options]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout

    def wait_until(self, clock: time) -> None:
        """Wait until New York's clocks show a time of the market's day."""
        while self.market_time().time() < clock:
            sleep(0.5)

    def move_to(self, clock: time) -> None:
        """Let the market's day go by at once, until a time of it."""
        then = datetime.combine(self.market_time(), clock, NEW_YORK)
        self.steer(advance_to=then.isoformat())

    def market_time(self) -> datetime:
        """Return the exchange's time."""
        now = datetime.fromisoformat(self._clock("GET")["now"])
        return now.astimezone(NEW_YORK)

    def steer(self, **command: Any) -> None:
        """Move or run the exchange's clock."""
        self._clock("POST", command)

    def _clock(self, method: str, command: Any = None) -> Any:
        token = Secrets.open(self.place.secrets).exchange_control.get_secret_value()
        answer = httpx.request(
            method,
            f"http://127.0.0.1:{self.port_base + 8}/control/clock",
            json=command,
            headers={"Authorization": f"Bearer {token}"},
            timeout=120,
        )
        return answer.raise_for_status().json()

    def families(self) -> dict[str, list[psutil.Process]]:
        """Return the supervisor and its children by name, each with what it started."""
        try:
            run = json.loads(self.place.run.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        families = {}
        for each in (run["supervisor"], *run["children"]):
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(each["pid"])
                below = each["name"] != "supervisor"
                started = process.children(recursive=True) if below else []
                families[each["name"]] = [process, *started]
        return families

    def memory(self) -> Memory:
        """Return the megabytes of each process."""
        found = self.families().items()
        return {name: sum(map(weight, family)) for name, family in found}

    def settle(self) -> None:
        """Wait until no flow has run for a while."""
        quiet_since = monotonic()
        while monotonic() - quiet_since < SETTLED:
            if len(self.families()["flows"]) > 1:
                quiet_since = monotonic()
            sleep(1)

    def cpu(self, seconds: float) -> float:
        """Return the whole stack's share of a core, flow runs and all, in percent."""
        before = self._used()
        sleep(seconds)
        return 100 * (self._used() - before) / seconds

    def _used(self) -> float:
        families = self.families().values()
        return sum(seconds_of(each) for family in families for each in family)


@contextmanager
def peak_of(stack: Stack) -> Iterator[Memory]:
    """Fill in the memory at the moment when the stack was largest."""
    peak: Memory = {}
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(0.5):
            now = stack.memory()
            if sum(now.values()) > sum(peak.values()):
                peak.clear()
                peak.update(now)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def seconds_of(process: psutil.Process) -> float:
    """Return the CPU seconds of a process, and of those that it started and ended."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(
        times.user + times.system + times.children_user + times.children_system
    )


def weight(process: psutil.Process) -> float:
    """Return a process's memory in megabytes."""
    try:
        memory = process.memory_full_info()
    except psutil.NoSuchProcess:
        return 0.0
    return float(getattr(memory, "pss", memory.rss)) / 1e6


if __name__ == "__main__":
    main()
