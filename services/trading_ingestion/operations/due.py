"""Fetching the bars that should be here by now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from trading_core.calendar import Calendar
from trading_ingestion.domain.due import DueBar, due_bars
from trading_ingestion.domain.finding import Finding, Verdict
from trading_ingestion.domain.intake import Intake, missing_symbols
from trading_ingestion.operations import storing
from trading_ingestion.operations.history import begin
from trading_ingestion.operations.source import Source
from trading_ingestion.repository import IngestionTransaction
from trading_system.contracts.ingestion import BarsIngested, FetchResult
from trading_system.database import Database
from trading_system.errors import Unavailable

BATCHES_AT_ONCE = 35
"""Bars of an outage that one transaction takes in: a week."""

HOLES_AT_MOST = timedelta(days=5)
"""How far before the newest bar taken in an older one may still be waiting for the
feed; it is taken in, empty or not, as soon as it is late."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is due at a market time, and what is needed to fetch it."""

    bars: list[DueBar]
    symbols: list[str]
    calendar: Calendar
    fetch_from: datetime


def fetch_due_bars(
    database: Database[IngestionTransaction],
    source: Source,
    scheduled_for: datetime | None = None,
) -> FetchResult:
    """Fetch, check, store and tell every bar that is due; oldest first.

    Doing it twice changes nothing: a bar end is taken in by one transaction only.
    """
    market_time = source.market_time()
    due = look(database, source, market_time)
    if not due.bars:
        return FetchResult(
            scheduled_for=scheduled_for,
            status="nothing due",
            symbols=len(due.symbols),
            market_time=market_time,
        )
    if not due.symbols:
        raise Unavailable(
            "There is no symbol to fetch bars for.",
            remedy="The market listed none; see GET /universe.",
        )
    intake = source.read(due.symbols, due.fetch_from, due.bars[-1].end, due.calendar)
    taken = [bar for bar in due.bars if _is_answered(bar, intake, source)]
    result = FetchResult(
        scheduled_for=scheduled_for,
        status="waiting for the feed" if len(taken) < len(due.bars) else "stored",
        bars_due=len(due.bars),
        symbols=len(due.symbols),
        market_time=market_time,
    )
    for first in range(0, len(taken), BATCHES_AT_ONCE):
        chunk = taken[first : first + BATCHES_AT_ONCE]
        with database.transaction() as tx:
            result = _take(tx, source, due, chunk, intake, market_time, result)
    return result


def look(
    database: Database[IngestionTransaction], source: Source, market_time: datetime
) -> Due:
    """Return what is due at a market time."""
    timeframe, feed = source.timeframe, source.feed
    begin(database, source, market_time)
    with database.read_only() as tx:
        calendar = tx.calendar
        series = tx.series.get(timeframe, feed)
        assert series is not None
        newest = tx.batches.newest(timeframe, feed)
        since = series.live_from
        if newest is not None:
            since = max(since, newest - HOLES_AT_MOST)
        bars = due_bars(
            calendar,
            timeframe,
            since,
            market_time,
            source.pace.settle,
            tx.batches.ends(timeframe, feed, since),
        )
        symbols = tx.universe.active()
    # The bar before is read again: late prints correct it.
    fetch_from = bars[0].start if bars else market_time
    if bars:
        session = calendar.session_at(bars[0].start)
        if session is not None and session.open < fetch_from:
            fetch_from = max(session.open, fetch_from - source.timeframe.length)
    return Due(bars, symbols, calendar, fetch_from)


def waits_too_long(
    database: Database[IngestionTransaction], source: Source, patience: float
) -> bool:
    """Say whether a bar is due for more than `patience` seconds of market time."""
    market_time = source.market_time()
    due = look(database, source, market_time)
    if not due.bars:
        return False
    waited = market_time - source.pace.settle - due.bars[0].end
    return waited.total_seconds() >= patience


def _is_answered(bar: DueBar, intake: Intake, source: Source) -> bool:
    """Whether the feed is done with a bar: it has some of it, or had time enough.

    Where a feed settles by waiting, an hour in which nothing at all traded more likely
    has not arrived yet, until the bar is late.
    """
    if bar.late or not source.pace.settle:
        return True
    here = intake.session_bars["timestamp"] == bar.start
    return bool(here.any())


def _take(
    tx: IngestionTransaction,
    source: Source,
    due: Due,
    bars: Sequence[DueBar],
    intake: Intake,
    market_time: datetime,
    result: FetchResult,
) -> FetchResult:
    tx.series.locked(source.timeframe, source.feed)
    mine = [
        bar for bar in bars if _take_batch(tx, source, due, bar, intake, market_time)
    ]
    if not mine:
        return result
    until = pl.col("timestamp") < mine[-1].end
    part = Intake(
        intake.received.filter(until),
        intake.session_bars.filter(pl.col("bar_end") <= mine[-1].end),
        intake.findings,
    )
    stored = storing.store(
        tx,
        part,
        timeframe=source.timeframe,
        feed=source.feed,
        source="feed",
        market_time=market_time,
    )
    absent = set(result.missing)
    problems = len(intake.findings)
    for bar in mine:
        missing = missing_symbols(due.symbols, intake.session_bars, bar.start)
        absent.update(missing)
        problems += len(missing)
        storing.log(
            tx,
            _batch_findings(due, bar, missing, intake),
            timeframe=source.timeframe,
            feed=source.feed,
            market_time=market_time,
        )
        tx.publish(
            BarsIngested(
                timeframe=source.timeframe,
                bar_start=bar.start,
                bar_end=bar.end,
                feed=source.feed,
                symbols=tuple(s for s in due.symbols if s not in missing),
                missing=tuple(missing),
                newest=bar.may_trade,
                session_closed=bar.session_closed,
                market_time=market_time,
            )
        )
    return result.model_copy(
        update={
            "rows_stored": result.rows_stored + stored.rows,
            "bar_ends": [*result.bar_ends, *(bar.end for bar in mine)],
            "missing": sorted(absent),
            "problems": result.problems + problems,
        }
    )


def _take_batch(
    tx: IngestionTransaction,
    source: Source,
    due: Due,
    bar: DueBar,
    intake: Intake,
    market_time: datetime,
) -> bool:
    missing = missing_symbols(due.symbols, intake.session_bars, bar.start)
    return tx.batches.take(
        timeframe=source.timeframe,
        feed=source.feed,
        bar_start=bar.start,
        bar_end=bar.end,
        symbols=[symbol for symbol in due.symbols if symbol not in missing],
        missing=missing,
        newest=bar.may_trade,
        market_time=market_time,
    )


def _batch_findings(
    due: Due, bar: DueBar, missing: Sequence[str], intake: Intake
) -> list[Finding]:
    found = [
        Finding(
            "missing",
            Verdict.WARNING,
            f"The feed has no bar of {symbol} from {bar.start:%Y-%m-%d %H:%M} to "
            f"{bar.end:%H:%M}Z.",
            symbol,
            bar.start,
        )
        for symbol in missing
    ]
    came = len(due.symbols) - len(missing)
    if came and not missing:
        said = f"All {came} bars that ended {bar.end:%Y-%m-%d %H:%M}Z came in."
        found.append(Finding("fetch", Verdict.PASSED, said, None, bar.start))
    elif came:
        said = f"{came} of {len(due.symbols)} bars that ended {bar.end:%H:%M}Z came in."
        found.append(Finding("fetch", Verdict.WARNING, said, None, bar.start))
    else:
        said = f"No bar at all came in for the hour that ended {bar.end:%H:%M}Z."
        found.append(Finding("fetch", Verdict.FAILED, said, None, bar.start))
    return found
