"""The tables of analytics: portfolio, performance, round trips, reports, backtests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006_analytics"
down_revision = "0005_execution"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("create schema analytics")

    op.create_table(
        "backtests",
        sa.Column("backtest_id", sa.Uuid(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False
        ),
        sa.Column("symbols", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=True),
        sa.Column("period_end", sa.Date(), nullable=True),
        sa.Column("summary", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("trades", sa.Integer(), nullable=False),
        sa.Column("total_return", sa.Double(), nullable=True),
        sa.Column(
            "provenance", postgresql.JSONB(astext_type=sa.Text()), nullable=False
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("backtest_id", name=op.f("pk_backtests")),
        schema="analytics",
    )
    op.create_index(
        op.f("ix_backtests_created_at"),
        "backtests",
        ["created_at"],
        unique=False,
        schema="analytics",
    )
    op.create_index(
        op.f("ix_backtests_strategy_created_at"),
        "backtests",
        ["strategy", "created_at"],
        unique=False,
        schema="analytics",
    )
    op.create_table(
        "performance_metrics",
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("returns", sa.Double(), nullable=True),
        sa.Column("sharpe_ratio", sa.Double(), nullable=True),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "strategy", "date", name=op.f("pk_performance_metrics")
        ),
        schema="analytics",
    )
    op.create_index(
        op.f("ix_performance_metrics_date"),
        "performance_metrics",
        ["date"],
        unique=False,
        schema="analytics",
    )
    op.create_table(
        "portfolio_summary",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("total_value", sa.Numeric(), nullable=False),
        sa.Column("pnl", sa.Numeric(), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "symbol", name=op.f("pk_portfolio_summary")
        ),
        schema="analytics",
    )
    op.create_table(
        "reports",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_reports")),
        schema="analytics",
    )
    op.create_index(
        op.f("ix_reports_created_at"),
        "reports",
        ["created_at"],
        unique=False,
        schema="analytics",
    )
    op.create_table(
        "round_trips",
        sa.Column("round_trip_id", sa.Uuid(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column("entry_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("exit_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entry_price", sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column("exit_price", sa.Numeric(precision=20, scale=9), nullable=True),
        sa.Column("gross_pnl", sa.Numeric(), nullable=True),
        sa.Column("fees", sa.Numeric(), nullable=False),
        sa.Column("net_pnl", sa.Numeric(), nullable=True),
        sa.Column("return_fraction", sa.Double(), nullable=True),
        sa.Column("mae", sa.Numeric(), nullable=True),
        sa.Column("mfe", sa.Numeric(), nullable=True),
        sa.Column("bars_held", sa.Integer(), nullable=True),
        sa.Column("entry_order_id", sa.Uuid(), nullable=True),
        sa.Column("exit_order_id", sa.Uuid(), nullable=True),
        sa.Column("entry_correlation_id", sa.Uuid(), nullable=True),
        sa.Column("exit_correlation_id", sa.Uuid(), nullable=True),
        sa.Column("slippage_bps", sa.Double(), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("round_trip_id", name=op.f("pk_round_trips")),
        schema="analytics",
    )
    op.create_index(
        op.f("ix_round_trips_entry_order_id"),
        "round_trips",
        ["entry_order_id"],
        unique=False,
        schema="analytics",
    )
    op.create_index(
        op.f("ix_round_trips_entry_time_round_trip_id"),
        "round_trips",
        ["entry_time", "round_trip_id"],
        unique=False,
        schema="analytics",
    )
    op.create_index(
        op.f("ix_round_trips_exit_order_id"),
        "round_trips",
        ["exit_order_id"],
        unique=False,
        schema="analytics",
    )
    op.create_index(
        op.f("ix_round_trips_strategy_symbol_entry_time"),
        "round_trips",
        ["strategy", "symbol", "entry_time"],
        unique=False,
        schema="analytics",
    )


def downgrade() -> None:
    """Take back."""
    op.execute("drop schema analytics cascade")
