"""Orders and their life, executions, the ledger and positions, reconciliation."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005_execution"
down_revision = "0004_risk_management"
branch_labels = None
depends_on = None

STATUSES = (
    "status in ('ACCEPTED', 'CANCELED', 'EXPIRED', 'FILLED', 'NOT_SENT',"
    " 'PARTIALLY_FILLED', 'READY', 'REJECTED', 'SUBMITTING', 'UNKNOWN')"
)
LIVE = "status in ('ACCEPTED', 'PARTIALLY_FILLED', 'READY', 'SUBMITTING', 'UNKNOWN')"

LIFE = """
-- The same table as trading_execution.domain.order_status; a test compares them.
create function execution.may_become(
  old_status text, new_status text, had_broker_order boolean, has_broker_order boolean)
returns boolean language sql immutable set search_path = pg_catalog as $$
  select case
    when old_status = 'READY' then new_status in
      ('SUBMITTING', 'UNKNOWN', 'NOT_SENT', 'ACCEPTED', 'PARTIALLY_FILLED', 'FILLED',
       'CANCELED', 'EXPIRED', 'REJECTED')
    when old_status = 'SUBMITTING' then new_status in
      ('UNKNOWN', 'ACCEPTED', 'PARTIALLY_FILLED', 'FILLED', 'CANCELED', 'EXPIRED',
       'REJECTED')
    when old_status = 'UNKNOWN' then new_status in
      ('READY', 'ACCEPTED', 'PARTIALLY_FILLED', 'FILLED', 'CANCELED', 'EXPIRED',
       'REJECTED')
    when old_status = 'ACCEPTED' then new_status in
      ('PARTIALLY_FILLED', 'FILLED', 'CANCELED', 'EXPIRED', 'REJECTED')
    when old_status = 'PARTIALLY_FILLED' then new_status in
      ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED')
    -- What we ended ourselves rests on silence: an order of the broker's disproves it.
    when old_status in ('EXPIRED', 'REJECTED', 'NOT_SENT') then
      not had_broker_order and has_broker_order and new_status <> old_status
      and new_status in
        ('ACCEPTED', 'PARTIALLY_FILLED', 'FILLED', 'CANCELED', 'EXPIRED', 'REJECTED')
    else false
  end
$$;

create function execution.check_step() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
  if (new.order_id, new.account_id, new.signal_id, new.leg, new.generation,
      new.client_order_id, new.symbol, new.side, new.quantity, new.strategy,
      new.order_type, new.time_in_force)
    is distinct from
     (old.order_id, old.account_id, old.signal_id, old.leg, old.generation,
      old.client_order_id, old.symbol, old.side, old.quantity, old.strategy,
      old.order_type, old.time_in_force)
    or new.limit_price is distinct from old.limit_price
    or new.stop_price is distinct from old.stop_price then
    raise exception 'the identity of order % cannot change', old.order_id;
  end if;
  if old.broker_order_id is not null
    and new.broker_order_id is distinct from old.broker_order_id then
    raise exception 'order % cannot become another order of the broker', old.order_id;
  end if;
  if new.filled_quantity < old.filled_quantity then
    raise exception 'order % cannot lose executions', old.order_id;
  end if;
  if new.attempts < old.attempts then
    raise exception 'order % cannot lose attempts', old.order_id;
  end if;
  if new.status <> old.status and not execution.may_become(
      old.status, new.status, old.broker_order_id is not null,
      new.broker_order_id is not null) then
    raise exception 'order % is %: it cannot be %',
      old.order_id, old.status, new.status;
  end if;
  if new.status = 'NOT_SENT' and new.attempts > 0 then
    raise exception 'order % was attempted: it cannot be NOT_SENT', old.order_id;
  end if;
  new.version := old.version + 1;
  return new;
end $$;

create trigger check_step before update on execution.orders
  for each row execute function execution.check_step();

create function execution.keep_history() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
  if tg_op = 'INSERT' or new.status <> old.status
    or new.filled_quantity <> old.filled_quantity then
    insert into execution.order_history
      (order_id, market_time, status, filled_quantity, detail)
    values (new.order_id, new.as_of, new.status, new.filled_quantity, new.reason);
  end if;
  return null;
end $$;

create trigger keep_history after insert or update on execution.orders
  for each row execute function execution.keep_history();

