"""Deciding on one bar: every strategy that is on, every symbol, also "no"."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import polars as pl
from loguru import logger

from trading_core.calendar import Calendar, OutsideCalendar, Timeframe
from trading_strategy.domain import deciding
from trading_strategy.domain.deciding import Outcome, Verdict
from trading_strategy.models import StrategyRow
from trading_strategy.operations.engine import Engine, StrategyFault
from trading_strategy.operations.settings import follow_file
from trading_strategy.repository import StrategyTransaction
from trading_strategy.repository.strategies import Strategies
from trading_system.contracts.ingestion import BarsIngested
from trading_system.contracts.strategy import (
    DecisionsRecorded,
    SignalGenerated,
    StrategyFailed,
)
from trading_system.errors import Misconfigured
from trading_system.vocabulary import (
    correlation_id,
    decision_id,
    identity,
    signal_id,
)


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of one bar."""

    decisions: int = 0
    signals: int = 0
    errors: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()


def decide_bar(
    tx: StrategyTransaction,
    engine: Engine,
    bar: BarsIngested,
    *,
    only: str | None = None,
) -> Decided:
    """Let every strategy that has not decided on a bar decide, and tell of it.

    Orders may come of it only when the bar was the newest when it came in and still is.
    """
    tx.take_turn()
    _take_up_changes(tx, engine)
    sequence = tx.ingested.sequence(bar)
    decided = tx.decisions.deciders(bar.timeframe, bar.bar_end)
    todo = [
        row
        for row in tx.strategies.deciding()
        if row.strategy_id not in decided
        and row.decides_after < sequence
        and (only is None or row.name == only)
    ]
    if not todo:
        return Decided()
    newest = tx.windows.newest_end(bar.timeframe, bar.feed)
    about = _About(
        bar,
        tuple(sorted({*bar.symbols, *bar.missing})),
        may_trade=bar.newest and (newest is None or newest <= bar.bar_end),
        valid_until=valid_until(tx.calendar, bar),
    )
    window = _window(tx, engine, about, todo)
    decisions: list[dict[str, Any]] = []
    signals: list[SignalGenerated] = []
    errors: list[str] = []
    for row in todo:
        verdicts, error = _verdicts(engine, row, window, about)
        error = error or engine.fault(row.name)
        if error is not None:
            errors.append(error)
        _note_error(tx, row, about, error)
        decisions += [_decision(row, verdict, about) for verdict in verdicts]
        asking = [each for each in verdicts if each.outcome is Outcome.SIGNAL]
        legs = Counter(each.group for each in asking if not each.reduce_only)
        signals += [
            _signal(engine, row, verdict, about, legs[verdict.group])
            for verdict in asking
        ]
    tx.decisions.add(decisions, [_signal_row(signal) for signal in signals])
    for signal in signals:
        tx.publish(signal)
    names = tuple(row.name for row in todo)
    tx.publish(
        DecisionsRecorded(
            timeframe=bar.timeframe,
            bar_end=bar.bar_end,
            strategies=names,
            decisions=len(decisions),
            signals=len(signals),
            session_closed=bar.session_closed,
            market_time=bar.market_time,
        )
    )
    return Decided(len(decisions), len(signals), tuple(errors), names)


def _take_up_changes(tx: StrategyTransaction, engine: Engine) -> None:
    """Bring changed files into force; a wrong strategies file changes nothing."""
    if engine.reload():
        try:
            with tx.session.begin_nested():
                follow_file(tx, engine)
        except Misconfigured as error:
            logger.error("What was in force before stays: {}", error)


def valid_until(calendar: Calendar, bar: BarsIngested) -> datetime:
    """Return until when a signal of this bar may become an order.

    One bar after its end; at the close of a session, one bar after the next open.
    """
    length: timedelta = Timeframe(bar.timeframe).length
    if not bar.session_closed:
        return bar.bar_end + length
    try:
        return calendar.next_open(bar.bar_end) + length
    except OutsideCalendar:
        # Without a next session the signal expires before anything opens.
        return bar.bar_end + length


@dataclass(frozen=True, slots=True)
class _About:
    bar: BarsIngested
    symbols: tuple[str, ...]
    may_trade: bool
    valid_until: datetime


def _window(
    tx: StrategyTransaction, engine: Engine, about: _About, rows: Sequence[StrategyRow]
) -> pl.DataFrame:
    sizes = [1]
    for row in rows:
        try:
            sizes.append(engine.window_size(row))
        except StrategyFault:
            continue  # It is told when the strategy is asked to decide.
    return tx.windows.read(
        about.symbols,
        timeframe=about.bar.timeframe,
        feed=about.bar.feed,
        until=about.bar.bar_end,
        count=max(sizes),
    )


