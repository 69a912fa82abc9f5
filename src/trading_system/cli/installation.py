"""Which installation a command is about."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from trading_system import login
from trading_system.clients import Services
from trading_system.clock import utc_now
from trading_system.config.settings import Settings
from trading_system.runtime import callers, run_file
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.faults import NotRunning
from trading_system.runtime.run_file import Run
from trading_system.runtime.secrets import Secrets

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="Where the system keeps everything. Default: one per mode."
    ),
]


def settings(data_dir: Path | None, **given: Any) -> Settings:
    """Return the settings, with what the command line says on top."""
    values = {name: value for name, value in given.items() if value is not None}
    if data_dir is not None:
        values["trading_data_dir"] = data_dir.absolute()
    return Settings(**values)


def place(data_dir: Path | None) -> DataDirectory:
    """Return the data directory."""
    return DataDirectory(settings(data_dir).trading_data_dir.absolute())


def running(where: DataDirectory) -> Run:
    """Return the run of a data directory, or say that there is none."""
    run = run_file.read(where.run)
    if run is None or not run.is_alive():
        raise not_running(where)
    return run


def not_running(where: DataDirectory) -> NotRunning:
    """Return the fault of a data directory without a stack."""
    return NotRunning(
        f"Nothing runs in {where.root}.", remedy="`trading up` starts it."
    )


def sign_in_link(data_dir: Path | None) -> str:
    """Return a fresh sign-in link."""
    where = place(data_dir)
    run = running(where)
    secret = Secrets.open(where.secrets).session.get_secret_value()
    return login.link(run.urls["gateway"], secret, utc_now())


def prefect_sign_in(where: DataDirectory) -> dict[str, str]:
    """Return where Prefect's pages are, and what they ask for."""
    run = running(where)
    auth = Secrets.open(where.secrets).prefect_auth
    return {"url": run.urls["prefect"], "sign_in": auth}


def person() -> str:
    """Return who sits at the keyboard: the account of the operating system."""
    return getpass.getuser()


@contextmanager
def services(data_dir: Path | None) -> Iterator[Services]:
    """Ask the running services, in the name of the person who types."""
    found = settings(data_dir)
    where = DataDirectory(found.trading_data_dir.absolute())
    run = running(where)
    secrets = Secrets.open(where.secrets)
    asking = callers.settings_of(found, run, secrets, "cli")
    with Services(asking, acting_for=person()) as answering:
        yield answering
