"""What ingestion answers over HTTP."""

from datetime import UTC, date, datetime, time, timedelta
from io import BytesIO
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response, UploadFile
from pydantic import Field

from trading_core.calendar import NEW_YORK, Timeframe
from trading_ingestion import operations
from trading_ingestion.domain.finding import Verdict
from trading_ingestion.models import Listing, MarketBar, QualityLog
from trading_ingestion.operations import RecentBars, Source
from trading_ingestion.operations.importing import IMPORTED, read_file
from trading_ingestion.repository import IngestionTransaction
from trading_system.clock import utc_now
from trading_system.config.settings import Settings
from trading_system.contracts.ingestion import (
    ArchiveResult,
    BarView,
    CoverageView,
    FetchResult,
    ImportResult,
    ListingView,
    QualityLogView,
    QualityResult,
    RecentBarsView,
)
from trading_system.database import Database
from trading_system.personal_tokens import ADMIN, TRADE
from trading_system.security import requires
from trading_system.service import in_read_only, in_transaction
from trading_system.vocabulary import TIMEFRAME, Instant, Model, Symbol

UPLOAD_LIMIT = 200_000_000
FEED_NAME = r"^[a-z0-9_-]{1,40}$"
EVER = datetime(1990, 1, 1, tzinfo=UTC)
ARROW_STREAM = "application/vnd.apache.arrow.stream"

router = APIRouter(tags=["Bars"])


def _source(request: Request) -> Source:
    source: Source = request.app.state.source
    return source


def _database(request: Request) -> Database[IngestionTransaction]:
    database: Database[IngestionTransaction] = request.app.state.database
    return database


def _recent(request: Request) -> RecentBars:
    recent: RecentBars = request.app.state.recent
    return recent


Reading = Annotated[IngestionTransaction, in_read_only]
Writing = Annotated[IngestionTransaction, in_transaction]
From = Annotated[Source, Depends(_source)]
In = Annotated[Database[IngestionTransaction], Depends(_database)]
Recent = Annotated[RecentBars, Depends(_recent)]
Limit = Annotated[int, Query(ge=1, le=10_000)]


class FetchRequest(Model):
    """The slot of a run, if it has one."""

    scheduled_for: Instant | None = None


class ValidateRequest(Model):
    """Since when stored bars are looked at; two weeks when left out."""

    since: Instant | None = None


class BackfillRequest(Model):
    """New York dates, both included; symbols unless the whole universe is meant."""

    symbols: list[Symbol] | None = Field(None, min_length=1, max_length=1000)
    start: date
    end: date


class ImportRequest(Model):
    """A file on this machine."""

    path: str
    timeframe: Timeframe | None = None
    feed: str = Field(IMPORTED, pattern=FEED_NAME)


class ArchiveRequest(Model):
    """The first day that stays; by default each table's own."""

    before: date | None = None


class UniverseRequest(Model):
    """Symbols to fetch from now on, and symbols to leave."""

    add: list[Symbol] = Field(default_factory=list, max_length=1000)
    remove: list[Symbol] = Field(default_factory=list, max_length=1000)


@router.post("/bars/fetch", response_model=FetchResult, dependencies=[requires(TRADE)])
def fetch_bars(
    database: In, source: From, recent: Recent, asked: FetchRequest
) -> FetchResult:
    """Fetch every bar that is due, and tell the other services."""
    result = operations.fetch_due_bars(database, source, asked.scheduled_for)
    if result.bar_ends:
        recent.forget()
    return result


@router.post(
    "/bars/validate", response_model=QualityResult, dependencies=[requires(TRADE)]
)
def validate_bars(database: In, source: From, asked: ValidateRequest) -> QualityResult:
    """Check stored bars for gaps, sanity, jumps and staleness."""
    return operations.validate_data_quality(database, source, asked.since)


@router.post(
    "/bars/backfill", response_model=FetchResult, dependencies=[requires(TRADE)]
)
def backfill_bars(database: In, source: From, asked: BackfillRequest) -> FetchResult:
    """Load the bars of a range that lies in the past."""
    start, end = _midnight(asked.start), _midnight(asked.end + timedelta(days=1))
    return operations.backfill(database, source, start, end, asked.symbols)


@router.post(
    "/bars/import", response_model=ImportResult, dependencies=[requires(ADMIN)]
)
def import_bars(database: In, asked: ImportRequest) -> ImportResult:
    """Store the bars of a CSV or Parquet file on this machine."""
    path = Path(asked.path)
    return operations.import_file(
        database,
        path.name,
        read_file(path),
        utc_now(),
        timeframe=asked.timeframe,
        feed=asked.feed,
    )


