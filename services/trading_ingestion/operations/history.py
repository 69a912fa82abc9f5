"""Bars of the past: what a first start needs at once, the rest afterwards."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from trading_core.calendar import NEW_YORK, Calendar, require_aware
from trading_ingestion.domain.universe import first_universe
from trading_ingestion.operations import storing
from trading_ingestion.operations.source import Source
from trading_ingestion.repository import IngestionTransaction
from trading_system.contracts.ingestion import FetchResult, HistoryLoaded
from trading_system.database import Database
from trading_system.errors import Invalid

SESSIONS_AT_ONCE = 60
"""Sessions before the start that are loaded first, and in each step after that."""

AS_FAR_AS = timedelta(days=730)


def begin(
    database: Database[IngestionTransaction], source: Source, market_time: datetime
) -> None:
    """Remember, once, where live bars begin and which symbols are fetched."""
    if source.begun.is_set():
        return
    with database.read_only() as tx:
        begun = tx.series.get(source.timeframe, source.feed) is not None
        if begun and tx.universe.all():
            source.begun.set()
            return
    listed = {asset.symbol: asset.name for asset in source.market_data.assets()}
    with database.transaction() as tx:
        tx.series.begin(
            source.timeframe, source.feed, source.pace.live_from(market_time)
        )
        if not tx.universe.all():
            tx.universe.add(first_universe(listed), market_time)


def history_is_complete(
    database: Database[IngestionTransaction], source: Source
) -> bool:
    """Say whether there is nothing left to load."""
    with database.read_only() as tx:
        series = tx.series.get(source.timeframe, source.feed)
        return series is not None and series.history_complete


def load_history(
    database: Database[IngestionTransaction], source: Source
) -> FetchResult:
    """Load one step of history: the 60 sessions before what is there already.

    The history is complete when the feed has no bar in a whole step, or two years are
    there.
    """
    market_time = source.market_time()
    begin(database, source, market_time)
    with database.read_only() as tx:
        calendar = tx.calendar
        series = tx.series.get(source.timeframe, source.feed)
        assert series is not None
        symbols, until = tx.universe.active(), series.history_from
        oldest = series.live_from - AS_FAR_AS
        complete = series.history_complete
    if complete:
        return FetchResult(status="complete", market_time=market_time)
    start = max(_sessions_before(calendar, until, SESSIONS_AT_ONCE), oldest)
    intake = source.read(symbols, start, until, calendar)
    with database.transaction() as tx:
        series = tx.series.locked(source.timeframe, source.feed)
        if series.history_from != until:
            return FetchResult(status="somebody else loads", market_time=market_time)
        stored = storing.store(
            tx,
            intake,
            timeframe=source.timeframe,
            feed=source.feed,
            source="backfill",
            market_time=market_time,
        )
        series.history_from = start
        first_day = calendar.sessions[0].open
        series.history_complete = (
            intake.session_bars.is_empty() or start <= oldest or start <= first_day
        )
        _tell(tx, source, symbols, start, until, stored.rows, market_time)
    return FetchResult(
        status="loaded",
        rows_stored=stored.rows,
        symbols=len(symbols),
        problems=len(intake.findings),
        market_time=market_time,
    )


def backfill(
    database: Database[IngestionTransaction],
    source: Source,
    start: datetime,
    end: datetime,
    symbols: Sequence[str] | None = None,
) -> FetchResult:
    """Load the bars of a range again or for other symbols; equal ones change nothing.

    Bars that are due but not taken in yet are left to `fetch_due_bars`.
    """
    start, end = require_aware(start), require_aware(end)
    if start >= end:
        raise Invalid(f"The range ends ({end}) before it starts ({start}).")
    market_time = source.market_time()
    begin(database, source, market_time)
    with database.read_only() as tx:
        calendar = tx.calendar
        chosen = sorted(set(symbols)) if symbols else tx.universe.active()
        series = tx.series.get(source.timeframe, source.feed)
        assert series is not None
        taken = tx.batches.ends(source.timeframe, source.feed, series.live_from)
        end = min(end, max({series.live_from, *taken}))
    rows, problems = 0, 0
    for step_start, step_end in _steps(calendar, start, end):
        intake = source.read(chosen, step_start, step_end, calendar)
        with database.transaction() as tx:
            tx.series.locked(source.timeframe, source.feed)
            stored = storing.store(
                tx,
                intake,
                timeframe=source.timeframe,
                feed=source.feed,
                source="backfill",
                market_time=market_time,
            )
            _tell(tx, source, chosen, step_start, step_end, stored.rows, market_time)
        rows += stored.rows
        problems += len(intake.findings)
    return FetchResult(
        status="loaded",
        rows_stored=rows,
        symbols=len(chosen),
        problems=problems,
        market_time=market_time,
    )


def _tell(
    tx: IngestionTransaction,
    source: Source,
    symbols: Sequence[str],
    first: datetime,
    last: datetime,
    rows: int,
    market_time: datetime,
) -> None:
    if rows:
        tx.publish(
            HistoryLoaded(
                timeframe=source.timeframe,
                feed=source.feed,
                symbols=tuple(symbols),
                first=first,
                last=last,
                rows=rows,
                market_time=market_time,
            )
        )


def _sessions_before(calendar: Calendar, until: datetime, count: int) -> datetime:
    """Return the open of the session that lies `count` sessions before a time."""
    day = until.astimezone(NEW_YORK).date()
    before = calendar.sessions_between(calendar.first_day, day)
    opened = [session for session in before if session.open < until]
    return opened[max(len(opened) - count, 0)].open if opened else until


def _steps(
    calendar: Calendar, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """Cut a range into pieces of at most `SESSIONS_AT_ONCE` sessions, oldest first."""
    steps: list[tuple[datetime, datetime]] = []
    while start < end:
        begins = max(start, _sessions_before(calendar, end, SESSIONS_AT_ONCE))
        steps.append((begins, end))
        if begins >= end:
            break
        end = begins
    return list(reversed(steps))
