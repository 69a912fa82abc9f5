"""Symbols locked against entries; the close before the day of each position."""

import sqlalchemy as sa
from alembic import op

revision = "0013_locks_and_closes"
down_revision = "0011_chains_combos_crosses"
branch_labels = None
depends_on = None

AUDIT = """
create trigger audit_row after insert or update or delete
  on risk_management.symbol_locks
  for each row execute function shared.audit_row();

select shared.grant_roles();
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "symbol_locks",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("locked_by", sa.Text(), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "locked_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("account_id", "symbol", name=op.f("pk_symbol_locks")),
        schema="risk_management",
    )
    op.execute(AUDIT)
    op.add_column(
        "positions",
        sa.Column("last_close", sa.Numeric(precision=20, scale=9), nullable=True),
        schema="execution",
    )


def downgrade() -> None:
    """Take back."""
    op.drop_column("positions", "last_close", schema="execution")
    op.drop_table("symbol_locks", schema="risk_management")