create function execution.never_deleted() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
  raise exception '%.% keeps every row', tg_table_schema, tg_table_name;
end $$;

create trigger never_deleted before delete or truncate on execution.orders
  for each statement execute function execution.never_deleted();
create trigger never_deleted before delete or truncate on execution.submit_attempts
  for each statement execute function execution.never_deleted();
create trigger never_deleted before delete or truncate on execution.holds
  for each statement execute function execution.never_deleted();
"""

GUARDS = """
create trigger append_only before update or delete or truncate on execution.trades
  for each statement execute function shared.append_only();
create trigger append_only before update or delete or truncate on execution.ledger
  for each statement execute function shared.append_only();
create trigger append_only before update or delete or truncate
  on execution.order_history
  for each statement execute function shared.append_only();
create trigger append_only before update or delete or truncate
  on execution.reconciliation_differences
  for each statement execute function shared.append_only();

-- An order's every step is in order_history, which nobody can change. The audit log
-- names who made it, who wanted it canceled, and how it ended.
create trigger audit after insert or delete on execution.orders
  for each row execute function shared.audit_row();
create trigger audit_end after update on execution.orders
  for each row when (
    new.closed_at is distinct from old.closed_at
    or new.cancel_requested_at is distinct from old.cancel_requested_at)
  execute function shared.audit_row();
create trigger audit after insert or update or delete on execution.trades
  for each row execute function shared.audit_row();
create trigger audit after insert or update or delete on execution.holds
  for each row execute function shared.audit_row();
create trigger audit after insert or update or delete on execution.flatten_requests
  for each row execute function shared.audit_row();
-- An adjustment is a person's word against the broker's.
create trigger audit after insert on execution.ledger
  for each row when (new.kind in ('adjustment', 'transfer'))
  execute function shared.audit_row();
