"""Replacements that the broker made."""

import sqlalchemy as sa
from alembic import op

revision = "0011_chains_combos_crosses"
down_revision = "0010_order_terms"
branch_labels = None
depends_on = None

LIVE = "status in ('ACCEPTED', 'PARTIALLY_FILLED', 'READY', 'SUBMITTING', 'UNKNOWN')"


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "orders", sa.Column("replaced_by", sa.Text(), nullable=True), schema="execution"
    )
    _index_live_generations(f"{LIVE} and replaced_by is null")


def downgrade() -> None:
    """Take back."""
    _index_live_generations(LIVE)
    op.drop_column("orders", "replaced_by", schema="execution")


def _index_live_generations(where: str) -> None:
    name = "ix_orders_one_live_generation"
    op.drop_index(name, "orders", schema="execution")
    op.create_index(
        name,
        "orders",
        ["signal_id", "leg"],
        unique=True,
        schema="execution",
        postgresql_where=sa.text(where),
    )
