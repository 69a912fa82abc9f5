"""Limits, trading state, outcomes with their checks, loss days and breakers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004_risk_management"
down_revision = "0003_strategy_engine"
branch_labels = None
depends_on = None

HISTORY = """
create function risk_management.keep_limit_history() returns trigger
language plpgsql set search_path = pg_catalog as $$
declare
  kept risk_management.risk_limits := coalesce(new, old);
begin
  insert into risk_management.risk_limit_history
    (operation, account_id, scope, scope_id, limit_type, limit_value, version, source,
     reason, updated_by)
  values (tg_op, kept.account_id, kept.scope, kept.scope_id, kept.limit_type,
    kept.limit_value, kept.version, kept.source, kept.reason, kept.updated_by);
  return null;
end $$;

create trigger keep_limit_history
  after insert or update or delete on risk_management.risk_limits
  for each row execute function risk_management.keep_limit_history();

create function risk_management.keep_state_history() returns trigger
language plpgsql set search_path = pg_catalog as $$
declare
  kept risk_management.trading_state := coalesce(new, old);
begin
  insert into risk_management.trading_state_history
    (operation, account_id, state, level, reason, set_by, set_at, version)
  values (tg_op, kept.account_id, kept.state, kept.level, kept.reason, kept.set_by,
    kept.set_at, kept.version);
  return null;
end $$;

create trigger keep_state_history
  after insert or update or delete on risk_management.trading_state
  for each row execute function risk_management.keep_state_history();
"""

GUARDS = """
create trigger append_only before update or delete or truncate
  on risk_management.risk_limit_history
  for each statement execute function shared.append_only();
create trigger append_only before update or delete or truncate
  on risk_management.trading_state_history
  for each statement execute function shared.append_only();
create trigger append_only before update or delete or truncate
  on risk_management.risk_outcomes
  for each statement execute function shared.append_only();
create trigger append_only before update or delete or truncate
  on risk_management.risk_checks
  for each statement execute function shared.append_only();

create trigger audit_row after insert or update or delete
  on risk_management.risk_limits
  for each row execute function shared.audit_row();
create trigger audit_row after insert or update or delete
  on risk_management.trading_state
  for each row execute function shared.audit_row();
create trigger audit_row after insert or update or delete
  on risk_management.breakers
  for each row execute function shared.audit_row();
create trigger audit_row after insert or update or delete
  on risk_management.manual_orders
  for each row execute function shared.audit_row();
"""

TRADABLE_STATE = """
-- The share lock makes a halt wait for whoever acts on the answer, and whoever comes
-- after the halt sees it. No row, or a word that is not known, is HALTED.
create function risk_management.tradable_state(account text) returns text
language plpgsql volatile security definer set search_path = pg_catalog as $$
declare
  found_state text;
begin
  select t.state into found_state
    from risk_management.trading_state t where t.account_id = account for share;
  if found_state in ('ACTIVE', 'REDUCING') then
    return found_state;
  end if;
  return 'HALTED';
