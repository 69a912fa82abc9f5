"""The database is what design and models say, and roles may do no more."""

from collections.abc import Callable, Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from trading_system.models import Base
from trading_system.vocabulary import ServiceName

pytestmark = pytest.mark.integration

# As the design document writes them.
DESIGN = """
data_ingestion.market_data (symbol, timestamp, open, high, low, close, volume)
data_ingestion.data_quality_logs (symbol, check_type, status, message)
execution.orders (order_id, symbol, side, quantity, price, status, timestamp)
execution.trades (trade_id, order_id, symbol, quantity, price, timestamp)
execution.positions (symbol, quantity, avg_price, unrealized_pnl)
strategy_engine.strategies (strategy_id, name, parameters, status, created_at)
strategy_engine.strategy_signals (signal_id, strategy_id, symbol, signal, timestamp)
strategy_engine.strategy_performance (strategy_id, date, returns, sharpe_ratio)
risk_management.risk_limits (account_id, limit_type, limit_value)
risk_management.risk_events (event_id, type, severity, message, timestamp)
analytics.portfolio_summary (account_id, symbol, total_value, pnl)
analytics.performance_metrics (strategy, date, returns, sharpe_ratio)
logging.system_logs (log_id, service, level, message, timestamp)
logging.performance_logs (service, operation, execution_time_ms)
shared.audit_log (user_id, table_name, operation, old_values, new_values)
shared.system_config (config_key, config_value, description)
"""

SCHEMAS = {
    "data_ingestion",
    "strategy_engine",
    "execution",
    "risk_management",
    "analytics",
    "notification",
    "logging",
    "shared",
}


@pytest.fixture
def owner(database_url: str) -> Iterator[Connection]:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_every_table_of_the_design_document_is_there_with_its_columns(
    owner: Connection,
) -> None:
    columns = {
        (schema, table, column)
        for schema, table, column in owner.execute(
            text(
                "select table_schema, table_name, column_name"
                " from information_schema.columns"
            )
        )
    }
    missing = []
    for line in DESIGN.strip().splitlines():
        name, _, listed = line.rstrip(")").partition(" (")
        schema, _, table = name.partition(".")
        missing += [
            f"{name}.{column}"
            for column in listed.split(", ")
            if (schema, table, column) not in columns
        ]
    assert not missing


def test_the_eight_schemas_are_there(owner: Connection) -> None:
    found = set(owner.execute(text("select nspname from pg_namespace")).scalars())
    assert SCHEMAS <= found


def test_the_migrations_make_what_the_models_say(owner: Connection) -> None:
    for service in ServiceName:
        __import__(f"trading_{service}.models")
    context = MigrationContext.configure(
        owner,
        opts={
            "include_schemas": True,
            "include_name": lambda name, kind, parents: (
                name in SCHEMAS
                if kind == "schema"
                else not (kind == "table" and str(name).startswith("system_logs_"))
            ),
            "compare_type": True,
        },
    )
    assert compare_metadata(context, Base.metadata) == []


def test_logs_are_partitioned_by_month_and_lose_nothing_outside_them(
    owner: Connection,
) -> None:
    for moment in ("2001-01-01", "now"):
        owner.execute(
            text(
                "insert into logging.system_logs (service, level, message, timestamp)"
                " values ('test', 'INFO', 'x', cast(:at as timestamptz))"
            ),
            {"at": moment},
        )
    homes = set(
        owner.execute(
            text("select distinct tableoid::regclass::text from logging.system_logs")
        ).scalars()
    )
    assert "logging.system_logs_default" in homes
    assert len(homes) == 2
    owner.rollback()


# What a service must not be able to do, whoever wrote its code.
FORBIDDEN = [
    ("strategy", "insert into execution.orders default values"),
    ("strategy", "select * from risk_management.risk_limits"),
    ("strategy", "insert into shared.events (seq) values (1)"),
    ("strategy", "update shared.consumers set last_seq = 0 where consumer = 'risk'"),
    ("strategy", "create table strategy_engine.mine (x int)"),
    ("strategy", "create table public.mine (x int)"),
    ("ingestion", "select * from execution.orders"),
    ("execution", "update risk_management.trading_state set state = 'ACTIVE'"),
    ("execution", "select * from risk_management.risk_limits"),
    ("execution", "delete from execution.ledger"),
    ("execution", "update execution.trades set price = 1"),
    ("execution", "truncate execution.ledger"),
    ("risk", "update execution.positions set quantity = 0"),
    ("risk", "delete from shared.audit_log"),
    ("risk", "update shared.audit_log set user_id = 'x'"),
    ("analytics", "insert into execution.trades default values"),
    ("notification", "update shared.system_config set config_value = '1'"),
    ("notification", "select * from execution.ledger"),
]


