"""What must hold between orders, executions, the ledger and positions."""

from trading_system.database import Identity

_ANALYSE = "Halt trading, and keep the database for an analysis: this must not happen."

IDENTITIES = (
    Identity(
        "executions add up to what their orders have filled",
        "select count(*) from execution.orders",
        """
        select orders.order_id from execution.orders
        left join execution.trades using (order_id)
        group by orders.order_id
        having orders.filled_quantity <> coalesce(sum(trades.quantity), 0)
        """,
        _ANALYSE,
    ),
    Identity(
        "one ledger entry for every execution",
        "select count(*) from execution.trades",
        """
        select trades.trade_id from execution.trades
        left join execution.ledger
               on ledger.trade_id = trades.trade_id and ledger.kind = 'fill'
        group by trades.trade_id having count(ledger.entry_id) <> 1
        """,
        _ANALYSE,
    ),
    Identity(
        "what is netted leaves one book for another",
        "select count(*) from execution.crosses",
        """
        select cross_id from execution.crosses
        left join execution.ledger on ledger.kind = 'cross'
              and ledger.reference = crosses.cross_id || ':' || crosses.side
        group by cross_id
        having count(*) <> 2 or count(ledger.entry_id) <> 2
            or sum(ledger.quantity_delta) <> 0 or sum(ledger.cash_delta) <> 0
        """,
        _ANALYSE,
    ),
    Identity(
        "positions are what the ledger adds up to",
        "select count(*) from execution.positions",
        """
        select coalesce(booked.symbol, held.symbol)
        from (select account_id, symbol, sum(quantity_delta) as quantity
              from execution.ledger where symbol is not null group by 1, 2) booked
        full join execution.positions held using (account_id, symbol)
        where coalesce(booked.quantity, 0) <> coalesce(held.quantity, 0)
        """,
        _ANALYSE,
    ),
    Identity(
        "the strategies' parts add up to the positions",
        "select count(*) from execution.strategy_positions",
        """
        select coalesce(parts.symbol, held.symbol)
        from (select account_id, symbol, sum(quantity) as quantity
              from execution.strategy_positions group by 1, 2) parts
        full join execution.positions held using (account_id, symbol)
        where coalesce(parts.quantity, 0) <> coalesce(held.quantity, 0)
        """,
        _ANALYSE,
    ),
)
