"""A rehearsal: the six services in one process, through market time without waiting.

The same apps, operations, handlers and workers as in a running stack, on a PostgreSQL
and a paper exchange of their own. Nothing runs by itself: after each step of the market
every service does what there is to do, in turn, until none has anything left. Prefect,
the gateway and mail are left out; what lockstep does at a bar's end and at a close is
done here too.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from trading_system import parity
from trading_system.clients import Services
from trading_system.config.settings import Settings
from trading_system.errors import TradingError
from trading_system.parity import Rerun, Told
from trading_system.runtime import callers
from trading_system.runtime.conductor import Conductor, Exchange
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.faults import PortInUse
from trading_system.runtime.plan import Plan
from trading_system.runtime.planning import Options, make_plan
from trading_system.runtime.ports import free_port
from trading_system.runtime.progress import Progress
from trading_system.runtime.run_file import Run
from trading_system.runtime.stack import new_run
from trading_system.runtime.stage import Stage
from trading_system.runtime.supervisor import Supervisor
from trading_system.service import Process
from trading_system.vocabulary import ServiceName

LEFT_OUT = {*map(str, ServiceName), "prefect", "gateway", "flows"}
"""What a stack runs as processes and a rehearsal does not."""

TURNS = 10_000
"""Rounds after which services that find ever more to do are given up."""


@dataclass(frozen=True)
class Rehearsed:
    """What the services say of their trading, and the engine's backtest of it."""

    told: Told
    again: Rerun


async def rehearse(
    settings: Settings, options: Options, place: DataDirectory, progress: Progress
) -> Rehearsed:
    """Trade the days of a market in a fresh data directory, and again in a backtest."""
    settings = settings.model_copy(update={"simulation_speed": "max"})
    place.create()
    plan = _plan(settings, options, place)
    run = new_run(plan)
    units = [unit for unit in plan.units() if unit.name not in LEFT_OUT]
    supervisor = Supervisor(place, units, progress, run, [])
    try:
        await supervisor.start()
        return await _trade(plan, run, progress)
    finally:
        await supervisor.stop()


def _plan(settings: Settings, options: Options, place: DataDirectory) -> Plan:
    if options.port_base is not None:
        return make_plan(settings, options, place)
    for _ in range(100):
        try:
            return make_plan(settings, replace(options, port_base=free_port()), place)
        except PortInUse:
            continue
    raise PortInUse("No eleven ports in a row are free.")


async def _trade(plan: Plan, run: Run, progress: Progress) -> Rehearsed:
    told_as = callers.settings_of(plan.settings, run, plan.secrets, "conductor")
    until = plan.simulation.end if plan.simulation else None
    stage = Stage(told_as, plan.secrets.prefect_auth, until, progress.note)
    control = told_as.exchange_control_token.get_secret_value()
    exchange = Exchange(told_as.exchange_control_url, control)
    apps = {name: _app(plan, name) for name in ServiceName}
    with start_blocking_portal() as portal:
        transports: dict[str, httpx.BaseTransport] = {
            name: InProcess(app, portal) for name, app in apps.items()
        }
        with Services(
            told_as, acting_for="conductor", timeout=600, transports=transports
        ) as services:
            processes = [app.state.process for app in apps.values()]
            for process in processes:
                await asyncio.to_thread(process.take_part, processes)
            try:
                await Rehearsal(stage, exchange, services, processes).run_in_lockstep()
                return await asyncio.to_thread(_compare, plan, run, services)
            finally:
                await exchange.close()
                for process in processes:
                    await asyncio.to_thread(process.end_part)


def _compare(plan: Plan, run: Run, services: Services) -> Rehearsed:
    told = parity.told(services)
    model = plan.settings.simulation_fill_model
    setup = parity.setup_of(services, told, model, run.seed)
    return Rehearsed(told, parity.rerun(services, plan.settings, told, setup))


class Rehearsal(Conductor):
    """Runs market time; at rest is when nobody has anything left to do."""

    def __init__(
        self,
        stage: Stage,
        exchange: Exchange,
        services: Services,
        processes: Sequence[Process],
    ) -> None:
        super().__init__(stage, exchange, services)
        self._processes = processes

    async def _at_rest(self) -> None:
        await asyncio.to_thread(self._take_turns)

    def _take_turns(self) -> None:
        for _ in range(TURNS):
            if not [each for each in self._processes if each.take_turn()]:
                return
        raise TradingError(f"The services found no rest in {TURNS} rounds.")

    async def _close_session(self) -> None:
        services = self.services
        for step in (
            services.execution.update_positions,
            services.execution.reconcile,
            services.analytics.analyze_trades,
            services.analytics.calculate_performance,
            lambda: services.analytics.generate_report("daily"),
        ):
            await self._retried(step)
        await self._at_rest()


class InProcess(httpx.BaseTransport):
    """Sends the requests of a blocking client to an app of this process."""

    def __init__(self, app: Any, portal: BlockingPortal) -> None:
        self._app = httpx.ASGITransport(app)
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the app's answer, read to its end."""
        return self._portal.call(self._answer, request)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        response = await self._app.handle_async_request(request)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            content=await response.aread(),
        )


class Silence:
    """A trade stream that tells nothing: the broker's record is asked instead."""

    connected = True

    def start(
        self, on_update: Callable[[Any], None], on_connect: Callable[[], None]
    ) -> None:
        """Hear nothing."""

    def stop(self) -> None:
        """End hearing nothing."""

    def suspect(self) -> None:
        """Know that nothing was missed that the record does not have."""


def _app(plan: Plan, name: ServiceName) -> Any:
    """Return a service's app, which reads the settings that its process would."""
    module = import_module(f"trading_{name}.app")
    more = {"stream": Silence()} if name is ServiceName.EXECUTION else {}
    with _environment(plan.environments.service(name)):
        return module.create(**more)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