@pytest.mark.parametrize(("service", "statement"), FORBIDDEN)
def test_a_service_cannot_reach_beyond_its_contract(
    owner: Connection,
    service_database_url: Callable[[str], str],
    service: str,
    statement: str,
) -> None:
    owner.execute(
        text(
            "insert into shared.consumers (consumer) values ('risk')"
            " on conflict do nothing"
        )
    )
    owner.commit()
    engine = create_engine(service_database_url(service), poolclass=NullPool)
    with engine.connect() as connection:
        with pytest.raises(
            DBAPIError,
            match="permission denied|append-only|row-level security|must be owner",
        ):
            connection.execute(text(statement))
    engine.dispose()


def test_no_role_of_a_service_is_powerful(owner: Connection) -> None:
    powerful = owner.execute(
        text(
            "select rolname from pg_roles where rolname like 'trading\\_%' and"
            " rolname <> 'trading_owner'"
            " and (rolsuper or rolcreatedb or rolcreaterole or rolbypassrls)"
        )
    ).scalars()
    assert list(powerful) == []


def test_a_producer_cannot_pretend_to_be_another(
    service_database_url: Callable[[str], str],
) -> None:
    engine = create_engine(service_database_url("strategy"), poolclass=NullPool)
    with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="permission denied"):
            connection.execute(
                text(
                    "insert into shared.event_staging (event_id, topic, key, payload,"
                    " producer) values (gen_random_uuid(), 't', 'k', '{}', 'risk')"
                )
            )
    engine.dispose()


LIMIT = (
    "insert into risk_management.risk_limits (account_id, scope, scope_id, limit_type,"
    " limit_value, source, updated_by) values ('AUD', 'account', '', 'max_drawdown',"
    " 0.1, 'test', 'test')"
)
STATE = (
    "insert into risk_management.trading_state (account_id, state, level, reason,"
    " set_by) values ('AUD', 'ACTIVE', 0, 'a test', 'test')"
)


@pytest.mark.parametrize(
    ("table", "insert", "change"),
    [
        ("risk_limits", LIMIT, "set limit_value = 0.9"),
        ("trading_state", STATE, "set state = 'HALTED', level = 3"),
    ],
)
def test_who_goes_past_the_services_stands_in_the_audit_log_too(
    owner: Connection, table: str, insert: str, change: str
) -> None:
    name = f"risk_management.{table}"
    owner.execute(text(insert))
    owner.execute(text(f"update {name} {change} where account_id = 'AUD'"))
    owner.execute(text(f"delete from {name} where account_id = 'AUD'"))
    found = owner.execute(
        text(
            "select operation, user_id, db_role from shared.audit_log where"
            " table_name = :name and coalesce(new_values, old_values) ->> 'account_id'"
            " = 'AUD' order by audit_id"
        ),
        {"name": name},
    )
    role = owner.scalar(text("select session_user"))
    assert [tuple(row) for row in found] == [
        (operation, role, role) for operation in ("INSERT", "UPDATE", "DELETE")
    ]
    owner.rollback()


def test_no_order_or_fill_can_be_written_without_its_line_in_the_audit_log(
    owner: Connection,
) -> None:
    # Bits of a trigger's type: row 1, insert 4, delete 8, update 16.
    kinds = owner.execute(
        text(
            "select t.tgrelid::regclass::text, bit_or(t.tgtype) from pg_trigger t"
            " join pg_proc p on p.oid = t.tgfoid where p.proname = 'audit_row'"
            " and t.tgenabled = 'O' group by 1"
        )
    )
    fires = {table: kind & 29 for table, kind in kinds}
    for table in ("execution.orders", "execution.trades"):
        assert fires[table] == 1 + 4 + 8 + 16, table