def _verdicts(
    engine: Engine, row: StrategyRow, window: pl.DataFrame, about: _About
) -> tuple[list[Verdict], str | None]:
    try:
        strategy = engine.strategy(row)
        return (
            engine.run(
                row.name,
                lambda: deciding.decide(
                    strategy, window, about.symbols, about.bar.bar_start
                ),
            ),
            None,
        )
    except StrategyFault as error:
        logger.warning("{}", error)
        return deciding.failed(about.symbols, str(error)), str(error)


def _note_error(
    tx: StrategyTransaction, row: StrategyRow, about: _About, error: str | None
) -> None:
    if error is None:
        if row.last_error is not None:
            row.last_error = None
        return
    row.last_error = error
    if tx.strategies.add_error(row.name, about.bar.bar_end, error):
        tx.publish(
            StrategyFailed(
                strategy=row.name,
                bar_end=about.bar.bar_end,
                error=error,
                market_time=about.bar.market_time,
            )
        )


def _decision(row: StrategyRow, verdict: Verdict, about: _About) -> dict[str, Any]:
    bar = about.bar
    decision = _decision_id(row, verdict.symbol, bar)
    return {
        "decision_id": decision,
        "correlation_id": correlation_id(verdict.symbol, bar.timeframe, bar.bar_end),
        "strategy_id": row.strategy_id,
        "strategy": row.name,
        "strategy_version": row.version,
        "source_hash": row.source_hash,
        "symbol": verdict.symbol,
        "timeframe": bar.timeframe,
        "feed": bar.feed,
        "bar_start": bar.bar_start,
        "bar_end": bar.bar_end,
        "close": verdict.close,
        "bar_revision": verdict.revision,
        "window_start": verdict.window_start,
        "window_bars": verdict.window_bars,
        "outcome": str(verdict.outcome),
        "score": verdict.score,
        "reason": verdict.reason,
        "indicators": verdict.indicators,
        "conditions": verdict.conditions,
        "signal_id": (
            signal_id(decision) if verdict.outcome is Outcome.SIGNAL else None
        ),
        "may_trade": about.may_trade,
        "market_time": bar.market_time,
    }


def _decision_id(row: StrategyRow, symbol: str, bar: BarsIngested) -> UUID:
    return decision_id(row.name, symbol, bar.timeframe, bar.bar_end)


def _signal(
    engine: Engine, row: StrategyRow, verdict: Verdict, about: _About, legs: int
) -> SignalGenerated:
    bar = about.bar
    decision = _decision_id(row, verdict.symbol, bar)
    parameters = engine.strategy(row).parameters
    assert verdict.side is not None and verdict.price is not None
    group = verdict.group
    return SignalGenerated(
        correlation_id=correlation_id(verdict.symbol, bar.timeframe, bar.bar_end),
        signal_id=signal_id(decision),
        decision_id=decision,
        strategy=row.name,
        strategy_version=row.version,
        symbol=verdict.symbol,
        side=verdict.side,
        timeframe=bar.timeframe,
        bar_start=bar.bar_start,
        bar_end=bar.bar_end,
        decision_price=verdict.price,
        score=verdict.score,
        reason=verdict.reason,
        max_position_size=verdict.weight * parameters.max_position_size,
        allow_short=parameters.allow_short,
        reduce_only=verdict.reduce_only,
        group_id=None if group is None else _group_id(row, group, bar),
        legs=legs if group and not verdict.reduce_only else 1,
        may_trade=about.may_trade,
        session_closed=bar.session_closed,
        valid_until=about.valid_until,
        market_time=bar.market_time,
    )


def _group_id(row: StrategyRow, group: str, bar: BarsIngested) -> UUID:
    return identity("legs", row.name, group, bar.timeframe, bar.bar_end.isoformat())


def _signal_row(signal: SignalGenerated) -> dict[str, Any]:
    return {
        "signal_id": signal.signal_id,
        "decision_id": signal.decision_id,
        "correlation_id": signal.correlation_id,
        "strategy_id": Strategies.id_of(signal.strategy),
        "strategy": signal.strategy,
        "strategy_version": signal.strategy_version,
        "symbol": signal.symbol,
        "signal": str(signal.side),
        "timestamp": signal.market_time,
        "timeframe": signal.timeframe,
        "bar_start": signal.bar_start,
        "bar_end": signal.bar_end,
        "decision_price": signal.decision_price,
        "score": signal.score,
        "reason": signal.reason,
        "max_position_size": signal.max_position_size,
        "allow_short": signal.allow_short,
        "may_trade": signal.may_trade,
        "session_closed": signal.session_closed,
        "valid_until": signal.valid_until,
    }
