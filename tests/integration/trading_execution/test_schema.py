"""The database holds the same rules as the code, and keeps them by itself."""

from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError, InternalError

from trading_execution.domain.order_status import OrderStatus, may_become
from trading_execution.models import SCHEMA
from trading_system.models import Base

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.integration

DESIGNED = {
    "orders": "order_id symbol side quantity price status timestamp",
    "trades": "trade_id order_id symbol quantity price timestamp",
    "positions": "symbol quantity avg_price unrealized_pnl",
}


def test_the_trigger_allows_exactly_the_steps_of_the_table(bench: "Bench") -> None:
    differing = []
    for old in OrderStatus:
        for new in OrderStatus:
            for had, has in ((False, False), (False, True), (True, True)):
                if old is new:
                    continue
                [(allowed,)] = bench.sql(
                    "select execution.may_become(:old, :new, :had, :has)",
                    old=old,
                    new=new,
                    had=had,
                    has=has,
                )
                ours = may_become(old, new, broker_had_it=had, broker_has_it=has)
                if allowed != ours:
                    differing.append((old, new, had, has))
    assert differing == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("symbol = 'MSFT'", "identity"),
        ("side = 'sell'", "identity"),
        ("quantity = 11", "identity"),
        ("client_order_id = 'something-else'", "identity"),
        ("limit_price = 5", "identity"),
        ("status = 'FILLED', attempts = -1", "cannot lose attempts"),
        ("attempts = 1, status = 'NOT_SENT'", "was attempted"),
        ("filled_quantity = -1", "cannot lose executions"),
    ],
)
def test_an_order_keeps_its_identity_and_its_past(
    bench: "Bench", change: str, complaint: str
) -> None:
    approved = bench.approve()
    with pytest.raises(InternalError, match=complaint):
        bench.sql(
            f"update execution.orders set {change} where order_id = :order",
            order=approved.order_id,
        )


def test_a_final_status_cannot_be_left(bench: "Bench") -> None:
    approved = bench.approve()
    bench.submit()
    bench.tell(bench.broker.fill(bench.client_id(approved), "10", "9"))
    with pytest.raises(InternalError, match="it cannot be"):
        bench.sql(
            "update execution.orders set status = 'CANCELED' where order_id = :order",
            order=approved.order_id,
        )


def test_more_than_the_order_cannot_be_filled(bench: "Bench") -> None:
    approved = bench.approve()
    with pytest.raises(IntegrityError, match="filled"):
        bench.sql(
            "update execution.orders set filled_quantity = 11 where order_id = :order",
            order=approved.order_id,
        )


def test_a_leg_of_a_signal_has_one_live_order(bench: "Bench") -> None:
    approved = bench.approve()
    with pytest.raises(IntegrityError, match="one_live_generation"):
        bench.sql(
            "insert into execution.orders (order_id, account_id, signal_id, generation,"
            " client_order_id, strategy, symbol, side, quantity, order_type,"
            " time_in_force, valid_until, status, market_time, as_of)"
            " select gen_random_uuid(), account_id, signal_id, 1, 'another-name',"
            " strategy, symbol, side, quantity, order_type, time_in_force,"
            " valid_until, 'READY', market_time, as_of"
            " from execution.orders where order_id = :order",
            order=approved.order_id,
        )


def test_every_column_of_the_design_is_there(bench: "Bench") -> None:
    look = inspect(bench.database.engine)
    for table, columns in DESIGNED.items():
        found = {column["name"] for column in look.get_columns(table, SCHEMA)}
        assert set(columns.split()) <= found


def test_the_migration_makes_what_the_models_say(bench: "Bench") -> None:
    with bench.database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "compare_type": True,
                "include_name": lambda name, kind, parents: (
                    name == SCHEMA if kind == "schema" else True
                ),
                "include_object": lambda entity, name, kind, reflected, other: (
                    (entity if kind == "table" else entity.table).schema == SCHEMA
                ),
            },
        )
        assert compare_metadata(context, Base.metadata) == []
