"""The chain against itself: nothing between a bar and an order is lost or doubled.

Read by the owner of the database, in one snapshot; at rest every count is zero.
"""

from dataclasses import dataclass

from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from psycopg2.extensions import cursor as Cursor

from trading_system.runtime import databases
from trading_system.runtime.finding import Finding, State


@dataclass(frozen=True)
class Identity:
    """Something that holds: how many there are, and how many break it."""

    name: str
    counted: str
    broken: str
    remedy: str


IDENTITIES = (
    Identity(
        "a decision for every strategy, symbol and bar",
        "select count(*) from strategy_engine.decisions",
        """
        with spans as (
            select strategy_id, timeframe, feed,
                   min(bar_start) as first, max(bar_start) as last
            from strategy_engine.decisions group by 1, 2, 3
        )
        select count(*) from spans
        join data_ingestion.market_data bar
          on bar.timeframe = spans.timeframe and bar.feed = spans.feed
         and bar.timestamp between spans.first and spans.last
        where not exists (
            select from strategy_engine.decisions decision
            where decision.strategy_id = spans.strategy_id
              and decision.symbol = bar.symbol
              and decision.timeframe = bar.timeframe
              and decision.feed = bar.feed
              and decision.bar_start = bar.timestamp
        )
        """,
        "`trading strategy run-once`; a strategy that was paused has none meanwhile.",
    ),
    Identity(
        "one decision for each of them",
        "select count(*) from strategy_engine.decisions",
        """
        select count(*) from (
            select from strategy_engine.decisions
            group by strategy_id, symbol, timeframe, feed, bar_start
            having count(*) > 1
        ) doubled
        """,
        "Keep the database for an analysis: this must not happen.",
    ),
    Identity(
        "a risk outcome for every signal",
        "select count(*) from strategy_engine.strategy_signals",
        """
        select count(*) from strategy_engine.strategy_signals signal
        where not exists (
            select from risk_management.risk_outcomes outcome
            where outcome.signal_id = signal.signal_id
        )
        """,
        "`trading flows run validate_risk_limits`.",
    ),
    Identity(
        "an order for every approval",
        "select count(*) from risk_management.risk_outcomes where order_id is not null",
        """
        select count(*) from risk_management.risk_outcomes outcome
        where outcome.order_id is not null and not exists (
            select from execution.orders o where o.order_id = outcome.order_id
        )
        """,
        "See `trading logs execution`.",
    ),
    Identity(
        "an approval for every order",
        "select count(*) from execution.orders",
        """
        select count(*) from execution.orders o
        where o.signal_id is not null and not exists (
            select from risk_management.risk_outcomes outcome
            where outcome.signal_id = o.signal_id and outcome.outcome = 'approved'
        )
        """,
        "Halt trading: `trading halt --level 2`.",
    ),
)


def check(owner: str) -> list[Finding]:
    """Return what was counted, and what breaks the chain."""
    with databases.connected(owner) as connection:
        connection.autocommit = False
        connection.set_session(ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
        with connection.cursor() as cursor:
            return [_finding(identity, cursor) for identity in IDENTITIES]


def _finding(identity: Identity, cursor: Cursor) -> Finding:
    counts = []
    for statement in (identity.counted, identity.broken):
        cursor.execute(statement)
        row = cursor.fetchone()
        assert row is not None
        counts.append(int(row[0]))
    all_, broken = counts
    if broken:
        words = f"{broken} break it, of {all_}"
        return Finding(identity.name, State.FAIL, words, identity.remedy)
    return Finding(identity.name, State.PASS, f"holds for {all_}")
