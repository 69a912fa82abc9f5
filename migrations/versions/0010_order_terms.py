"""Orders of every type, class and time in force; exits and replacements."""

import sqlalchemy as sa
from alembic import op

revision = "0010_order_terms"
down_revision = "0008_grants"
branch_labels = None
depends_on = None

PRICES = (
    "trail_price",
    "trail_percent",
    "notional",
    "take_profit_price",
    "stop_loss_price",
    "stop_loss_limit_price",
)
RELATIVES = ("parent_order_id", "replaces_order_id")

GUARD = """
create function execution.keep_terms() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
  if (new.trail_price, new.trail_percent, new.notional, new.take_profit_price,
      new.stop_loss_price, new.stop_loss_limit_price, new.extended_hours,
      new.order_class, new.parent_order_id, new.replaces_order_id)
    is distinct from
     (old.trail_price, old.trail_percent, old.notional, old.take_profit_price,
      old.stop_loss_price, old.stop_loss_limit_price, old.extended_hours,
      old.order_class, old.parent_order_id, old.replaces_order_id) then
    raise exception 'the terms of order % cannot change', old.order_id;
  end if;
  return new;
end $$;

create trigger keep_terms before update on execution.orders
  for each row execute function execution.keep_terms();
"""


def upgrade() -> None:
    """Apply."""
    for name in PRICES:
        op.add_column(
            "orders",
            sa.Column(name, sa.Numeric(precision=20, scale=9), nullable=True),
            schema="execution",
        )
    op.add_column(
        "orders",
        sa.Column(
            "extended_hours",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
        ),
        schema="execution",
    )
    op.add_column(
        "orders",
        sa.Column(
            "order_class",
            sa.Text(),
            server_default=sa.text("'simple'"),
            nullable=False,
        ),
        schema="execution",
    )
    for name in RELATIVES:
        op.add_column(
            "orders", sa.Column(name, sa.Uuid(), nullable=True), schema="execution"
        )
        op.create_index(op.f(f"ix_orders_{name}"), "orders", [name], schema="execution")
    op.create_index(
        "ix_orders_with_exits",
        "orders",
        ["account_id"],
        schema="execution",
        postgresql_where=sa.text("order_class <> 'simple'"),
    )
    # How many shares a sum of dollars buys is known when they are bought.
    op.drop_constraint(op.f("ck_orders_filled"), "orders", schema="execution")
    op.create_check_constraint(
        op.f("ck_orders_filled"),
        "orders",
        "filled_quantity >= 0"
        " and (filled_quantity <= quantity or notional is not null)",
        schema="execution",
    )
    op.execute(GUARD)


def downgrade() -> None:
    """Take back."""
    op.execute("drop trigger keep_terms on execution.orders")
    op.execute("drop function execution.keep_terms()")
    op.drop_constraint(op.f("ck_orders_filled"), "orders", schema="execution")
    op.create_check_constraint(
        op.f("ck_orders_filled"),
        "orders",
        "filled_quantity >= 0 and filled_quantity <= quantity",
        schema="execution",
    )
    op.drop_index("ix_orders_with_exits", "orders", schema="execution")
    for name in RELATIVES:
        op.drop_index(op.f(f"ix_orders_{name}"), "orders", schema="execution")
    for name in (*PRICES, "extended_hours", "order_class", *RELATIVES):
        op.drop_column("orders", name, schema="execution")
