"""Bring a database to the schema that this code expects."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine, text

from trading_system.config.shipped import shipped
from trading_system.runtime import urls
from trading_system.runtime.faults import DatabaseTooNew


def upgrade(owner: str) -> None:
    """Apply the migrations that the database has not seen."""
    config = configuration(owner)
    refuse_newer(owner, config)
    command.upgrade(config, "head")
    grant(owner)


def grant(owner: str) -> None:
    """Give every role of a service that is there by now what it may do."""
    engine = create_engine(urls.with_driver(owner, "psycopg2"), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("select shared.grant_roles()"))


def configuration(owner: str) -> Config:
    """Return Alembic's configuration for a database of the owner."""
    config = Config(attributes={"url": urls.with_driver(owner, "psycopg2")})
    config.set_main_option("script_location", str(shipped("migrations")))
    return config


def refuse_newer(owner: str, config: Config) -> None:
    """Refuse a database whose revision this code does not know."""
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    if unknown := set(revisions(owner)) - known:
        raise DatabaseTooNew(
            f"The database {urls.database_of(owner)} is at revision {min(unknown)}, "
            "which is newer than this version of trading.",
            remedy="Install the newer version again, or use another database.",
        )


def heads() -> tuple[str, ...]:
    """Return the revisions that this code brings a database to: one."""
    script = ScriptDirectory(str(shipped("migrations")))
    return tuple(script.get_heads())


def revisions(owner: str) -> tuple[str, ...]:
    """Return the revisions that a database is at: one, or none before the first."""
    engine = create_engine(urls.with_driver(owner, "psycopg2"), poolclass=NullPool)
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_heads()