@router.post(
    "/bars/upload", response_model=ImportResult, dependencies=[requires(ADMIN)]
)
def upload_bars(
    database: In,
    file: UploadFile,
    timeframe: Annotated[Timeframe | None, Form()] = None,
    feed: Annotated[str, Form(pattern=FEED_NAME)] = IMPORTED,
) -> ImportResult:
    """Store the bars of a CSV or Parquet file that comes with the request."""
    return operations.import_file(
        database,
        file.filename or "upload",
        file.file.read(),
        utc_now(),
        timeframe=timeframe,
        feed=feed,
    )


@router.get("/bars", response_model=list[BarView])
def list_bars(
    tx: Reading,
    source: From,
    symbol: Symbol,
    timeframe: Timeframe = Timeframe(TIMEFRAME),
    start: Instant | None = None,
    end: Instant | None = None,
    feed: str | None = None,
    limit: Limit = 500,
) -> list[MarketBar]:
    """List the latest bars of a symbol in a range, oldest first."""
    return tx.bars.listed(
        symbol=symbol,
        timeframe=timeframe,
        feed=feed or source.feed,
        start=start,
        end=end,
        limit=limit,
    )


@router.get(
    "/bars/arrow",
    response_class=Response,
    responses={200: {"content": {ARROW_STREAM: {}}, "description": "The bars."}},
)
def stream_bars(
    tx: Reading,
    source: From,
    symbols: Annotated[str, Query(description="Separated by commas.")] = "",
    timeframe: Timeframe = Timeframe(TIMEFRAME),
    start: Instant = EVER,
    end: Instant | None = None,
    feed: str | None = None,
) -> Response:
    """Give bars as one Arrow IPC stream: the bar columns and `bar_end`."""
    names = [name.strip() for name in symbols.split(",") if name.strip()]
    frame = tx.bars.frame(
        timeframe=timeframe,
        feed=feed or source.feed,
        start=start,
        end=end or utc_now() + timedelta(days=1),
        symbols=names or None,
    )
    buffer = BytesIO()
    frame.write_ipc_stream(buffer)
    return Response(buffer.getvalue(), media_type=ARROW_STREAM)


@router.get("/bars/latest", response_model=list[BarView])
def latest_bars(tx: Reading, source: From) -> list[MarketBar]:
    """List the newest bar of every symbol."""
    return tx.bars.latest(tx.universe.active(), source.timeframe, source.feed)


@router.get("/bars/recent/{symbol}", response_model=RecentBarsView)
def recent_bars(
    database: In, source: From, recent: Recent, symbol: Symbol
) -> RecentBarsView:
    """List the latest bars of a symbol, from Redis when it has them."""
    return recent.get(database, source, symbol)


@router.get("/coverage", response_model=list[CoverageView])
def coverage(tx: Reading) -> list[CoverageView]:
    """Show how complete each symbol's bars are against the calendar."""
    return operations.coverage(tx)


@router.get("/quality", response_model=list[QualityLogView])
def quality_log(
    tx: Reading,
    symbol: Symbol | None = None,
    status: Verdict | None = None,
    before: int | None = None,
    limit: Limit = 100,
) -> list[QualityLog]:
    """List the data-quality log, newest first; go on with `before`."""
    return tx.quality.listed(symbol=symbol, status=status, before=before, limit=limit)


@router.post("/archive", response_model=ArchiveResult, dependencies=[requires(TRADE)])
def archive(
    database: In, source: From, request: Request, asked: ArchiveRequest
) -> ArchiveResult:
    """Move old bars and logs to Parquet; how old they are is told by the market."""
    settings: Settings = request.app.state.settings
    return operations.archive_old_data(
        database,
        settings.trading_data_dir / "archive",
        source.market_time().date(),
        asked.before,
    )


@router.get("/universe", response_model=list[str])
def universe(tx: Reading) -> list[str]:
    """List the symbols that bars are fetched for."""
    return tx.universe.active()


@router.get("/universe/listings", response_model=list[ListingView])
def listings(tx: Reading) -> list[Listing]:
    """List every symbol that is or was fetched, with its dates."""
    return tx.universe.all()


@router.post(
    "/universe", response_model=list[ListingView], dependencies=[requires(ADMIN)]
)
def change_universe(tx: Writing, source: From, asked: UniverseRequest) -> list[Listing]:
    """Fetch bars of other symbols from now on; stored bars stay."""
    tx.universe.add(dict.fromkeys(asked.add, ""), utc_now())
    tx.universe.remove(asked.remove, utc_now())
    return tx.universe.all()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), NEW_YORK)
