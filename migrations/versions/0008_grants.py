"""What each service's role may do.

A role writes its own schema, reads what the contracts allow, stages events and reads
the log. `shared.grant_roles()` gives the rights to whichever roles exist, so that roles
made later get theirs by calling it again; `trading up` does so at every start.
"""

from alembic import op

revision = "0008_grants"
down_revision = "0007_notification"
branch_labels = None
depends_on = None

GRANTS = """
create function shared.grant_roles() returns void
language plpgsql set search_path = pg_catalog as $$
declare
  own record;
  may record;
begin
  revoke all on all functions in schema shared from public;
  revoke all on all functions in schema logging from public;
  revoke all on all functions in schema risk_management from public;
  for own in
    select r.rolname as role, o.schema
    from (values
      ('trading_ingestion', 'data_ingestion'), ('trading_strategy', 'strategy_engine'),
      ('trading_execution', 'execution'), ('trading_risk', 'risk_management'),
      ('trading_analytics', 'analytics'), ('trading_notification', 'notification')
    ) as o (role, schema) join pg_roles r on r.rolname = o.role
  loop
    execute format('grant usage on schema %I, shared, logging to %I',
      own.schema, own.role);
    execute format('grant select, insert, update, delete on all tables'
      ' in schema %I to %I', own.schema, own.role);
    execute format('grant usage on all sequences in schema %I to %I',
      own.schema, own.role);
    execute format('grant execute on all functions in schema %I to %I',
      own.schema, own.role);
    execute format('grant insert (event_id, topic, key, payload, schema_version,'
      ' causation_id, correlation_id), select on shared.event_staging to %I',
      own.role);
    execute format('grant select on shared.events, shared.system_config,'
      ' shared.sessions, shared.audit_log, shared.audit_chain to %I', own.role);
    execute format('grant select, insert, update on shared.consumers, shared.inbox,'
      ' shared.dead_letters, shared.job_runs to %I', own.role);
    execute format('grant insert on shared.audit_log to %I', own.role);
    execute format('grant execute on function shared.last_sequence(),'
      ' shared.verify_audit() to %I', own.role);
    execute format('grant select, insert on logging.system_logs,'
      ' logging.performance_logs to %I', own.role);
    begin
      execute format('alter role %I set statement_timeout = %L', own.role, '60s');
      execute format('alter role %I set idle_in_transaction_session_timeout = %L',
        own.role, '60s');
      execute format('alter role %I set lock_timeout = %L', own.role, '10s');
    exception when insufficient_privilege then
      -- An administrator made the role, and gives it time-outs or does not.
      null;
    end;
  end loop;
  for may in
    select r.rolname as role, g.schema, g.tables
    from (values
      ('trading_strategy', 'data_ingestion', 'data_ingestion.market_data,'
        ' data_ingestion.universe'),
      ('trading_risk', 'data_ingestion', 'data_ingestion.market_data'),
      ('trading_risk', 'strategy_engine', 'strategy_engine.strategy_signals,'
        ' strategy_engine.strategies'),
      ('trading_risk', 'execution', 'execution.positions, execution.orders,'
        ' execution.ledger, execution.account_snapshots, execution.trades,'
        ' execution.strategy_positions, execution.reconciliation_runs'),
      ('trading_analytics', 'execution', 'execution.orders, execution.trades,'
        ' execution.ledger, execution.positions, execution.strategy_positions,'
        ' execution.account_snapshots'),
      ('trading_analytics', 'strategy_engine', 'strategy_engine.decisions,'
        ' strategy_engine.strategy_signals, strategy_engine.strategies'),
      ('trading_analytics', 'risk_management', 'risk_management.risk_outcomes'),
      ('trading_analytics', 'data_ingestion', 'data_ingestion.market_data')
    ) as g (role, schema, tables) join pg_roles r on r.rolname = g.role
  loop
    execute format('grant usage on schema %I to %I', may.schema, may.role);
    execute 'grant select on ' || may.tables || ' to ' || quote_ident(may.role);
  end loop;
  if exists (select from pg_roles where rolname = 'trading_execution') then
    grant usage on schema risk_management to trading_execution;
    grant execute on function risk_management.tradable_state(text)
      to trading_execution;
  end if;
  if exists (select from pg_roles where rolname = 'trading_notification') then
    grant execute on function logging.ensure_partitions(date, int)
      to trading_notification;
  end if;
end $$;

select shared.grant_roles();
"""


def upgrade() -> None:
    """Apply."""
    op.execute(GRANTS)


def downgrade() -> None:
    """Take back."""
    op.execute("drop function shared.grant_roles()")
