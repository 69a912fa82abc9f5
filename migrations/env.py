"""Alembic's environment: the one file that imports the models of every service."""

from importlib import import_module
from importlib.util import find_spec

from alembic import context
from sqlalchemy import NullPool, create_engine, text

from trading_system.models import LOGGING, SHARED, Base
from trading_system.vocabulary import ServiceName

SCHEMAS = {
    SHARED,
    LOGGING,
    "data_ingestion",
    "strategy_engine",
    "execution",
    "risk_management",
    "analytics",
    "notification",
}

for service in ServiceName:
    if find_spec(f"trading_{service}") and find_spec(f"trading_{service}.models"):
        import_module(f"trading_{service}.models")


def include_name(name, type_, parent_names) -> bool:
    """Look at our own schemas only, and not at the partitions of a table."""
    if type_ == "schema":
        return name in SCHEMAS
    if type_ == "table":
        return not name.startswith("system_logs_")
    return True


def include_object(entity, name, type_, reflected, compare_to) -> bool:
    """Leave views out of what models are compared with."""
    return not (hasattr(entity, "info") and entity.info.get("is_view"))


def run() -> None:
    """Migrate the database that the caller, or `-x url=`, names."""
    given = context.config.attributes.get("url")
    url = given or context.get_x_argument(as_dictionary=True)["url"]
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        # Two stacks that start at once must not migrate the same database together.
        connection.execute(text("select pg_advisory_lock(727000)"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_schemas=True,
            include_name=include_name,
            include_object=include_object,
            compare_type=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
