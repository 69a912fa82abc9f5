"""Bring a database to the schema that this code expects."""

from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, NullPool, create_engine

from trading_system.runtime.faults import DatabaseTooNew, PackageMissing


def upgrade(owner: URL) -> None:
    """Apply the migrations that the database has not seen."""
    config = configuration(owner)
    refuse_newer(owner, config)
    command.upgrade(config, "head")


def configuration(owner: URL) -> Config:
    """Return Alembic's configuration for a database of the owner."""
    config = Config(attributes={"url": owner})
    config.set_main_option("script_location", str(scripts()))
    url = owner.render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def scripts() -> Path:
    """Return the directory of the migrations, in a checkout or in an installed wheel."""
    package = Path(str(files("trading_system")))
    for place in (package.parents[1] / "migrations", package.parent / "migrations"):
        if (place / "env.py").exists():
            return place
    raise PackageMissing(
        "The migrations are not installed.", "Install the package again."
    )


def refuse_newer(owner: URL, config: Config) -> None:
    """Refuse a database whose revision this code does not know."""
    known = {
        script.revision
        for script in ScriptDirectory.from_config(config).walk_revisions()
    }
    engine = create_engine(owner, poolclass=NullPool)
    with engine.connect() as connection:
        found = set(MigrationContext.configure(connection).get_current_heads())
    if unknown := found - known:
        raise DatabaseTooNew(
            f"The database {owner.database} is at revision {min(unknown)}, which is "
            "newer than this version of trading.",
            "Install the newer version again, or use another database.",
        )
