"""Finding the bars that nobody decided on, and single steps on demand."""

from datetime import datetime, timedelta

import polars as pl

from trading_core.calendar import Timeframe
from trading_strategy.domain import deciding
from trading_strategy.operations.deciding import decide_bar
from trading_strategy.operations.engine import Engine, StrategyFault
from trading_strategy.repository import StrategyTransaction
from trading_system.contracts.strategy import IndicatorView, StrategyRunResult
from trading_system.database import Database
from trading_system.errors import Unavailable
from trading_system.vocabulary import TIMEFRAME


def run_strategies(
    database: Database[StrategyTransaction],
    engine: Engine,
    scheduled_for: datetime | None = None,
    *,
    only: str | None = None,
) -> StrategyRunResult:
    """Decide on every bar that an enabled strategy has not decided on; oldest first.

    Normally there is none, for bars are decided when they come in.
    """
    with database.read_only() as tx:
        undecided = tx.ingested.undecided(only)
    decisions, signals = 0, 0
    errors: list[str] = []
    for bar in undecided:
        with database.transaction() as tx:
            tx.causation_id = bar.event_id
            result = decide_bar(tx, engine, bar, only=only)
        decisions += result.decisions
        signals += result.signals
        errors += result.errors
    return StrategyRunResult(
        scheduled_for=scheduled_for,
        status="decided" if decisions else "nothing to decide",
        bar_ends=[bar.bar_end for bar in undecided],
        decisions=decisions,
        signals=signals,
        errors=errors,
    )


def generate_signals(
    database: Database[StrategyTransaction], engine: Engine, name: str
) -> StrategyRunResult:
    """Decide on the bars that one strategy has not decided on."""
    with database.read_only() as tx:
        tx.strategies.get(name)
    return run_strategies(database, engine, only=name)


def calculate_indicators(
    tx: StrategyTransaction, engine: Engine, name: str
) -> list[IndicatorView]:
    """Compute a strategy's indicators on the newest stored bars; nothing is stored."""
    row = tx.strategies.get(name)
    newest = tx.windows.newest_end(TIMEFRAME, engine.feed)
    if newest is None:
        return []
    try:
        strategy = engine.strategy(row)
        size = engine.window_size(row)
        window = tx.windows.read(
            tx.windows.universe(),
            timeframe=TIMEFRAME,
            feed=engine.feed,
            until=newest,
            count=size,
        )
        decided = engine.run(name, lambda: strategy.decide(window.drop("revision")))
    except StrategyFault as error:
        raise Unavailable(str(error), remedy="Correct the strategy.") from error
    last = decided.group_by("symbol", maintain_order=True).tail(1)
    ends = _ends(tx, last)
    return [
        IndicatorView(
            strategy=name,
            symbol=one["symbol"],
            bar_end=ends[one["timestamp"]],
            close=one["close"],
            indicators=deciding.finite_values(one["indicators"]),
            signal=one["signal"],
            reason=one["reason"],
        )
        for one in last.iter_rows(named=True)
    ]


def _ends(tx: StrategyTransaction, last: pl.DataFrame) -> dict[datetime, datetime]:
    starts: list[datetime] = last["timestamp"].unique().to_list()
    ends: dict[datetime, datetime] = {}
    for start in starts:
        between = tx.calendar.bar_ends(
            start, start + timedelta(days=1), Timeframe(TIMEFRAME)
        )
        ends[start] = between[0] if between else start
    return ends
