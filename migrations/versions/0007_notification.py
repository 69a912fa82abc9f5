"""Inbox, deliveries, preferences, health, and sums of the log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007_notification"
down_revision = "0006_analytics"
branch_labels = None
depends_on = None

KEEP_LOGS = """
-- Makes the partitions of this month and the next, drops months and lines that are
-- older than some days. It runs as the owner of the log, which the service is not.
create function notification.keep_logs(days int) returns jsonb
language plpgsql security definer set search_path = pg_catalog as $$
declare
  month date := date_trunc('month', clock_timestamp() at time zone 'UTC')::date;
  cutoff timestamptz :=
    date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC'
    - make_interval(days => days);
  first_instant timestamptz;
  end_instant timestamptz;
  part text;
  made int := 0;
  dropped int := 0;
  lines bigint;
  timings bigint;
begin
  if days is null or days < 1 then
    raise exception 'logs are kept for at least one day, not %', days;
  end if;
  for i in 0..1 loop
    part := 'system_logs_' || to_char(month, 'YYYY_MM');
    if to_regclass('logging.' || part) is null then
      first_instant := month::timestamp at time zone 'UTC';
      end_instant := (month + interval '1 month') at time zone 'UTC';
      -- Lines of a month that was not made in time wait in the default partition, and
      -- a partition cannot be made over them.
      create temporary table waiting on commit drop as
        select * from logging.system_logs_default
        where timestamp >= first_instant and timestamp < end_instant;
      delete from logging.system_logs_default
        where timestamp >= first_instant and timestamp < end_instant;
      perform logging.ensure_partitions(month, 1);
      insert into logging.system_logs select * from pg_temp.waiting;
      drop table pg_temp.waiting;
      made := made + 1;
    end if;
    month := (month + interval '1 month')::date;
  end loop;
  for part in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'logging.system_logs'::regclass
      and c.relname ~ '^system_logs_[0-9]{4}_[0-9]{2}$'
  loop
    end_instant := (to_date(right(part, 7), 'YYYY_MM') + interval '1 month')
      at time zone 'UTC';
    if end_instant <= cutoff then
      execute format('drop table logging.%I', part);
      dropped := dropped + 1;
    end if;
  end loop;
  delete from logging.system_logs where timestamp < cutoff;
  get diagnostics lines = row_count;
  delete from logging.performance_logs where timestamp < cutoff;
  get diagnostics timings = row_count;
  return jsonb_build_object('partitions_made', made, 'partitions_dropped', dropped,
    'lines_dropped', lines + timings);
end $$;
"""

AUDIT = """
create trigger audit_row after insert or update or delete on notification.preferences
  for each row execute function shared.audit_row();
"""


def upgrade() -> None:
    """Apply."""
    op.execute("create schema if not exists notification")
    op.create_table(
        "health_checks",
        sa.Column(
            "check_id", sa.BigInteger(), sa.Identity(always=False), nullable=False
        ),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("observed_value", sa.Text(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("check_id", name=op.f("pk_health_checks")),
        schema="notification",
    )
    op.create_index(
        op.f("ix_health_checks_checked_at"),
        "health_checks",
        ["checked_at"],
        unique=False,
        schema="notification",
    )
    op.create_table(
        "health_state",
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("observed_value", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "failures", sa.Integer(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "alerted", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.CheckConstraint(
            "status in ('pass', 'warn', 'fail')", name=op.f("ck_health_state_status")
        ),
        sa.PrimaryKeyConstraint("component", name=op.f("pk_health_state")),
        schema="notification",
    )
    op.create_table(
        "log_progress",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("summarized_until", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("one", name=op.f("ck_log_progress_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_log_progress")),
        schema="notification",
    )
    op.create_table(
        "log_summaries",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column(
            "patterns",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "hour", "service", "level", name=op.f("pk_log_summaries")
        ),
        schema="notification",
    )
    op.create_table(
        "notifications",
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("dedup_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column(
            "lines",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Uuid(), nullable=True),
        sa.Column("count", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "last_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "severity in ('info', 'warning', 'critical')",
            name=op.f("ck_notifications_severity"),
        ),
        sa.PrimaryKeyConstraint("notification_id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("dedup_key", name=op.f("uq_notifications_dedup_key")),
        schema="notification",
    )
    op.create_index(
        op.f("ix_notifications_created_at_notification_id"),
        "notifications",
        ["created_at", "notification_id"],
        unique=False,
        schema="notification",
    )
    op.create_index(
        "ix_notifications_unread",
        "notifications",
        ["created_at"],
        unique=False,
        schema="notification",
        postgresql_where=sa.text("read_at is null"),
    )
    op.create_table(
        "preferences",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("min_severity", sa.Text(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "channel in ('dashboard', 'email')", name=op.f("ck_preferences_channel")
        ),
        sa.CheckConstraint(
            "min_severity in ('info', 'warning', 'critical')",
            name=op.f("ck_preferences_min_severity"),
        ),
        sa.PrimaryKeyConstraint("kind", "channel", name=op.f("pk_preferences")),
        schema="notification",
    )
    op.create_table(
        "deliveries",
        sa.Column(
            "delivery_id", sa.BigInteger(), sa.Identity(always=False), nullable=False
        ),
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column(
            "status", sa.Text(), server_default=sa.text("'pending'"), nullable=False
        ),
        sa.Column(
            "attempts", sa.Integer(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("channel in ('email')", name=op.f("ck_deliveries_channel")),
        sa.CheckConstraint(
            "status in ('pending', 'sent', 'given_up')",
            name=op.f("ck_deliveries_status"),
        ),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notification.notifications.notification_id"],
            name=op.f("fk_deliveries_notification_id"),
        ),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "notification_id",
            "channel",
            name=op.f("uq_deliveries_notification_id_channel"),
        ),
        schema="notification",
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["next_attempt_at"],
        unique=False,
        schema="notification",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.execute(KEEP_LOGS)
    op.execute(AUDIT)
