"""`run.json`: what runs, so that other commands find it and orphans can be ended."""

import signal
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from pydantic import BaseModel, ConfigDict

from trading_system.runtime.data_directory import write_whole
from trading_system.vocabulary import TradingMode

# Marks every process of a stack, also those that a child starts itself.
RUN_VARIABLE = "STACK_RUN_ID"

DEFAULT_SEED = 7
"""The seed of the exchange when nobody chooses one."""

RUN_HEADER = "X-Stack-Run"
"""Header of every answer of a stack's processes: whose they are."""


class Child(BaseModel):
    """A process: its id may be used again, but not with the same moment of birth."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    created: float
    stop_signal: int = signal.SIGTERM
    url: str | None = None
    health: str | None = None
    restarts: int = 0

    def process(self) -> psutil.Process | None:
        """Return the process if it still runs and is the one that was meant."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) > 0.01:
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None


class Run(BaseModel):
    """One run of the stack."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    state: str
    mode: TradingMode
    source: str
    speed: str | None
    fill_model: str | None = None
    supervisor: Child
    urls: dict[str, str] = {}
    children: tuple[Child, ...] = ()

    @property
    def seed(self) -> int:
        """The seed of the exchange's random draws; a replay has the usual one."""
        told = self.source.removeprefix("seed ")
        return int(told) if told.isdigit() else DEFAULT_SEED

    def is_alive(self) -> bool:
        """Return whether its supervisor runs."""
        return self.supervisor.process() is not None

    def port_of(self, name: str) -> int | None:
        """Return the port of a running process, or None when it is not ours."""
        urls = (child.url for child in self.children if child.name == name)
        url = next(urls, None)
        return None if url is None else urlsplit(url).port


def marks(run_id: str) -> dict[str, str]:
    """Return the variables by which a process, and what it answers, is known."""
    return {
        RUN_VARIABLE: run_id,
        # Read by uvicorn, which serves Prefect as well.
        "UVICORN_HEADERS": f"{RUN_HEADER}:{run_id}",
    }


def read(file: Path) -> Run | None:
    """Return the last run, or None when there was none."""
    try:
        return Run.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def write(file: Path, run: Run) -> None:
    """Store the run."""
    write_whole(file, run.model_dump_json(indent=2))


def end_orphans(run: Run, patience: float = 10.0) -> int:
    """End the processes that a killed supervisor left, and return how many there were.

    Last started, first ended. Processes that the children started are found by the
    mark in their environment.
    """
    ended = 0
    for child in reversed(run.children):
        if process := child.process():
            ended += _end(process, child.stop_signal, patience)
    for process in _marked(run.run_id):
        ended += _end(process, signal.SIGTERM, patience)
    return ended


def _marked(run_id: str) -> list[psutil.Process]:
    marked = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(RUN_VARIABLE) == run_id:
                marked.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
    me = psutil.Process().pid
    return [process for process in marked if process.pid != me]


def _end(process: psutil.Process, stop_signal: int, patience: float) -> bool:
    try:
        if not process.is_running():
            return False
        if sys.platform == "win32":
            process.terminate()
        else:
            process.send_signal(stop_signal)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            time.sleep(0.05)
        process.kill()
        process.wait(patience)
    except psutil.NoSuchProcess:
        pass
    return True


def birth(pid: int) -> float:
    """Return the moment at which a running process was created."""
    return psutil.Process(pid).create_time()
