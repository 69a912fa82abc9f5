"""Orders that are one intent, netting, and the broker's contract."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014_combos_and_crosses"
down_revision = "0013_locks_and_closes"
branch_labels = None
depends_on = None

KINDS = "'fill', 'split', 'dividend', 'interest', 'fee', 'transfer', 'adjustment'"

COMBO_GUARDS = """
create trigger never_deleted before delete or truncate on execution.combos
  for each statement execute function execution.never_deleted();
create trigger audit after insert or update or delete on execution.combos
  for each row execute function shared.audit_row();
"""

CROSS_GUARDS = """
create trigger append_only before update or delete or truncate on execution.crosses
  for each statement execute function shared.append_only();
create trigger audit after insert or update or delete on execution.crosses
  for each row execute function shared.audit_row();

-- What a strategy has traded: at the broker, and with another strategy.
create view analytics.executions as
select trade_id, order_id, account_id, strategy, symbol, side, quantity, price, fees,
  timestamp, broker_order_id, cumulative_quantity
from execution.trades
union all
select trade_id, order_id, account_id, strategy, symbol, side, quantity, price, 0,
  timestamp, null, quantity
from execution.crosses;

"""


def upgrade() -> None:
    """Apply."""
    _make_combos()
    _make_crosses()
    op.create_table(
        "contract_checks",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("stops", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "endpoint", name=op.f("pk_contract_checks")
        ),
        schema="execution",
    )
    op.execute("select shared.grant_roles()")


def downgrade() -> None:
    """Take back."""
    op.drop_table("contract_checks", schema="execution")
    op.execute("drop view analytics.executions")
    op.drop_table("crosses", schema="execution")
    op.drop_column("orders", "netted_quantity", schema="execution")
    _allow_entries(KINDS)
    op.drop_index(op.f("ix_orders_combo_id_combo_leg"), "orders", schema="execution")
    for name in ("combo_leg", "combo_id"):
        op.drop_column("orders", name, schema="execution")
    op.drop_table("combos", schema="execution")


def _make_combos() -> None:
    op.create_table(
        "combos",
        sa.Column("combo_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("legs", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "settled",
            sa.Numeric(precision=20, scale=9),
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column(
            "closed_elsewhere", postgresql.JSONB(astext_type=sa.Text()), nullable=True
        ),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("legs between 2 and 8", name=op.f("ck_combos_legs")),
        sa.CheckConstraint(
            "status in ('FAILED', 'PLACED', 'PLACING', 'UNWINDING', 'UNWOUND')",
            name=op.f("ck_combos_status"),
        ),
        sa.PrimaryKeyConstraint("combo_id", name=op.f("pk_combos")),
        schema="execution",
    )
    op.create_index(
        op.f("ix_combos_status_created_at"),
        "combos",
        ["status", "created_at"],
        schema="execution",
    )
    op.add_column(
        "orders", sa.Column("combo_id", sa.Uuid(), nullable=True), schema="execution"
    )
    op.add_column(
        "orders",
        sa.Column("combo_leg", sa.Integer(), nullable=True),
        schema="execution",
    )
    op.create_index(
        op.f("ix_orders_combo_id_combo_leg"),
        "orders",
        ["combo_id", "combo_leg"],
        schema="execution",
    )
    op.execute(COMBO_GUARDS)


def _make_crosses() -> None:
    amount = sa.Numeric(precision=20, scale=9)
    op.add_column(
        "orders",
        sa.Column(
            "netted_quantity", amount, server_default=sa.text("0"), nullable=False
        ),
        schema="execution",
    )
    op.create_check_constraint(
        op.f("ck_orders_netted"),
        "orders",
        "netted_quantity >= 0 and netted_quantity <= quantity",
        schema="execution",
    )
    op.create_table(
        "crosses",
        sa.Column("trade_id", sa.Uuid(), nullable=False),
        sa.Column("cross_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("against_order_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", amount, nullable=False),
        sa.Column("price", amount, nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("side in ('buy', 'sell')", name=op.f("ck_crosses_side")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_crosses_quantity")),
        sa.CheckConstraint("price > 0", name=op.f("ck_crosses_price")),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["execution.orders.order_id"],
            name=op.f("fk_crosses_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["against_order_id"],
            ["execution.orders.order_id"],
            name=op.f("fk_crosses_against_order_id"),
        ),
        sa.PrimaryKeyConstraint("trade_id", name=op.f("pk_crosses")),
        sa.UniqueConstraint("cross_id", "side", name=op.f("uq_crosses_cross_id_side")),
        schema="execution",
    )
    op.create_index(
        op.f("ix_crosses_order_id"), "crosses", ["order_id"], schema="execution"
    )
    _allow_entries(f"{KINDS}, 'cross'")
    op.execute(CROSS_GUARDS)


def _allow_entries(kinds: str) -> None:
    op.drop_constraint(op.f("ck_ledger_kind"), "ledger", schema="execution")
    op.create_check_constraint(
        op.f("ck_ledger_kind"), "ledger", f"kind in ({kinds})", schema="execution"
    )
