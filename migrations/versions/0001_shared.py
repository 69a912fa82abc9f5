"""The event log, what goes with it, and the logs.

Sequence numbers are given at commit, under an advisory lock that is taken last, so that
the order of the log is the order of commits and a cursor never skips an event.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_shared"
down_revision = None
branch_labels = None
depends_on = None

EVENT_LOG = """
create sequence shared.event_seq;

create function shared.stage_to_log() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
  -- Nothing is locked after this, so it cannot deadlock with row locks.
  perform pg_advisory_xact_lock(727001);
  insert into shared.events
    (seq, event_id, topic, key, key_version, payload, schema_version, producer,
     causation_id, correlation_id, occurred_at)
  select nextval('shared.event_seq'), new.event_id, new.topic, new.key,
    coalesce((select max(e.key_version) from shared.events e
              where e.topic = new.topic and e.key = new.key), 0) + 1,
    new.payload, new.schema_version, new.producer, new.causation_id,
    new.correlation_id, new.occurred_at;
  delete from shared.event_staging where event_id = new.event_id;
  return null;
end $$;

create constraint trigger stage_to_log after insert on shared.event_staging
  deferrable initially deferred
  for each row execute function shared.stage_to_log();

create function shared.last_sequence() returns bigint
language sql stable security definer set search_path = pg_catalog as
$$ select coalesce(max(seq), 0) from shared.events $$;

create function shared.append_only() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
  raise exception '%.% is append-only', tg_table_schema, tg_table_name;
end $$;

create trigger append_only before update or delete or truncate on shared.events
  for each statement execute function shared.append_only();

alter table shared.consumers enable row level security;
create policy own_cursor on shared.consumers
  using (true) with check ('trading_' || consumer = current_user);
"""

AUDIT = """
create function shared.audit_row() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
  insert into shared.audit_log
    (user_id, db_role, table_name, operation, old_values, new_values, reason)
  values (
    coalesce(nullif(current_setting('app.user', true), ''), session_user),
    session_user,
    tg_table_schema || '.' || tg_table_name,
    tg_op,
    case when tg_op = 'INSERT' then null else to_jsonb(old) end,
    case when tg_op = 'DELETE' then null else to_jsonb(new) end,
    nullif(current_setting('app.reason', true), ''));
  return null;
end $$;

create function shared.chain_audit() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
declare
  last record;
begin
  perform pg_advisory_xact_lock(727001);
  select position, hash into last from shared.audit_chain
    order by position desc limit 1;
  insert into shared.audit_chain (position, audit_id, previous_hash, hash)
  values (
    coalesce(last.position, 0) + 1,
    new.audit_id,
    coalesce(last.hash, ''),
    encode(sha256(convert_to(
      coalesce(last.hash, '') || to_jsonb(new)::text, 'UTF8')), 'hex'));
  return null;
end $$;

create constraint trigger chain_audit after insert on shared.audit_log
  deferrable initially deferred
  for each row execute function shared.chain_audit();

create trigger append_only before update or delete or truncate on shared.audit_log
  for each statement execute function shared.append_only();
create trigger append_only before update or delete or truncate on shared.audit_chain
  for each statement execute function shared.append_only();

-- The position of the first link that does not fit, or null when the chain holds.
create function shared.verify_audit() returns bigint
language sql stable security definer set search_path = pg_catalog as $$
  select min(position) from (
    select c.position,
      c.previous_hash = coalesce(lag(c.hash) over (order by c.position), '')
      and c.hash = encode(sha256(convert_to(
        c.previous_hash || to_jsonb(a)::text, 'UTF8')), 'hex')
      and c.position = row_number() over (order by c.position) as holds
    from shared.audit_chain c join shared.audit_log a using (audit_id)) links
  where not holds
$$;
"""

LOGS = """
-- The default partition takes what no month was made for, so that no line is lost.
create table logging.system_logs_default partition of logging.system_logs default;

create function logging.ensure_partitions(first_day date, months int) returns void
language plpgsql security definer set search_path = pg_catalog as $$
declare
  month date := date_trunc('month', first_day)::date;
begin
  for i in 0..months - 1 loop
    execute format(
      'create table if not exists logging.%I partition of logging.system_logs'
      ' for values from (%L) to (%L)',
      'system_logs_' || to_char(month, 'YYYY_MM'),
      month::timestamp at time zone 'UTC',
      (month + interval '1 month') at time zone 'UTC');
    month := (month + interval '1 month')::date;
  end loop;
end $$;

