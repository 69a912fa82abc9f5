"""What must hold between signals, outcomes and orders."""

from trading_system.database import Identity

IDENTITIES = (
    Identity(
        "a risk outcome for every signal",
        "select count(*) from strategy_engine.strategy_signals",
        """
        select signal.signal_id from strategy_engine.strategy_signals signal
        where not exists (
            select from risk_management.risk_outcomes outcome
            where outcome.signal_id = signal.signal_id)
        """,
        "`trading flows run validate_risk_limits`.",
    ),
    Identity(
        "a signal for every risk outcome",
        "select count(*) from risk_management.risk_outcomes",
        """
        select outcome.signal_id from risk_management.risk_outcomes outcome
        where not exists (
            select from strategy_engine.strategy_signals signal
            where signal.signal_id = outcome.signal_id)
          and not exists (
            select from risk_management.manual_orders manual
            where manual.signal_id = outcome.signal_id)
        """,
        "Halt trading: `trading halt --level 2`.",
    ),
    Identity(
        "an order for every approval",
        "select count(*) from risk_management.risk_outcomes"
        " where outcome = 'approved'",
        """
        select outcome.signal_id from risk_management.risk_outcomes outcome
        where outcome.outcome = 'approved' and not exists (
            select from execution.orders
            where orders.order_id = outcome.order_id
              and orders.signal_id = outcome.signal_id)
        """,
        "See `trading logs execution`.",
    ),
    # The first generation is what was approved; a flatten needs no approval.
    Identity(
        "one approval for every order",
        "select count(*) from execution.orders where generation = 0",
        """
        select orders.order_id from execution.orders
        left join risk_management.risk_outcomes outcome
               on outcome.order_id = orders.order_id and outcome.outcome = 'approved'
        where outcome.signal_id is null and orders.generation = 0
          and orders.leg = 0 and orders.tag <> 'flatten'
        """,
        "Halt trading: `trading halt --level 2`.",
    ),
)
