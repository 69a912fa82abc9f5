"""Starts processes in order, keeps them running, and stops them in reverse.

A process is started when everything it comes after is ready; what does not depend on
each other starts at the same time. A process that ends by itself is started again, each
time after a longer pause.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from trading_system.runtime import console_log, ports, processes, run_file
from trading_system.runtime.component import Component, Step, Unit, in_thread
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.faults import (
    DependencyDown,
    ExitCode,
    Fault,
    WrongConfiguration,
)
from trading_system.runtime.last_words import reason
from trading_system.runtime.progress import Progress
from trading_system.runtime.run_file import Child, Run

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# A process that ran this long is healthy again: its next pause is the first one.
STEADY_AFTER = 60.0
# A start that takes longer is spoken of, and waited for.
SLOW = 60.0
LOGS_EVERY = 60.0

Background = Callable[[], Awaitable[None]]


@dataclass
class _Kept:
    """A component, and the process that it is at the moment."""

    component: Component
    process: asyncio.subprocess.Process | None = None
    created: float = 0.0
    restarts: int = 0
    keeper: "asyncio.Task[None] | None" = None


@dataclass
class Supervisor:
    """One run of a stack."""

    place: DataDirectory
    units: Sequence[Unit]
    progress: Progress
    run: Run
    background: Sequence[Background] = ()
    stop_patience: float = 10.0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._kept = {
            unit.name: _Kept(unit) for unit in self.units if isinstance(unit, Component)
        }
        self._ready = {unit.name: asyncio.Event() for unit in self.units}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start everything; return when all is ready, or when a stop was asked for.

        Raises the fault of the first unit that could not start.
        """
        self._write("starting")
        self._tasks = [
            asyncio.create_task(self._bring_up(unit), name=unit.name)
            for unit in self.units
        ]
        stop = asyncio.create_task(self.stopping.wait())
        waiting: set[asyncio.Task[Any]] = set(self._tasks)
        try:
            while waiting and not stop.done():
                done, waiting = await asyncio.wait(
                    waiting | {stop}, return_when=asyncio.FIRST_COMPLETED
                )
                waiting.discard(stop)
                for task in done:
                    task.result()
        finally:
            stop.cancel()
        if not self.stopping.is_set():
            self._write("running")
            for work in self.background:
                self._tasks.append(asyncio.create_task(self._keep_at(work)))

    async def wait(self) -> None:
        """Wait until somebody asks for the end; keep console logs small meanwhile."""
        logs_seen = time.monotonic()
        while not self.stopping.is_set():
            if self.place.stop_request.exists():
                self.stopping.set()
            if time.monotonic() - logs_seen > LOGS_EVERY:
                logs_seen = time.monotonic()
                for name in self._kept:
                    console_log.shorten(self.place.console(name))
            try:
                await asyncio.wait_for(self.stopping.wait(), 0.5)
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """End everything, what was started last first."""
        self.stopping.set()
        self._write("stopping")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for level in reversed(_levels(self.units)):
            await asyncio.gather(
                *(self._end(self._kept[name]) for name in level if name in self._kept)
            )
        # Nothing may stay, not even what a child started and forgot.
        await in_thread(lambda: run_file.end_orphans(self.run) >= 0)
        self._write("stopped")

    def kill(self) -> None:
        """End everything at once, without asking."""
        for kept in self._kept.values():
            if kept.process is not None and kept.process.returncode is None:
                kept.process.kill()

    async def _bring_up(self, unit: Unit) -> None:
        for name in unit.after:
            await self._ready[name].wait()
        began = time.monotonic()
        self.progress.starting(unit.name)
        if isinstance(unit, Step):
            await unit.run()
        else:
            kept = self._kept[unit.name]
            await self._start_first(kept)
            kept.keeper = asyncio.create_task(self._keep(kept))
            self._tasks.append(kept.keeper)
        self.progress.ready(unit.name, time.monotonic() - began)
        self._ready[unit.name].set()

    async def _start_first(self, kept: _Kept) -> None:
        for attempt in range(kept.component.attempts):
            if attempt:
                await asyncio.sleep(FIRST_PAUSE * 2 ** (attempt - 1))
            await self._launch(kept)
            if await self._becomes_ready(kept):
                return
            assert kept.process is not None
            if kept.process.returncode is None:
                break
        raise self._did_not_start(kept)

    async def _launch(self, kept: _Kept) -> None:
        component = kept.component
        if component.prepare is not None:
            await asyncio.get_running_loop().run_in_executor(None, component.prepare)
        with self.place.console(component.name).open("ab") as output:
            kept.process = await asyncio.create_subprocess_exec(
                component.command[0],
                *component.command[1:],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A place without a `.env` and without a project's settings.
                cwd=self.place.root,
                env={**component.environment, **run_file.marks(self.run.run_id)},
                **processes.own_group(),
                **component.account.process_arguments(),
            )
        kept.created = run_file.birth(kept.process.pid)
        self._write()

    async def _becomes_ready(self, kept: _Kept) -> bool:
        process = kept.process
        assert process is not None
        component, began, told = kept.component, time.monotonic(), False
        pause = 0.02
        while process.returncode is None:
            if await component.is_ready(process.pid, self.run.run_id):
                return True
            waited = time.monotonic() - began
            if waited > component.patience:
                break
            if waited > SLOW and not told:
                self.progress.note(f"{component.name} is slow; waiting for it")
                told = True
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, 0.25)
        return False

    async def _keep(self, kept: _Kept) -> None:
        """Start the process again whenever it ends."""
        name = kept.component.name
        pause = FIRST_PAUSE
        while True:
            assert kept.process is not None
            began = time.monotonic()
            code = await kept.process.wait()
            processes.end_group(kept.process.pid)
            if time.monotonic() - began > STEADY_AFTER:
                pause = FIRST_PAUSE
            self.progress.note(
                f"{name} ended ({processes.ending(code)}); "
                f"starting it again in {pause:g} s"
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            kept.restarts += 1
            began = time.monotonic()
            try:
                await self._launch(kept)
            except OSError as error:
                self.progress.note(f"{name} could not be started: {error}")
                continue
            if await self._becomes_ready(kept):
                self.progress.ready(name, time.monotonic() - began)

    async def _keep_at(self, work: Background) -> None:
        """Run a task of our own; when it fails, say so and begin it again."""
        pause = FIRST_PAUSE
        while True:
            try:
                await work()
                return
            except Exception as error:  # why: one task must not end the whole stack
                self.progress.note(f"{type(error).__name__}: {error}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _end(self, kept: _Kept) -> None:
        process = kept.process
        if process is None or process.returncode is not None:
            return
        processes.ask_to_end(process, kept.component.stop_signal)
        try:
            await asyncio.wait_for(process.wait(), self.stop_patience)
        except TimeoutError:
            self.progress.note(f"{kept.component.name} does not end; killing it")
            process.kill()
            await process.wait()
        processes.end_group(process.pid)

    def _write(self, state: str | None = None) -> None:
        children = tuple(
            Child(
                name=name,
                pid=kept.process.pid,
                created=kept.created,
                stop_signal=kept.component.stop_signal,
                url=kept.component.url,
                health=kept.component.health,
                restarts=kept.restarts,
            )
            for name, kept in self._kept.items()
            if kept.process is not None and kept.process.returncode is None
        )
        self.run = self.run.model_copy(
            update={"children": children, "state": state or self.run.state}
        )
        run_file.write(self.place.run, self.run)

    def _did_not_start(self, kept: _Kept) -> Fault:
        name, process = kept.component.name, kept.process
        assert process is not None
        log = self.place.console(name)
        port = urlsplit(kept.component.url or "").port
        if process.returncode is not None and port and not ports.is_free(port):
            return ports.in_use(name, port)
        if process.returncode is None:
            why = f"is not ready after {kept.component.patience:g} s"
        else:
            why = f"ended at once ({processes.ending(process.returncode)})"
        said, refused = reason(log.read_bytes())
        if refused:
            return WrongConfiguration(f"{said}.", remedy=f"{name} cannot start so.")
        # So the exchange ends when what it was given is wrong; a service that fails
        # while it starts ends with the same code.
        wrong = process.returncode == ExitCode.CONFIGURATION and name == "exchange"
        kind = WrongConfiguration if wrong else DependencyDown
        return kind(f"{name} {why}: {said}.", remedy=f"Read {log}.")


def new_run_id() -> str:
    """Return the mark of a new run."""
    return uuid.uuid4().hex


def _levels(units: Iterable[Unit]) -> list[list[str]]:
    """Return the units' names in groups, each of which only needs earlier ones."""
    after = {unit.name: set(unit.after) for unit in units}
    levels: list[list[str]] = []
    while after:
        done = {name for level in levels for name in level}
        level = [name for name, needs in after.items() if needs <= done]
        if not level:
            raise ValueError(f"These wait for each other: {', '.join(after)}.")
        levels.append(level)
        for name in level:
            del after[name]
    return levels
