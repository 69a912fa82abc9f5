"""What must hold between bars, decisions and signals."""

from trading_system.contracts.ingestion import BarsIngested
from trading_system.database import Identity

# A strategy decides on the symbols of the first telling of a bar after it began.
_TOLD = f"""
select distinct on (s.strategy_id, e.payload ->> 'timeframe', e.payload ->> 'bar_end')
       s.strategy_id, s.name, e.payload ->> 'timeframe' as timeframe,
       cast(e.payload ->> 'bar_end' as timestamptz) as bar_end,
       (e.payload -> 'symbols') || (e.payload -> 'missing') as symbols
from shared.events e
join strategy_engine.strategies s on s.status <> 'disabled' and e.seq > s.decides_after
where e.topic = '{BarsIngested.topic}'
order by 1, 3, e.payload ->> 'bar_end', e.seq
"""

IDENTITIES = (
    Identity(
        "a decision for every strategy, symbol and bar",
        f"""
        select coalesce(sum(jsonb_array_length(told.symbols)), 0)
        from ({_TOLD}) told
        """,
        f"""
        select told.name || ' ' || one.symbol || ' ' || told.bar_end
        from ({_TOLD}) told, jsonb_array_elements_text(told.symbols) one (symbol)
        where not exists (
            select from strategy_engine.decisions decision
            where decision.strategy_id = told.strategy_id
              and decision.symbol = one.symbol
              and decision.timeframe = told.timeframe
              and decision.bar_end = told.bar_end)
        """,
        "`trading strategy run-once`.",
    ),
    Identity(
        "one decision for each of them",
        "select count(*) from strategy_engine.decisions",
        """
        select strategy || ' ' || symbol || ' ' || bar_end
        from strategy_engine.decisions
        group by strategy, symbol, timeframe, bar_end having count(*) > 1
        """,
        "Keep the database for an analysis: this must not happen.",
    ),
    Identity(
        "a signal for every decision that is one",
        "select count(*) from strategy_engine.decisions where signal_id is not null",
        """
        select coalesce(decision.signal_id, signal.signal_id)
        from strategy_engine.decisions decision
        full join strategy_engine.strategy_signals signal
               on signal.signal_id = decision.signal_id
        where signal.signal_id is null and decision.signal_id is not null
           or decision.decision_id is null
        """,
        "Keep the database for an analysis: this must not happen.",
    ),
)
