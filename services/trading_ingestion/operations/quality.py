"""Looking at what is stored: is it whole, sane and fresh?"""

from collections import Counter
from datetime import datetime, timedelta

from trading_core.bars import SCHEMA, validate
from trading_core.calendar import require_aware
from trading_ingestion.domain import quality
from trading_ingestion.domain.finding import Finding, Verdict
from trading_ingestion.domain.intake import problems_found
from trading_ingestion.operations import storing
from trading_ingestion.operations.source import Source
from trading_ingestion.repository import IngestionTransaction
from trading_system.contracts.ingestion import QualityResult
from trading_system.database import Database

LOOK_BACK = timedelta(days=14)
CONTEXT = timedelta(days=30)
"""Earlier bars that say what a usual move is."""


def validate_data_quality(
    database: Database[IngestionTransaction],
    source: Source,
    since: datetime | None = None,
) -> QualityResult:
    """Check stored bars against the calendar and against sense; log what is new."""
    market_time = source.market_time()
    since = require_aware(since or market_time - LOOK_BACK)
    with database.transaction() as tx:
        findings, checked = _look(tx, source, since, market_time)
        problems = storing.log(
            tx,
            findings,
            timeframe=source.timeframe,
            feed=source.feed,
            market_time=market_time,
        )
    by_check = Counter(one.check_type for one in findings)
    return QualityResult(
        checked=checked,
        problems=len(findings),
        new_problems=problems,
        by_check=dict(sorted(by_check.items())),
        market_time=market_time,
    )


def _look(
    tx: IngestionTransaction, source: Source, since: datetime, market_time: datetime
) -> tuple[list[Finding], int]:
    timeframe, feed, calendar = source.timeframe, source.feed, tx.calendar
    symbols = tx.universe.active()
    series = tx.series.get(timeframe, feed)
    stored = tx.bars.frame(
        timeframe=timeframe,
        feed=feed,
        start=since - CONTEXT,
        end=market_time,
        symbols=symbols,
    ).select(SCHEMA.names())
    recent = stored.filter(stored["timestamp"] >= since)
    taken = tx.batches.ends(timeframe, feed, since)
    # What is due but was not taken in is late, not missing: `stale` tells it.
    until = max(taken, default=series.live_from if series else since)
    after = max(since, series.history_from) if series else since
    findings = problems_found(validate(recent)[1])
    findings += quality.not_session_bars(recent, calendar, timeframe)
    if after < until:
        findings += quality.gaps(recent, calendar, timeframe, after, until, symbols)
    findings += [
        one
        for one in quality.jumps(stored)
        if one.bar_timestamp and one.bar_timestamp >= since
    ]
    newest: dict[str, datetime | None] = dict.fromkeys(symbols)
    newest.update(tx.bars.newest_ends(timeframe, feed))
    findings += quality.stale(
        {symbol: newest[symbol] for symbol in symbols},
        calendar,
        timeframe,
        market_time - source.pace.settle,
    )
    return [one for one in findings if one.status is not Verdict.PASSED], recent.height
