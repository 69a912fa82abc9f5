"""Bars as received and as built, what is wrong with them, and where they came from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002_data_ingestion"
down_revision = "0001_shared"
branch_labels = None
depends_on = None

AUDIT = """
create trigger audit after insert or update or delete on data_ingestion.universe
  for each row execute function shared.audit_row();
create trigger audit after insert or update or delete on data_ingestion.imports
  for each row execute function shared.audit_row();
create trigger audit after insert or update or delete on data_ingestion.archives
  for each row execute function shared.audit_row();
"""


def upgrade() -> None:
    """Apply."""
    op.execute("create schema if not exists data_ingestion")
    op.create_table(
        "archives",
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("before", sa.Date(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("first", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "archived_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_archives")),
        schema="data_ingestion",
    )
    op.create_table(
        "batches",
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("bar_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bar_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("symbols", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("missing", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("newest", sa.Boolean(), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "stored_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "timeframe", "feed", "bar_end", name=op.f("pk_batches")
        ),
        schema="data_ingestion",
    )
    op.create_table(
        "data_quality_logs",
        sa.Column("log_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("check_type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("bar_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "revision", sa.Integer(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status in ('passed', 'warning', 'failed')",
            name=op.f("ck_data_quality_logs_status"),
        ),
        sa.PrimaryKeyConstraint("log_id", name=op.f("pk_data_quality_logs")),
        sa.UniqueConstraint(
            "check_type",
            "symbol",
            "timeframe",
            "feed",
            "bar_timestamp",
            "revision",
            name=op.f("uq_data_quality_logs_finding"),
            postgresql_nulls_not_distinct=True,
        ),
        schema="data_ingestion",
    )
    op.create_index(
        op.f("ix_data_quality_logs_created_at"),
        "data_quality_logs",
        ["created_at"],
        unique=False,
        schema="data_ingestion",
    )
    op.create_index(
        op.f("ix_data_quality_logs_symbol_bar_timestamp"),
        "data_quality_logs",
        ["symbol", "bar_timestamp"],
        unique=False,
        schema="data_ingestion",
    )
    op.create_table(
        "imports",
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("symbols", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("first", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "restamped", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "imported_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("content_hash", "feed", name=op.f("pk_imports")),
        schema="data_ingestion",
    )
    op.create_table(
        "incoming_bars",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bar_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("open", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("close", sa.Double(), nullable=False),
        sa.Column("volume", sa.Double(), nullable=False),
        schema="data_ingestion",
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "market_data",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("open", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("close", sa.Double(), nullable=False),
        sa.Column("volume", sa.Double(), nullable=False),
        sa.Column("bar_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "revision", sa.Integer(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "low > 0 and low <= least(open, close) and high >= greatest(open, close)"
            " and high < 'infinity' and volume >= 0 and volume < 'infinity'",
            name=op.f("ck_market_data_sane"),
        ),
        sa.CheckConstraint(
            "bar_end > timestamp", name=op.f("ck_market_data_ends_after_start")
        ),
        sa.PrimaryKeyConstraint(
            "symbol", "timeframe", "timestamp", "feed", name=op.f("pk_market_data")
        ),
        schema="data_ingestion",
    )
    op.create_index(
        op.f("ix_market_data_timeframe_feed_bar_end"),
        "market_data",
        ["timeframe", "feed", "bar_end"],
        unique=False,
        schema="data_ingestion",
    )
    op.create_table(
        "received_bars",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("open", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("close", sa.Double(), nullable=False),
        sa.Column("volume", sa.Double(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "symbol",
            "timeframe",
            "timestamp",
            "feed",
            "revision",
            name=op.f("pk_received_bars"),
        ),
        schema="data_ingestion",
    )
    op.create_index(
        op.f("ix_received_bars_timestamp"),
        "received_bars",
        ["timestamp"],
        unique=False,
        schema="data_ingestion",
    )
    op.create_table(
        "series",
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("live_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("history_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "history_complete",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("timeframe", "feed", name=op.f("pk_series")),
        schema="data_ingestion",
    )
    op.create_table(
        "universe",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "active", sa.Boolean(), server_default=sa.text("true"), nullable=False
        ),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("symbol", name=op.f("pk_universe")),
        schema="data_ingestion",
    )
    op.execute(AUDIT)


def downgrade() -> None:
    """Take back."""
    op.execute("drop schema data_ingestion cascade")
