"""Strategies and their versions, what they decided on each bar, and their signals."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003_strategy_engine"
down_revision = "0002_data_ingestion"
branch_labels = None
depends_on = None

TRIGGERS = """
create trigger append_only before update or delete or truncate
  on strategy_engine.strategy_versions
  for each statement execute function shared.append_only();
create trigger append_only before update or delete or truncate
  on strategy_engine.decisions
  for each statement execute function shared.append_only();
create trigger append_only before update or delete or truncate
  on strategy_engine.strategy_signals
  for each statement execute function shared.append_only();
create trigger append_only before update or delete or truncate
  on strategy_engine.strategy_errors
  for each statement execute function shared.append_only();
create trigger audit after insert or update or delete on strategy_engine.strategies
  for each row execute function shared.audit_row();
"""


def upgrade() -> None:
    """Apply."""
    op.execute("create schema if not exists strategy_engine")
    op.create_table(
        "strategies",
        sa.Column("strategy_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False
        ),
        sa.Column(
            "risk_limits", postgresql.JSONB(astext_type=sa.Text()), nullable=False
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_hash", sa.Text(), nullable=False),
        sa.Column(
            "description", sa.Text(), server_default=sa.text("''"), nullable=False
        ),
        sa.Column("warmup", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "decides_after",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "source in ('file', 'person')", name=op.f("ck_strategies_source")
        ),
        sa.CheckConstraint(
            "status in ('enabled', 'paused', 'disabled')",
            name=op.f("ck_strategies_status"),
        ),
        sa.PrimaryKeyConstraint("strategy_id", name=op.f("pk_strategies")),
        sa.UniqueConstraint("name", name=op.f("uq_strategies_name")),
        schema="strategy_engine",
    )
    op.create_table(
        "strategy_errors",
        sa.Column("error_id", sa.Uuid(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("bar_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("error_id", name=op.f("pk_strategy_errors")),
        sa.UniqueConstraint(
            "strategy",
            "bar_end",
            name=op.f("uq_strategy_errors_strategy_bar_end"),
            postgresql_nulls_not_distinct=True,
        ),
        schema="strategy_engine",
    )
    op.create_index(
        op.f("ix_strategy_errors_created_at"),
        "strategy_errors",
        ["created_at"],
        unique=False,
        schema="strategy_engine",
    )
    op.create_table(
        "strategy_performance",
        sa.Column("strategy_id", sa.Uuid(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("returns", sa.Double(), nullable=True),
        sa.Column("sharpe_ratio", sa.Double(), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["strategy_id"],
            ["strategy_engine.strategies.strategy_id"],
            name=op.f("fk_strategy_performance_strategy_id"),
        ),
        sa.PrimaryKeyConstraint(
            "strategy_id", "date", name=op.f("pk_strategy_performance")
        ),
        schema="strategy_engine",
    )
    op.create_table(
        "strategy_versions",
        sa.Column("strategy_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False
        ),
        sa.Column(
            "risk_limits", postgresql.JSONB(astext_type=sa.Text()), nullable=False
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_hash", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["strategy_id"],
            ["strategy_engine.strategies.strategy_id"],
            name=op.f("fk_strategy_versions_strategy_id"),
        ),
        sa.PrimaryKeyConstraint(
            "strategy_id", "version", name=op.f("pk_strategy_versions")
        ),
        schema="strategy_engine",
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.Column("strategy_id", sa.Uuid(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("strategy_version", sa.Integer(), nullable=False),
        sa.Column("source_hash", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("bar_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bar_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("close", sa.Double(), nullable=True),
        sa.Column("bar_revision", sa.Integer(), nullable=True),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "window_bars", sa.Integer(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "indicators", postgresql.JSONB(astext_type=sa.Text()), nullable=False
        ),
        sa.Column(
            "conditions", postgresql.JSONB(astext_type=sa.Text()), nullable=False
        ),
        sa.Column("signal_id", sa.Uuid(), nullable=True),
        sa.Column("may_trade", sa.Boolean(), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(outcome = 'signal') = (signal_id is not null)",
            name=op.f("ck_decisions_signal_named"),
        ),
        sa.CheckConstraint(
            "outcome in ('signal', 'no_signal', 'warming_up', 'no_bar', 'error')",
            name=op.f("ck_decisions_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["strategy_id", "strategy_version"],
            [
                "strategy_engine.strategy_versions.strategy_id",
                "strategy_engine.strategy_versions.version",
            ],
            name=op.f("fk_decisions_strategy_id_strategy_version"),
        ),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("signal_id", name=op.f("uq_decisions_signal_id")),
        sa.UniqueConstraint(
            "strategy_id",
            "symbol",
            "timeframe",
            "bar_end",
            name=op.f("uq_decisions_strategy_id_symbol_timeframe_bar_end"),
        ),
        schema="strategy_engine",
    )
    op.create_index(
        op.f("ix_decisions_bar_end_decision_id"),
        "decisions",
        ["bar_end", "decision_id"],
        unique=False,
        schema="strategy_engine",
    )
    op.create_index(
        op.f("ix_decisions_correlation_id"),
        "decisions",
        ["correlation_id"],
        unique=False,
        schema="strategy_engine",
    )
    op.create_index(
        op.f("ix_decisions_strategy_bar_end"),
        "decisions",
        ["strategy", "bar_end"],
        unique=False,
        schema="strategy_engine",
    )
    op.create_index(
        op.f("ix_decisions_symbol_bar_end"),
        "decisions",
        ["symbol", "bar_end"],
        unique=False,
        schema="strategy_engine",
    )
    op.create_table(
        "strategy_signals",
        sa.Column("signal_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.Column("strategy_id", sa.Uuid(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("strategy_version", sa.Integer(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("signal", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("bar_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bar_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision_price", sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("max_position_size", sa.Double(), nullable=False),
        sa.Column("allow_short", sa.Boolean(), nullable=False),
        sa.Column("may_trade", sa.Boolean(), nullable=False),
        sa.Column("session_closed", sa.Boolean(), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "signal in ('buy', 'sell')", name=op.f("ck_strategy_signals_signal")
        ),
        sa.ForeignKeyConstraint(
            ["decision_id"],
            ["strategy_engine.decisions.decision_id"],
            name=op.f("fk_strategy_signals_decision_id"),
        ),
        sa.ForeignKeyConstraint(
            ["strategy_id"],
            ["strategy_engine.strategies.strategy_id"],
            name=op.f("fk_strategy_signals_strategy_id"),
        ),
        sa.PrimaryKeyConstraint("signal_id", name=op.f("pk_strategy_signals")),
        sa.UniqueConstraint(
            "decision_id", name=op.f("uq_strategy_signals_decision_id")
        ),
        schema="strategy_engine",
    )
    op.create_index(
        op.f("ix_strategy_signals_correlation_id"),
        "strategy_signals",
        ["correlation_id"],
        unique=False,
        schema="strategy_engine",
    )
    op.create_index(
        op.f("ix_strategy_signals_strategy_timestamp"),
        "strategy_signals",
        ["strategy", "timestamp"],
        unique=False,
        schema="strategy_engine",
    )
    op.create_index(
        op.f("ix_strategy_signals_symbol_timestamp"),
        "strategy_signals",
        ["symbol", "timestamp"],
        unique=False,
        schema="strategy_engine",
    )
    op.create_index(
        op.f("ix_strategy_signals_timestamp_signal_id"),
        "strategy_signals",
        ["timestamp", "signal_id"],
        unique=False,
        schema="strategy_engine",
    )
    op.execute(TRIGGERS)


def downgrade() -> None:
    """Take back."""
    op.execute("drop schema strategy_engine cascade")
