"""Starts one stack, keeps it running until somebody asks for its end, and stops it."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from filelock import FileLock, Timeout

from trading_system import login
from trading_system.clock import utc_now
from trading_system.config.settings import Settings
from trading_system.runtime import callers, run_file
from trading_system.runtime.conductor import conduct
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.environment import local
from trading_system.runtime.faults import AlreadyRunning
from trading_system.runtime.plan import Plan
from trading_system.runtime.planning import Options, make_plan
from trading_system.runtime.progress import Progress
from trading_system.runtime.run_file import Child, Run
from trading_system.runtime.stage import Stage
from trading_system.runtime.supervisor import Background, Supervisor, new_run_id


async def run(
    settings: Settings,
    options: Options,
    progress: Progress,
    announce: Callable[[str], None],
) -> None:
    """Run the stack until it is told to end; `announce` gets the sign-in link."""
    place = DataDirectory(settings.trading_data_dir.absolute())
    place.create()
    with _alone_in(place):
        _clear_away(place, progress)
        plan = make_plan(settings, options, place)
        progress.note(plan.words())
        run = new_run(plan)
        supervisor = Supervisor(
            place, plan.units(), progress, run, _background(plan, run, progress)
        )
        with _stop_on_signals(supervisor):
            try:
                await supervisor.start()
                if not supervisor.stopping.is_set():
                    announce(_link(plan))
                    await supervisor.wait()
            finally:
                progress.note("stopping")
                await supervisor.stop()


@contextmanager
def _alone_in(place: DataDirectory) -> Iterator[None]:
    lock = FileLock(place.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise AlreadyRunning(
            f"A stack already runs in {place.root}.",
            remedy="`trading status` shows it, `trading down` stops it.",
        ) from None
    try:
        yield
    finally:
        lock.release()


def _clear_away(place: DataDirectory, progress: Progress) -> None:
    """End what a killed supervisor left behind."""
    place.stop_request.unlink(missing_ok=True)
    last = run_file.read(place.run)
    if last is not None and last.state != "stopped":
        if ended := run_file.end_orphans(last):
            progress.note(f"ended {ended} processes that a previous run left behind")


def new_run(plan: Plan) -> Run:
    """Return what is written down of a stack that begins to run."""
    addresses = {
        "gateway": local(plan.ports.gateway),
        "prefect": plan.environments.prefect_url,
        **plan.environments.service_urls,
    }
    if plan.simulation is not None:
        addresses["exchange"] = plan.environments.exchange_url
    pid = os.getpid()
    return Run(
        run_id=new_run_id(),
        state="starting",
        mode=plan.settings.trading_mode,
        source=plan.stamp.source,
        speed=plan.settings.simulation_speed if plan.simulation else None,
        fill_model=plan.settings.simulation_fill_model if plan.simulation else None,
        supervisor=Child(name="supervisor", pid=pid, created=run_file.birth(pid)),
        urls=addresses,
    )


def _link(plan: Plan) -> str:
    secret = plan.secrets.session.get_secret_value()
    return login.link(local(plan.ports.gateway), secret, utc_now())


def _background(plan: Plan, run: Run, progress: Progress) -> list[Background]:
    """Return the tasks that run inside the supervisor while the stack is up."""
    if plan.simulation is None:
        return []
    stage = Stage(
        settings=callers.settings_of(plan.settings, run, plan.secrets, "conductor"),
        prefect_auth=plan.secrets.prefect_auth,
        until=plan.simulation.end,
        note=progress.note,
    )
    return [lambda: conduct(stage)]


@contextmanager
def _stop_on_signals(supervisor: Supervisor) -> Iterator[None]:
    """Stop on Ctrl-C, on `kill` and when the terminal goes; at once the second time."""
    loop = asyncio.get_running_loop()

    def ask(signum: int, frame: FrameType | None) -> None:
        if supervisor.stopping.is_set() and signum == signal.SIGINT:
            supervisor.kill()
        loop.call_soon_threadsafe(supervisor.stopping.set)

    names = ["SIGINT", "SIGTERM"]
    names += ["SIGBREAK"] if sys.platform == "win32" else ["SIGHUP"]
    before = {
        number: signal.signal(number, ask)
        for number in (getattr(signal, name) for name in names)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
