"""The command that copies the database to a file."""

from typing import Annotated
from urllib.parse import urlsplit

import typer

from trading_system.cli import installation
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer
from trading_system.cli.output import show_rows
from trading_system.clock import utc_now
from trading_system.runtime import urls
from trading_system.runtime.backup import back_up
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.databases import OWNER
from trading_system.runtime.provision import DATABASE
from trading_system.runtime.secrets import Secrets


def add_to(app: Typer) -> None:
    """Add the command of this module."""
    app.command()(backup)


def backup(
    reason: Annotated[
        str, typer.Option(help="Why; it goes to the audit log.")
    ] = "from the command line",
    data_dir: DataDir = None,
) -> None:
    """Copy the database of the running system to a file in its data directory.

    Example: `trading backup --reason "before the upgrade"`.
    """
    settings = installation.settings(data_dir)
    where = DataDirectory(settings.trading_data_dir.absolute())
    run = installation.running(where)
    url = settings.postgres_url
    if not url:
        password = Secrets.open(where.secrets).role_password(OWNER)
        port = urlsplit(run.urls["postgres"]).port
        assert port is not None
        url = urls.postgres(OWNER, password, port, DATABASE)
    made = back_up(url, where.backups, utc_now(), installation.person(), reason)
    show_rows(
        [{"file": str(made.file), "bytes": made.bytes, "tables": made.tables}],
    )
