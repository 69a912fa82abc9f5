"""How long a start takes, what the stack weighs, and what it costs at rest.

`python benchmarks/startup.py [--rest SECONDS]` starts the whole stack twice in a
temporary data directory, on ports of its own, and prints a table. Memory is the
proportional set size where the system tells it (Linux), else the resident set.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

PORT_BASE = 21500


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rest", type=float, default=30.0, help="seconds to watch")
    parser.add_argument("--speed", default="1", help="market seconds per second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trading-startup-") as place:
        # Servers may run under another account, which must be able to enter.
        Path(place).chmod(0o755)
        first = start(place, options.speed)
        stopped = stop(place)
        later = start(place, options.speed)
        memory, cpu = watch(place, options.rest)
        stop(place)
    times = Table("start", "seconds", title="Start and stop")
    times.add_row("first start", f"{first:.1f}")
    times.add_row("later start", f"{later:.1f}")
    times.add_row("stop", f"{stopped:.1f}")
    parts = Table("process", "MB", title="Memory at rest")
    for name, size in sorted(memory.items(), key=lambda each: -each[1]):
        parts.add_row(name, f"{size:.0f}")
    parts.add_row("all", f"{sum(memory.values()):.0f}", style="bold")
    console = Console()
    console.print(times, parts)
    console.print(f"CPU at speed {options.speed}: {cpu:.1f} % of a core")


def start(place: str, speed: str) -> float:
    """Start the stack; return the seconds until everything is ready."""
    began = time.monotonic()
    trading("up", place, "--detach", "--port-base", str(PORT_BASE), "--speed", speed)
    return time.monotonic() - began


def stop(place: str) -> float:
    """Stop the stack; return the seconds until nothing is left."""
    began = time.monotonic()
    trading("down", place)
    return time.monotonic() - began


def trading(command: str, place: str, *options: str) -> None:
    """Run a command about the data directory."""
    words = [sys.executable, "-m", "trading_system.cli", command]
    subprocess.run([*words, "--data-dir", place, *options], check=True)


def watch(place: str, seconds: float) -> tuple[dict[str, float], float]:
    """Return megabytes by process, and the whole stack's share of a core."""
    families = {name: tree(pid) for name, pid in running(place).items()}
    before = {each: used(each) for family in families.values() for each in family}
    time.sleep(seconds)
    cpu = sum(used(each) - earlier for each, earlier in before.items())
    memory = {name: sum(map(weight, family)) for name, family in families.items()}
    return memory, 100 * cpu / seconds


def running(place: str) -> dict[str, int]:
    """Return the supervisor and its children, by name."""
    run = json.loads(Path(place, "run.json").read_text(encoding="utf-8"))
    return {each["name"]: each["pid"] for each in [run["supervisor"], *run["children"]]}


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and what it started; the supervisor's children stand alone."""
    process = psutil.Process(pid)
    is_supervisor = "trading_system.cli" in process.cmdline()
    return [process, *([] if is_supervisor else process.children(recursive=True))]


def used(process: psutil.Process) -> float:
    """Return the CPU seconds that a process has used."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def weight(process: psutil.Process) -> float:
    """Return a process's memory in megabytes."""
    try:
        memory = process.memory_full_info()
    except psutil.NoSuchProcess:
        return 0.0
    return float(getattr(memory, "pss", memory.rss)) / 1e6


if __name__ == "__main__":
    main()
