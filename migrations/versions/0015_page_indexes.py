"""Indexes for what pages list: runs, replays of days, combos, unread messages."""

import sqlalchemy as sa
from alembic import op

revision = "0015_page_indexes"
down_revision = "0014_combos_and_crosses"
branch_labels = None
depends_on = None

ADDED = (
    ("shared", "job_runs", ["started_at"]),
    ("analytics", "reports", ["kind", "period_start"]),
    ("execution", "combos", ["created_at"]),
)


def upgrade() -> None:
    """Apply."""
    for schema, table, columns in ADDED:
        name = op.f(f"ix_{table}_{'_'.join(columns)}")
        op.create_index(name, table, columns, schema=schema)
    _index_unread("notification_id")


def downgrade() -> None:
    """Take back."""
    _index_unread("created_at")
    for schema, table, columns in reversed(ADDED):
        op.drop_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, schema=schema)


def _index_unread(column: str) -> None:
    name, table, schema = "ix_notifications_unread", "notifications", "notification"
    op.drop_index(name, table, schema=schema)
    op.create_index(
        name,
        table,
        [column],
        schema=schema,
        postgresql_where=sa.text("read_at is null"),
    )
