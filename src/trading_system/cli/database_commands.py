"""Commands about the database of one's own server."""

from typing import Annotated

import typer

from trading_system.cli import installation
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer
from trading_system.cli.output import show_text
from trading_system.errors import Invalid
from trading_system.runtime import databases
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.faults import WrongConfiguration
from trading_system.runtime.provision import Databases
from trading_system.runtime.secrets import Secrets

database = Typer(help="The database on a server of your own.")


def add_to(app: Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(database, name="database", no_args_is_help=True)


@database.command("roles")
def roles(
    as_sql: Annotated[bool, typer.Option("--sql", help="Print the SQL.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Print what an administrator runs where POSTGRES_URL may not create roles.

    Example: `trading database roles --sql | psql -U postgres trading_system`.
    """
    if not as_sql:
        raise Invalid("Nothing else is known here.", remedy="Add --sql.")
    settings = installation.settings(data_dir)
    if not settings.postgres_url:
        raise WrongConfiguration(
            "POSTGRES_URL is not set, so the built-in server is used.",
            remedy="It makes its roles by itself.",
        )
    place = DataDirectory(settings.trading_data_dir.absolute())
    place.create()
    secrets = Secrets.open(place.secrets)
    passwords = Databases(secrets, None, settings.postgres_url).role_passwords()
    databases.require_server(settings.postgres_url)
    script = databases.roles_script(settings.postgres_url, passwords)
    show_text(script.rstrip(), sql=script)