end $$;
"""


def upgrade() -> None:
    """Apply."""
    op.execute("create schema if not exists risk_management")
    op.create_table(
        "account_lock",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account_lock")),
        schema="risk_management",
    )
    op.create_table(
        "books_state",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("clean", sa.Boolean(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_books_state")),
        schema="risk_management",
    )
    op.create_table(
        "breakers",
        sa.Column("breaker_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("session_day", sa.Date(), nullable=False),
        sa.Column("automatic_reset", sa.Boolean(), nullable=False),
        sa.Column("value", sa.Numeric(), nullable=False),
        sa.Column("limit_value", sa.Numeric(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tripped_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reset_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reset_by", sa.Text(), nullable=True),
        sa.Column("reset_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "scope in ('account', 'strategy')", name=op.f("ck_breakers_scope")
        ),
        sa.PrimaryKeyConstraint("breaker_id", name=op.f("pk_breakers")),
        schema="risk_management",
    )
    op.create_index(
        op.f("ix_breakers_account_id_scope_scope_id_type"),
        "breakers",
        ["account_id", "scope", "scope_id", "type"],
        unique=True,
        schema="risk_management",
        postgresql_where=sa.text("reset_at is null"),
    )
    op.create_table(
        "daily_state",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=False),
        sa.Column("session_day", sa.Date(), nullable=False),
        sa.Column("base_equity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column(
            "day_start_equity", sa.Numeric(precision=20, scale=6), nullable=False
        ),
        sa.Column("equity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("peak_equity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "scope in ('account', 'strategy')", name=op.f("ck_daily_state_scope")
        ),
        sa.PrimaryKeyConstraint(
            "account_id",
            "scope",
            "scope_id",
            "session_day",
            name=op.f("pk_daily_state"),
        ),
        schema="risk_management",
    )
    op.create_table(
        "manual_orders",
        sa.Column("signal_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("proposal", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("signal_id", name=op.f("pk_manual_orders")),
        sa.UniqueConstraint(
            "account_id",
            "idempotency_key",
            name=op.f("uq_manual_orders_account_id_idempotency_key"),
        ),
        schema="risk_management",
    )
    op.create_table(
        "reservations",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column("price", sa.Numeric(), nullable=False),
        sa.Column("reduces", sa.Boolean(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_reservations")),
        schema="risk_management",
    )
    op.create_index(
        op.f("ix_reservations_account_id_symbol"),
        "reservations",
        ["account_id", "symbol"],
        unique=False,
        schema="risk_management",
    )
    op.create_table(
        "risk_events",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=False),
        sa.Column("dedup_key", sa.Text(), nullable=False),
        sa.Column("value", sa.Numeric(), nullable=True),
        sa.Column("limit_value", sa.Numeric(), nullable=True),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "severity in ('info', 'warning', 'critical')",
            name=op.f("ck_risk_events_severity"),
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_risk_events")),
        sa.UniqueConstraint(
            "account_id", "dedup_key", name=op.f("uq_risk_events_account_id_dedup_key")
        ),
        schema="risk_management",
    )
    op.create_index(
        op.f("ix_risk_events_account_id"),
        "risk_events",
        ["account_id"],
        unique=False,
        schema="risk_management",
        postgresql_where=sa.text("announced_at is null"),
    )
    op.create_index(
        op.f("ix_risk_events_timestamp"),
        "risk_events",
        ["timestamp"],
        unique=False,
        schema="risk_management",
    )
    op.create_table(
        "risk_limit_history",
        sa.Column(
            "history_id", sa.BigInteger(), sa.Identity(always=True), nullable=False
        ),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=False),
        sa.Column("limit_type", sa.Text(), nullable=False),
        sa.Column("limit_value", sa.Numeric(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("history_id", name=op.f("pk_risk_limit_history")),
        schema="risk_management",
    )
    op.create_index(
        op.f("ix_risk_limit_history_account_id_scope_scope_id_limit_type_history_id"),
        "risk_limit_history",
        ["account_id", "scope", "scope_id", "limit_type", "history_id"],
        unique=False,
        schema="risk_management",
    )
    op.create_table(
        "risk_limits",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=False),
        sa.Column("limit_type", sa.Text(), nullable=False),
        sa.Column("limit_value", sa.Numeric(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "limit_value >= 0 and limit_value < 'Infinity'",
            name=op.f("ck_risk_limits_value"),
        ),
        sa.CheckConstraint(
            "scope in ('account', 'strategy', 'symbol')",
            name=op.f("ck_risk_limits_scope"),
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "scope", "scope_id", "limit_type", name=op.f("pk_risk_limits")
        ),
        schema="risk_management",
    )
    op.create_table(
        "risk_outcomes",
        sa.Column("signal_id", sa.Uuid(), nullable=False),
        sa.Column("outcome_id", sa.Uuid(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("bar_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("session_day", sa.Date(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=9), nullable=True),
        sa.Column("decision_price", sa.Numeric(), nullable=False),
        sa.Column("equity", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("context", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(outcome = 'approved') = (order_id is not null)",
            name=op.f("ck_risk_outcomes_order"),
        ),
        sa.CheckConstraint(
            "outcome = 'denied' or (quantity > 0 and quantity < 'Infinity')",
            name=op.f("ck_risk_outcomes_quantity"),
        ),
        sa.CheckConstraint(
            "outcome in ('approved', 'denied')", name=op.f("ck_risk_outcomes_outcome")
        ),
        sa.PrimaryKeyConstraint("signal_id", name=op.f("pk_risk_outcomes")),
        sa.UniqueConstraint("order_id", name=op.f("uq_risk_outcomes_order_id")),
        sa.UniqueConstraint("outcome_id", name=op.f("uq_risk_outcomes_outcome_id")),
        schema="risk_management",
    )
    op.create_index(
        op.f("ix_risk_outcomes_account_id_session_day_outcome"),
        "risk_outcomes",
        ["account_id", "session_day", "outcome"],
        unique=False,
        schema="risk_management",
    )
    op.create_index(
        op.f("ix_risk_outcomes_correlation_id"),
        "risk_outcomes",
        ["correlation_id"],
        unique=False,
        schema="risk_management",
    )
    op.create_index(
        op.f("ix_risk_outcomes_created_at"),
        "risk_outcomes",
        ["created_at"],
        unique=False,
        schema="risk_management",
    )
    op.create_table(
        "trading_state",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column(
            "set_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "version", sa.BigInteger(), server_default=sa.text("1"), nullable=False
        ),
        sa.CheckConstraint(
            "state in ('ACTIVE', 'REDUCING', 'HALTED')",
            name=op.f("ck_trading_state_state"),
        ),
        sa.CheckConstraint(
            "level between 0 and 3", name=op.f("ck_trading_state_level")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_trading_state")),
        schema="risk_management",
    )
    op.create_table(
        "trading_state_history",
        sa.Column(
            "history_id", sa.BigInteger(), sa.Identity(always=True), nullable=False
        ),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("history_id", name=op.f("pk_trading_state_history")),
        schema="risk_management",
    )
    op.create_index(
        op.f("ix_trading_state_history_account_id_history_id"),
        "trading_state_history",
        ["account_id", "history_id"],
        unique=False,
        schema="risk_management",
    )
    op.create_table(
        "risk_checks",
        sa.Column("outcome_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("limit", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("quantity_before", sa.Numeric(precision=20, scale=9), nullable=True),
        sa.Column("quantity_after", sa.Numeric(precision=20, scale=9), nullable=True),
        sa.ForeignKeyConstraint(
            ["outcome_id"],
            ["risk_management.risk_outcomes.outcome_id"],
            name=op.f("fk_risk_checks_outcome_id"),
        ),
        sa.PrimaryKeyConstraint("outcome_id", "position", name=op.f("pk_risk_checks")),
        schema="risk_management",
    )
    op.execute(HISTORY)
    op.execute(GUARDS)
    op.execute(TRADABLE_STATE)
