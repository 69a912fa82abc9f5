"""The supervisor, with tiny processes in the place of real ones."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import supervised
from supervised import HAS_A_CHILD, SLEEPS, stand_in, supervisor_of

from trading_system.runtime import run_file, stopping
from trading_system.runtime.component import Component, Step, Unit
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.faults import DependencyDown
from trading_system.runtime.run_file import Child, Run
from trading_system.vocabulary import TradingMode

pytestmark = pytest.mark.integration

IGNORES_SIGTERM = f"import signal; signal.signal(15, signal.SIG_IGN); {SLEEPS}"


@pytest.fixture
def place(tmp_path: Path) -> DataDirectory:
    directory = DataDirectory(tmp_path / "data")
    directory.create()
    return directory


async def eventually(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not check():
            await asyncio.sleep(0.02)


def processes(place: DataDirectory) -> dict[str, psutil.Process]:
    run = run_file.read(place.run)
    assert run is not None
    found = {child.name: child.process() for child in run.children}
    return {name: process for name, process in found.items() if process is not None}


def lives(process: psutil.Process) -> bool:
    """A zombie waits for a parent to ask after it, and does nothing any more."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_each_starts_when_what_it_comes_after_is_ready(
    place: DataDirectory,
) -> None:
    seen: list[set[str]] = []

    async def look() -> None:
        seen.append(set(processes(place)))

    units: list[Unit] = [
        stand_in("last", after=("step",)),
        Step("step", look, after=("first", "second")),
        stand_in("second"),
        stand_in("first"),
    ]
    supervisor, progress = supervisor_of(place, units)
    await supervisor.start()
    try:
        assert seen == [{"first", "second"}]
        assert progress.became_ready[-2:] == ["step", "last"]
        assert set(processes(place)) == {"first", "second", "last"}
    finally:
        await supervisor.stop()


async def test_a_killed_process_is_started_again(place: DataDirectory) -> None:
    supervisor, progress = supervisor_of(place, [stand_in("service")])
    await supervisor.start()
    try:
        before = processes(place)["service"]
        before.kill()
        await eventually(lambda: processes(place).get("service", before) != before)
        run = run_file.read(place.run)
        assert run is not None and run.children[0].restarts == 1
        assert "service ended (signal 9)" in progress.notes[0]
    finally:
        await supervisor.stop()


async def test_the_pause_before_a_start_grows(place: DataDirectory) -> None:
    supervisor, progress = supervisor_of(place, [stand_in("weak")])
    await supervisor.start()
    try:
        for count in (1, 2):
            processes(place)["weak"].kill()
            await eventually(lambda: len(progress.notes) == count)
            await eventually(lambda: "weak" in processes(place))
        first, second = (note.rsplit("in ", 1)[1] for note in progress.notes)
        assert (first, second) == ("0.5 s", "1 s")
    finally:
        await supervisor.stop()


async def test_a_stop_leaves_no_process(place: DataDirectory) -> None:
    units = [
        stand_in("stubborn", IGNORES_SIGTERM),
        stand_in("parent", HAS_A_CHILD, after=("stubborn",)),
    ]
    supervisor, progress = supervisor_of(place, units, patience=0.5)
    await supervisor.start()
    alive = list(processes(place).values())
    await eventually(lambda: bool(alive[1].children()))
    alive += alive[1].children()
    # Python needs a moment before it ignores the signal.
    await asyncio.sleep(0.5)
    await supervisor.stop()
    assert not list(filter(lives, alive))
    assert "stubborn does not end; killing it" in progress.notes
    run = run_file.read(place.run)
    assert run is not None and (run.state, run.children) == ("stopped", ())


async def test_a_process_that_cannot_start_ends_the_start(
    place: DataDirectory,
) -> None:
    async def not_yet(pid: int) -> bool:
        return False

    command = (sys.executable, "-c", "raise SystemExit('no such market')")
    units = [
        stand_in("good"),
        Component("bad", command, {}, after=("good",), ready=not_yet),
        stand_in("never", after=("bad",)),
    ]
    supervisor, progress = supervisor_of(place, units)
    with pytest.raises(DependencyDown, match="bad ended at once .*no such market"):
        await supervisor.start()
    good = processes(place)["good"]
    await supervisor.stop()
    assert not lives(good)
    assert "never" not in progress.became_ready


async def test_what_may_be_tried_again_is(place: DataDirectory, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    second_time_lucky = textwrap.dedent(f"""
        import pathlib
        mark = pathlib.Path({str(mark)!r})
        if not mark.exists():
            mark.touch()
            raise SystemExit("still in use")
        (mark.parent / "up").touch()
        {SLEEPS}
        """)

    async def is_up(pid: int) -> bool:
        return (tmp_path / "up").exists()

    command = (sys.executable, "-c", second_time_lucky)
    unit = Component("database", command, {}, ready=is_up, attempts=2)
    supervisor, progress = supervisor_of(place, [unit])
    await supervisor.start()
    await supervisor.stop()
    assert progress.became_ready == ["database"]


async def test_a_background_task_that_fails_begins_again(place: DataDirectory) -> None:
    begun: list[int] = []

    async def work() -> None:
        begun.append(1)
        if len(begun) == 1:
            raise ConnectionError("exchange gone")

    supervisor, progress = supervisor_of(place, [stand_in("service")])
    supervisor.background = [work]
    await supervisor.start()
    try:
        await eventually(lambda: len(begun) == 2)
        assert progress.notes == ["ConnectionError: exchange gone"]
    finally:
        await supervisor.stop()


async def test_a_file_asks_the_supervisor_to_end(place: DataDirectory) -> None:
    supervisor, _ = supervisor_of(place, [stand_in("service")])
    await supervisor.start()
    place.stop_request.touch()
    try:
        async with asyncio.timeout(30):
            await supervisor.wait()
        assert supervisor.stopping.is_set()
    finally:
        await supervisor.stop()


def test_what_a_killed_supervisor_left_is_ended(place: DataDirectory) -> None:
    script = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        import supervised as t
        place = t.DataDirectory(Path(sys.argv[1]))
        units = [t.stand_in("one"), t.stand_in("two", t.HAS_A_CHILD)]
        supervisor, _ = t.supervisor_of(place, units)
        async def main():
            await supervisor.start()
            await asyncio.sleep(600)
        asyncio.run(main())
        """)
    support = str(Path(supervised.__file__).parent)
    supervisor = subprocess.Popen(
        [sys.executable, "-c", script, str(place.root), support]
    )
    deadline = time.monotonic() + 60
    children: list[psutil.Process] = []
    while len(children) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
        if place.run.exists():
            children = psutil.Process(supervisor.pid).children(recursive=True)
    assert len(children) == 3
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    assert all(child.is_running() for child in children)
    assert stopping.stop(place)
    assert not list(filter(lives, children))
    assert not stopping.stop(place)


def test_a_process_that_got_the_same_id_later_is_left_alone(
    place: DataDirectory,
) -> None:
    with subprocess.Popen([sys.executable, "-c", SLEEPS]) as stranger:
        created = run_file.birth(stranger.pid)
        me = Child(name="old", pid=stranger.pid, created=created - 100)
        run = Run(
            run_id="an older run",
            state="running",
            mode=TradingMode.SIMULATED,
            source="seed 1",
            speed="60",
            supervisor=me,
            children=(me,),
        )
        run_file.write(place.run, run)
        assert not stopping.stop(place)
        assert stranger.poll() is None
        stranger.kill()
