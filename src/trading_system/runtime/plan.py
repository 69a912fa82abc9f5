"""Everything that runs, and what each thing comes after."""

import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trading_system.config.settings import Settings
from trading_system.runtime import broker_account, postgres, stamp
from trading_system.runtime.component import Component, Step, Unit, in_thread
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.environment import Environments, local
from trading_system.runtime.ports import Ports
from trading_system.runtime.postgres import PostgresServer, server_environment
from trading_system.runtime.prefect_server import PrefectServer
from trading_system.runtime.preparation import run_preparation
from trading_system.runtime.provision import Databases
from trading_system.runtime.secrets import Secrets
from trading_system.runtime.stamp import Stamp
from trading_system.runtime.valkey import ValkeyServer
from trading_system.vocabulary import ServiceName

UVICORN = (
    *("--factory", "--host", "127.0.0.1", "--no-access-log", "--no-use-colors"),
    *("--log-level", "warning", "--no-server-header"),
    *("--timeout-graceful-shutdown", "3"),
)


@dataclass(frozen=True)
class Simulation:
    """What the paper exchange trades: a generated market, or a file of bars."""

    seed: int
    replay: Path | None = None
    start: str | None = None
    end: str | None = None
    symbols: Sequence[str] = ()

    @property
    def source(self) -> str:
        """The source as an installation is stamped with it."""
        if self.replay is not None:
            return stamp.source_of_replay(self.replay)
        return stamp.source_of_seed(self.seed)