"""


def upgrade() -> None:
    """Apply."""
    op.execute("create schema if not exists execution")
    op.create_table(
        "account_snapshots",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cash", sa.Numeric(), nullable=False),
        sa.Column("equity", sa.Numeric(), nullable=False),
        sa.Column("long_value", sa.Numeric(), nullable=False),
        sa.Column("short_value", sa.Numeric(), nullable=False),
        sa.Column("unrealized_pnl", sa.Numeric(), nullable=False),
        sa.Column("realized_pnl", sa.Numeric(), nullable=False),
        sa.Column("buying_power", sa.Numeric(), nullable=True),
        sa.Column(
            "session_closed",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
        ),
        sa.Column("ledger_entry", sa.BigInteger(), nullable=False),
        sa.Column(
            "taken_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "market_time", name=op.f("pk_account_snapshots")
        ),
        schema="execution",
    )
    op.create_table(
        "executor",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("one", name=op.f("ck_executor_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_executor")),
        schema="execution",
    )
    op.create_table(
        "flatten_requests",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "requested_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_flatten_requests")),
        schema="execution",
    )
    op.create_table(
        "holds",
        sa.Column(
            "hold_id", sa.BigInteger(), sa.Identity(always=False), nullable=False
        ),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "placed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.Text(), nullable=True),
        sa.Column("release_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("hold_id", name=op.f("pk_holds")),
        schema="execution",
    )
    op.create_index(
        "ix_holds_in_force",
        "holds",
        ["account_id", "symbol", "kind"],
        unique=True,
        schema="execution",
        postgresql_where=sa.text("released_at is null"),
    )
    op.create_table(
        "orders",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("signal_id", sa.Uuid(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=True),
        sa.Column("leg", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "generation", sa.Integer(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("broker_order_id", sa.Text(), nullable=True),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column("price", sa.Numeric(precision=20, scale=9), nullable=True),
        sa.Column("order_type", sa.Text(), nullable=False),
        sa.Column("time_in_force", sa.Text(), nullable=False),
        sa.Column("limit_price", sa.Numeric(precision=20, scale=9), nullable=True),
        sa.Column("stop_price", sa.Numeric(precision=20, scale=9), nullable=True),
        sa.Column("decision_price", sa.Numeric(precision=20, scale=9), nullable=True),
        sa.Column("tag", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "reduces", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "filled_quantity",
            sa.Numeric(precision=20, scale=9),
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column(
            "average_fill_price", sa.Numeric(precision=20, scale=9), nullable=True
        ),
        sa.Column(
            "attempts", sa.Integer(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("misses", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_miss_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column(
            "version", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "timestamp",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_fill_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("side in ('buy', 'sell')", name=op.f("ck_orders_side")),
        sa.CheckConstraint(STATUSES, name=op.f("ck_orders_status")),
        sa.CheckConstraint(
            "filled_quantity >= 0 and filled_quantity <= quantity",
            name=op.f("ck_orders_filled"),
        ),
        sa.CheckConstraint(
            "length(client_order_id) between 8 and 48", name=op.f("ck_orders_client_id")
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_orders_quantity")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_orders")),
        sa.UniqueConstraint("broker_order_id", name=op.f("uq_orders_broker_order_id")),
        sa.UniqueConstraint("client_order_id", name=op.f("uq_orders_client_order_id")),
        sa.UniqueConstraint(
            "signal_id",
            "leg",
            "generation",
            name=op.f("uq_orders_signal_id_leg_generation"),
        ),
        schema="execution",
    )
    op.create_index(
        op.f("ix_orders_correlation_id"),
        "orders",
        ["correlation_id"],
        unique=False,
        schema="execution",
    )
    op.create_index(
        "ix_orders_live",
        "orders",
        ["status", "timestamp"],
        unique=False,
        schema="execution",
        postgresql_where=sa.text(LIVE),
    )
    op.create_index(
        "ix_orders_one_live_generation",
        "orders",
        ["signal_id", "leg"],
        unique=True,
        schema="execution",
        postgresql_where=sa.text(LIVE),
    )
    op.create_index(
        op.f("ix_orders_symbol_timestamp"),
        "orders",
        ["symbol", "timestamp"],
        unique=False,
        schema="execution",
    )
    op.create_index(
        op.f("ix_orders_timestamp_order_id"),
        "orders",
        ["timestamp", "order_id"],
        unique=False,
        schema="execution",
    )
    op.create_table(
        "orphan_fills",
        sa.Column("broker_order_id", sa.Text(), nullable=False),
        sa.Column(
            "cumulative_quantity", sa.Numeric(precision=20, scale=9), nullable=False
        ),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column("price", sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=True),
        sa.Column(
            "resolution", sa.Text(), server_default=sa.text("'open'"), nullable=False
        ),
        sa.Column(
            "seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "resolution in ('open', 'external', 'ours')",
            name=op.f("ck_orphan_fills_resolution"),
        ),
        sa.PrimaryKeyConstraint(
            "broker_order_id", "cumulative_quantity", name=op.f("pk_orphan_fills")
        ),
        schema="execution",
    )
    op.create_table(
        "positions",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column(
            "quantity",
            sa.Numeric(precision=20, scale=9),
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column(
            "avg_price",
            sa.Numeric(precision=20, scale=9),
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column("cost", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "realized_pnl", sa.Numeric(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("unrealized_pnl", sa.Numeric(), nullable=True),
        sa.Column("last_price", sa.Numeric(precision=20, scale=9), nullable=True),
        sa.Column("market_value", sa.Numeric(), nullable=True),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entry_order_id", sa.Uuid(), nullable=True),
        sa.Column(
            "version", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("account_id", "symbol", name=op.f("pk_positions")),
        schema="execution",
    )
    op.create_table(
        "reconciliation_runs",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "complete", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column(
            "clean", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("summary", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_reconciliation_runs")),
        schema="execution",
    )
    op.create_index(
        op.f("ix_reconciliation_runs_started_at"),
        "reconciliation_runs",
        ["started_at"],
        unique=False,
        schema="execution",
    )
    op.create_table(
        "strategy_positions",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column(
            "quantity",
            sa.Numeric(precision=20, scale=9),
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column(
            "avg_price",
            sa.Numeric(precision=20, scale=9),
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column("cost", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "realized_pnl", sa.Numeric(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entry_order_id", sa.Uuid(), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "strategy", "symbol", name=op.f("pk_strategy_positions")
        ),
        schema="execution",
    )
    op.create_table(
        "stream_state",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activities_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activity_id", sa.Text(), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_stream_state")),
        schema="execution",
    )
    op.create_table(
        "order_history",
        sa.Column(
            "step_id", sa.BigInteger(), sa.Identity(always=False), nullable=False
        ),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("filled_quantity", sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["execution.orders.order_id"],
            name=op.f("fk_order_history_order_id"),
        ),
        sa.PrimaryKeyConstraint("step_id", name=op.f("pk_order_history")),
        schema="execution",
    )
    op.create_index(
        op.f("ix_order_history_order_id_step_id"),
        "order_history",
        ["order_id", "step_id"],
        unique=False,
        schema="execution",
    )
    op.create_table(
        "reconciliation_differences",
        sa.Column(
            "difference_id", sa.BigInteger(), sa.Identity(always=False), nullable=False
        ),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("ours", sa.Text(), nullable=True),
        sa.Column("broker", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "severity in ('info', 'warning', 'critical')",
            name=op.f("ck_reconciliation_differences_severity"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["execution.reconciliation_runs.run_id"],
            name=op.f("fk_reconciliation_differences_run_id"),
        ),
        sa.PrimaryKeyConstraint(
            "difference_id", name=op.f("pk_reconciliation_differences")
        ),
        schema="execution",
    )
    op.create_index(
        op.f("ix_reconciliation_differences_run_id"),
        "reconciliation_differences",
        ["run_id"],
        unique=False,
        schema="execution",
    )
    op.create_table(
        "submit_attempts",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column(
            "claimed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["execution.orders.order_id"],
            name=op.f("fk_submit_attempts_order_id"),
        ),
        sa.PrimaryKeyConstraint("order_id", "attempt", name=op.f("pk_submit_attempts")),
        schema="execution",
    )
    op.create_table(
        "trades",
        sa.Column("trade_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column("price", sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column("fees", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("broker_order_id", sa.Text(), nullable=False),
        sa.Column(
            "cumulative_quantity", sa.Numeric(precision=20, scale=9), nullable=False
        ),
        sa.Column("execution_id", sa.Text(), nullable=True),
        sa.Column("activity_id", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("side in ('buy', 'sell')", name=op.f("ck_trades_side")),
        sa.CheckConstraint("price > 0", name=op.f("ck_trades_price")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_trades_quantity")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["execution.orders.order_id"], name=op.f("fk_trades_order_id")
        ),
        sa.PrimaryKeyConstraint("trade_id", name=op.f("pk_trades")),
        sa.UniqueConstraint(
            "broker_order_id",
            "cumulative_quantity",
            name=op.f("uq_trades_broker_order_id_cumulative_quantity"),
        ),
        schema="execution",
    )
    op.create_index(
        op.f("ix_trades_order_id"),
        "trades",
        ["order_id"],
        unique=False,
        schema="execution",
    )
    op.create_index(
        op.f("ix_trades_symbol_timestamp"),
        "trades",
        ["symbol", "timestamp"],
        unique=False,
        schema="execution",
    )
    op.create_index(
        op.f("ix_trades_timestamp_trade_id"),
        "trades",
        ["timestamp", "trade_id"],
        unique=False,
        schema="execution",
    )
    op.create_table(
        "ledger",
        sa.Column(
            "entry_id", sa.BigInteger(), sa.Identity(always=True), nullable=False
        ),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column(
            "quantity_delta",
            sa.Numeric(precision=20, scale=9),
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column(
            "cash_delta", sa.Numeric(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("price", sa.Numeric(precision=20, scale=9), nullable=True),
        sa.Column("trade_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kind in ('fill', 'split', 'dividend', 'interest', 'fee', 'transfer',"
            " 'adjustment')",
            name=op.f("ck_ledger_kind"),
        ),
        sa.CheckConstraint(
            "quantity_delta = 0 or symbol is not null", name=op.f("ck_ledger_symbol")
        ),
        sa.ForeignKeyConstraint(
            ["trade_id"], ["execution.trades.trade_id"], name=op.f("fk_ledger_trade_id")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_ledger")),
        sa.UniqueConstraint("kind", "reference", name=op.f("uq_ledger_kind_reference")),
        schema="execution",
    )
    op.create_index(
        op.f("ix_ledger_account_id_symbol"),
        "ledger",
        ["account_id", "symbol"],
        unique=False,
        schema="execution",
    )
    op.create_index(
        op.f("ix_ledger_timestamp_entry_id"),
        "ledger",
        ["timestamp", "entry_id"],
        unique=False,
        schema="execution",
    )
    op.execute(LIFE)
    op.execute(GUARDS)
