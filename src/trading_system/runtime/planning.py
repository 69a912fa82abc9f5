"""Checks everything that can be checked before anything runs, and plans the stack."""

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from trading_system.config.settings import Settings
from trading_system.errors import Invalid
from trading_system.runtime import broker_account, ports, stamp, valkey
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.faults import WrongConfiguration
from trading_system.runtime.own_servers import prefect_database_url, prefect_of_the_user
from trading_system.runtime.plan import Plan, Simulation
from trading_system.runtime.ports import Ports
from trading_system.runtime.postgres import PostgresServer, server_account
from trading_system.runtime.provision import Databases
from trading_system.runtime.run_file import DEFAULT_SEED
from trading_system.runtime.secrets import Secrets
from trading_system.runtime.stamp import Stamp
from trading_system.runtime.valkey import ValkeyServer
from trading_system.vocabulary import TradingMode


@dataclass(frozen=True)
class Options:
    """What the command line adds to the settings."""

    port_base: int | None = None
    seed: int | None = None
    replay: Path | None = None
    start: str | None = None
    end: str | None = None


def make_plan(settings: Settings, options: Options, place: DataDirectory) -> Plan:
    """Return the stack as it shall run, or raise why it cannot."""
    require_open_gate(settings)
    simulated = settings.trading_mode is TradingMode.SIMULATED
    simulation = _simulation(options, place) if simulated else None
    wanted = Stamp(
        mode=settings.trading_mode,
        source=simulation.source if simulation else settings.alpaca_base_url,
        account_id=None if simulated else broker_account_of(settings),
    )
    stamped = stamp.stamp_directory(place.stamp, wanted)
    secrets = Secrets.open(place.secrets)
    planned = _ports(settings, options, simulated)
    return Plan(
        settings=settings,
        place=place,
        ports=planned,
        secrets=secrets,
        stamp=stamped,
        simulation=simulation,
        databases=_databases(settings, place, secrets, planned),
        valkey=_valkey(settings, place, secrets, planned),
        prefect_url=prefect_of_the_user(settings),
    )


def require_open_gate(settings: Settings) -> None:
    """Refuse to trade money: the gate that measures a paper record is not built yet."""
    if settings.trading_mode is TradingMode.LIVE:
        raise WrongConfiguration(
            "TRADING_MODE=live is not open in this version: the gate that measures a "
            "paper record before money is traded does not exist yet.",
            remedy="Use TRADING_MODE=paper with the keys of the paper account.",
        )


def _simulation(options: Options, place: DataDirectory) -> Simulation:
    if options.start and options.end and options.end < options.start:
        raise Invalid(
            f"--to {options.end} is before --from {options.start}.",
            remedy="Exchange them.",
        )
    if options.replay is not None and options.seed is not None:
        raise Invalid("--seed makes a market and --replay has one.", remedy="Drop one.")
    seed = options.seed
    if seed is None:
        # A market that was generated once goes on, whatever its seed was.
        found = stamp.read(place.stamp)
        kept = found.source.removeprefix("seed ") if found else ""
        seed = int(kept) if kept.isdigit() else DEFAULT_SEED
    if options.replay is not None and not options.replay.is_file():
        raise Invalid(
            f"There is no file {options.replay} to replay.",
            remedy="Name a Parquet or CSV file of bars.",
        )
    replay = options.replay.absolute() if options.replay else None
    return Simulation(seed, replay, options.start, options.end)


def broker_account_of(settings: Settings) -> str:
    """Return the number of the account that the keys open."""
    if not settings.has_alpaca_keys:
        raise WrongConfiguration(
            f"TRADING_MODE={settings.trading_mode} needs ALPACA_API_KEY and "
            "ALPACA_SECRET_KEY, and they are not set.",
            remedy="Write them into .env, or use TRADING_MODE=simulated.",
        )
    return broker_account.account_number(
        settings.alpaca_base_url,
        settings.alpaca_api_key.get_secret_value(),
        settings.alpaca_secret_key.get_secret_value(),
    )


def _ports(settings: Settings, options: Options, simulated: bool) -> Ports:
    planned = Ports.plan(options.port_base)
    own_prefect = urlsplit(settings.prefect_api_url).port
    if options.port_base is None and own_prefect is not None:
        planned = replace(planned, prefect=own_prefect)
    needed = {"dashboard": planned.gateway, **planned.services}
    if simulated:
        needed["exchange"] = planned.exchange
    if prefect_of_the_user(settings) is None:
        needed["Prefect server"] = planned.prefect
    ports.require_free(needed)
    return planned


def _databases(
    settings: Settings, place: DataDirectory, secrets: Secrets, planned: Ports
) -> Databases:
    server = None
    if not settings.postgres_url:
        server = PostgresServer(
            place.postgres,
            ports.server_port(place.ports, "postgres", planned.postgres),
            secrets.postgres.get_secret_value(),
            server_account(place.postgres),
        )
    databases = Databases(
        secrets,
        server,
        settings.postgres_url,
        prefect_database_url(),
        settings.database_roles == "on",
    )
    databases.require()
    return databases


def _valkey(
    settings: Settings, place: DataDirectory, secrets: Secrets, planned: Ports
) -> ValkeyServer | None:
    if settings.redis_url:
        valkey.require_server(settings.redis_url)
        return None
    return ValkeyServer(
        place.valkey,
        ports.server_port(place.ports, "valkey", planned.valkey),
        secrets.valkey.get_secret_value(),
        valkey.server_account(place.valkey),
    )