@dataclass(frozen=True)
class Plan:
    """One stack, as it shall run.

    `valkey` and `databases.server` are the built-in servers, absent when the user
    names others; so is `prefect_url` a server of the user's own.
    """

    settings: Settings
    place: DataDirectory
    ports: Ports
    secrets: Secrets
    stamp: Stamp
    simulation: Simulation | None
    databases: Databases
    valkey: ValkeyServer | None
    prefect_url: str | None = None

    @property
    def environments(self) -> Environments:
        """What each child is told."""
        return Environments(
            settings=self.settings,
            place=self.place,
            ports=self.ports,
            secrets=self.secrets,
            owner_url=self.databases.owner_url,
            redis_url=self.redis_url,
            prefect_database_url=self.databases.prefect_url,
            prefect_url=self.prefect_url or local(self.ports.prefect),
        )

    @property
    def redis_url(self) -> str:
        """The Valkey or Redis server."""
        return self.valkey.url() if self.valkey else self.settings.redis_url

    def words(self) -> str:
        """Return whose market is traded, and how fast, for the person who starts it."""
        speed = self.settings.simulation_speed
        if self.simulation is None:
            pace = "at speed 1"
        else:
            pace = "as fast as it can" if speed == "max" else f"at speed {speed}"
        return f"trading {pace}: {self.stamp.words()}"

    def units(self) -> list[Unit]:
        """Return every process and step, each with what it comes after."""
        units: list[Unit] = []
        server = self.databases.server
        if server is not None:
            units.append(_postgres(server))
        if self.valkey is not None:
            units.append(_valkey(self.valkey))
        units += [
            Step("databases", self._make_databases, after=_names(units)),
            Step("migrations", self._migrate, after=("databases",)),
        ]
        if self.prefect_url is None:
            units.append(self._prefect())
        ready = ["migrations"]
        if self.simulation is not None:
            units.append(self._exchange(self.simulation))
            ready.append("exchange")
        units.append(Step("account", self._bind_account, after=ready))
        units += [self._service(name) for name in ServiceName]
        services = [name.value for name in ServiceName]
        units.append(self._gateway(services))
        # Runs wait for services anyhow; its slow imports go on meanwhile.
        runs_prefect = [] if self.prefect_url else ["prefect"]
        units.append(self._flows(["account", *runs_prefect]))
        return units

    def _prefect(self) -> Component:
        url = local(self.ports.prefect)
        return _web(
            "prefect",
            "prefect.server.api.server:create_app",
            self.ports.prefect,
            self.environments.prefect(),
            health=f"{url}/api/health",
            after=("databases",),
        )

    def _exchange(self, simulation: Simulation) -> Component:
        url = self.environments.exchange_url
        command = [
            *(sys.executable, "-m", "paper_exchange"),
            *("--port", str(self.ports.exchange)),
            *("--data-dir", str(self.place.exchange)),
        ]
        if simulation.replay is not None:
            command += ["--replay", str(simulation.replay)]
        else:
            command += ["--seed", str(simulation.seed)]
        command += ["--fill-model", self.settings.simulation_fill_model]
        for option, value in (("--from", simulation.start), ("--to", simulation.end)):
            if value is not None:
                command += [option, value]
        return Component(
            "exchange",
            command,
            self.environments.exchange(),
            url=url,
            health=f"{url}/health",
        )

    def _service(self, name: ServiceName) -> Component:
        port = self.ports.services[name]
        return _web(
            name.value,
            f"trading_{name}.app:create",
            port,
            self.environments.service(name),
            options=("--ws", "none"),
            after=("account",),
        )

    def _gateway(self, services: Sequence[str]) -> Component:
        return _web(
            "gateway",
            "trading_web.app:create",
            self.ports.gateway,
            self.environments.gateway(),
            options=("--ws", "websockets-sansio"),
            after=services,
        )

    def _flows(self, after: Sequence[str]) -> Component:
        environments = self.environments
        prefect = PrefectServer(environments.prefect_url, self.secrets.prefect_auth)
        return Component(
            "flows",
            (sys.executable, "-m", "trading_flows.serve"),
            environments.flows(),
            after=after,
            ready=prefect.polled_by,
        )

    async def _make_databases(self) -> None:
        def make() -> bool:
            self.databases.make()
            return True

        await in_thread(make)

    async def _migrate(self) -> None:
        await run_preparation(self.environments.preparation(), self.stamp)

    async def _bind_account(self) -> None:
        """Stamp directory and database with the account that is traded."""

        def bind() -> bool:
            environment = self.environments
            keys = environment.broker_keys()
            account = broker_account.account_number(
                (
                    environment.exchange_url
                    if self.simulation
                    else self.settings.alpaca_base_url
                ),
                keys["ALPACA_API_KEY"],
                keys["ALPACA_SECRET_KEY"],
            )
            known = self.stamp.model_copy(update={"account_id": account})
            stamp.stamp_directory(self.place.stamp, known)
            stamp.stamp_database(self.databases.owner_url, known)
            salt = self.secrets.salt.get_secret_value()
            stamp.keep_salt(self.databases.owner_url, salt)
            return True

        await in_thread(bind)


def _postgres(server: PostgresServer) -> Component:
    async def ready(pid: int) -> bool:
        return server.is_ready(pid)

    return Component(
        "postgres",
        server.command(),
        server_environment(),
        ready=ready,
        url=f"postgresql://127.0.0.1:{server.port}",
        prepare=server.initialise,
        account=server.account,
        # PostgreSQL's fast shutdown.
        stop_signal=signal.SIGINT,
        attempts=postgres.ATTEMPTS,
    )


def _valkey(server: ValkeyServer) -> Component:
    async def ready(pid: int) -> bool:
        return await in_thread(server.is_ready)

    return Component(
        "valkey",
        server.command(),
        server_environment(),
        ready=ready,
        url=f"redis://127.0.0.1:{server.port}",
        prepare=server.initialise,
        account=server.account,
    )


def _web(
    name: str,
    app: str,
    port: int,
    environment: dict[str, str],
    *,
    health: str | None = None,
    options: Sequence[str] = (),
    after: Sequence[str] = (),
) -> Component:
    url = local(port)
    return Component(
        name,
        (
            *(sys.executable, "-m", "uvicorn", app, *UVICORN),
            *("--port", str(port), *options),
        ),
        environment,
        after=after,
        url=url,
        health=health or f"{url}/health/ready",
    )


def _names(units: Sequence[Unit]) -> list[str]:
    return [unit.name for unit in units]