select logging.ensure_partitions(current_date, 2);
"""


def upgrade() -> None:
    """Apply."""
    op.execute("create schema if not exists shared")
    op.execute("create schema if not exists logging")
    op.create_table(
        "performance_logs",
        sa.Column("log_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("execution_time_ms", sa.Double(), nullable=False),
        sa.Column(
            "timestamp",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("correlation_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("log_id", name=op.f("pk_performance_logs")),
        schema="logging",
    )
    op.create_index(
        op.f("ix_performance_logs_operation_timestamp"),
        "performance_logs",
        ["operation", "timestamp"],
        unique=False,
        schema="logging",
    )
    op.create_table(
        "system_logs",
        sa.Column("log_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=True),
        sa.Column("extra", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("log_id", "timestamp", name=op.f("pk_system_logs")),
        schema="logging",
        postgresql_partition_by="RANGE (timestamp)",
    )
    op.create_index(
        op.f("ix_system_logs_correlation_id"),
        "system_logs",
        ["correlation_id"],
        unique=False,
        schema="logging",
    )
    op.create_index(
        op.f("ix_system_logs_timestamp_log_id"),
        "system_logs",
        ["timestamp", "log_id"],
        unique=False,
        schema="logging",
    )
    op.create_table(
        "audit_log",
        sa.Column(
            "audit_id", sa.BigInteger(), sa.Identity(always=True), nullable=False
        ),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column(
            "db_role", sa.Text(), server_default=sa.text("SESSION_USER"), nullable=False
        ),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("old_values", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("new_values", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit_log")),
        schema="shared",
    )
    op.create_index(
        op.f("ix_audit_log_table_name_at"),
        "audit_log",
        ["table_name", "at"],
        unique=False,
        schema="shared",
    )
    op.create_table(
        "consumers",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column(
            "last_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "paused", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("consumer", name=op.f("pk_consumers")),
        schema="shared",
    )
    op.create_table(
        "dead_letters",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "attempts", sa.Integer(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "first_failed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status in ('retrying', 'held', 'parked', 'replayed', 'discarded')",
            name=op.f("ck_dead_letters_status"),
        ),
        sa.PrimaryKeyConstraint("consumer", "event_id", name=op.f("pk_dead_letters")),
        schema="shared",
    )
    op.create_index(
        op.f("ix_dead_letters_consumer_status_seq"),
        "dead_letters",
        ["consumer", "status", "seq"],
        unique=False,
        schema="shared",
    )
    op.create_table(
        "event_staging",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "schema_version", sa.Integer(), server_default=sa.text("1"), nullable=False
        ),
        sa.Column(
            "producer",
            sa.Text(),
            server_default=sa.text("CURRENT_USER"),
            nullable=False,
        ),
        sa.Column("causation_id", sa.Uuid(), nullable=True),
        sa.Column("correlation_id", sa.Uuid(), nullable=True),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_event_staging")),
        schema="shared",
    )
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("key_version", sa.BigInteger(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("producer", sa.Text(), nullable=False),
        sa.Column("causation_id", sa.Uuid(), nullable=True),
        sa.Column("correlation_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
        sa.UniqueConstraint("event_id", name=op.f("uq_events_event_id")),
        sa.UniqueConstraint(
            "topic", "key", "key_version", name=op.f("uq_events_topic_key_key_version")
        ),
        schema="shared",
    )
    op.create_index(
        op.f("ix_events_correlation_id"),
        "events",
        ["correlation_id"],
        unique=False,
        schema="shared",
    )
    op.create_index(
        op.f("ix_events_topic_seq"),
        "events",
        ["topic", "seq"],
        unique=False,
        schema="shared",
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column(
            "processed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("consumer", "event_id", name=op.f("pk_inbox")),
        schema="shared",
    )
    op.create_table(
        "job_runs",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "status", sa.Text(), server_default=sa.text("'running'"), nullable=False
        ),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status in ('running', 'done', 'failed', 'superseded')",
            name=op.f("ck_job_runs_status"),
        ),
        sa.PrimaryKeyConstraint("job", "scheduled_for", name=op.f("pk_job_runs")),
        schema="shared",
    )
    op.create_table(
        "sessions",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("open", sa.DateTime(timezone=True), nullable=False),
        sa.Column("close", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_sessions")),
        schema="shared",
    )
    op.create_table(
        "system_config",
        sa.Column("config_key", sa.Text(), nullable=False),
        sa.Column(
            "config_value", postgresql.JSONB(astext_type=sa.Text()), nullable=False
        ),
        sa.Column(
            "description", sa.Text(), server_default=sa.text("''"), nullable=False
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("config_key", name=op.f("pk_system_config")),
        schema="shared",
    )
    op.create_table(
        "audit_chain",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("audit_id", sa.BigInteger(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["audit_id"],
            ["shared.audit_log.audit_id"],
            name=op.f("fk_audit_chain_audit_id"),
        ),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_chain")),
        sa.UniqueConstraint("audit_id", name=op.f("uq_audit_chain_audit_id")),
        schema="shared",
    )
    op.execute(EVENT_LOG)
    op.execute(AUDIT)
    op.execute(LOGS)


def downgrade() -> None:
    """Take back."""
    op.execute("drop schema shared cascade")
    op.execute("drop schema logging cascade")
