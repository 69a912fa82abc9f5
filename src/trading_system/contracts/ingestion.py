"""What ingestion says: bars that came in, and what is wrong with them."""

from datetime import date
from uuid import UUID

from trading_system.event import Event
from trading_system.vocabulary import Instant, Symbol, View


class BarsIngested(Event, topic="ingestion.bars_ingested"):
    """All bars of one hour that the feed had are stored.

    `newest` is false for bars that an outage left behind: they refresh data and
    place no orders. `session_closed` marks the last bar of a session.
    """

    timeframe: str
    bar_start: Instant
    bar_end: Instant
    feed: str
    symbols: tuple[Symbol, ...]
    missing: tuple[Symbol, ...] = ()
    newest: bool
    session_closed: bool
    market_time: Instant

    @property
    def key(self) -> str:
        return f"{self.timeframe}:{self.feed}"


class HistoryLoaded(Event, topic="ingestion.history_loaded"):
    """Bars of the past were stored; they are for indicators and backtests only."""

    timeframe: str
    feed: str
    symbols: tuple[Symbol, ...]
    first: Instant
    last: Instant
    rows: int
    market_time: Instant

    @property
    def key(self) -> str:
        return f"{self.timeframe}:{self.feed}"


class DataQualityFailed(Event, topic="ingestion.data_quality_failed"):
    """A bar broke a rule, is missing or late."""

    symbol: Symbol | None
    check_type: str
    severity: str
    message: str
    market_time: Instant

    @property
    def key(self) -> str:
        return self.symbol or "all"


class BarView(View):
    """One session bar as stored; `timestamp` is its start."""

    symbol: str
    timeframe: str
    timestamp: Instant
    bar_end: Instant
    open: float
    high: float
    low: float
    close: float
    volume: float
    feed: str
    received_at: Instant
    revision: int


class RecentBarsView(View):
    """The latest bars of a symbol, oldest first; `source` is cache or database."""

    symbol: str
    source: str
    bars: list[BarView]


class FetchResult(View):
    """What one fetch did."""

    scheduled_for: Instant | None = None
    claimed: bool = True
    status: str
    bars_due: int = 0
    rows_stored: int = 0
    bar_ends: list[Instant] = []
    symbols: int = 0
    missing: list[str] = []
    problems: int = 0
    market_time: Instant | None = None


class QualityResult(View):
    """What one validation of stored bars found."""

    checked: int
    problems: int
    new_problems: int = 0
    by_check: dict[str, int]
    market_time: Instant


class QualityLogView(View):
    """One row of the data-quality log."""

    log_id: int
    symbol: str | None
    check_type: str
    status: str
    message: str
    bar_timestamp: Instant | None = None
    created_at: Instant


class CoverageView(View):
    """How complete a symbol's bars are against the calendar."""

    symbol: str
    timeframe: str
    feed: str
    bars: int
    first: Instant | None
    last: Instant | None
    missing: int = 0


class ArchiveResult(View):
    """What the archive run moved to Parquet and deleted."""

    before: date
    rows: int
    files: list[str]


class ImportResult(View):
    """What an import of a file stored.

    `rows` is 0 when the same file had been imported before; `problems` counts rows
    that lie outside every session, `restamped` opening hours stamped with their open.
    """

    rows: int
    symbols: list[str]
    timeframe: str
    feed: str
    first: Instant | None
    last: Instant | None
    problems: int
    restamped: int = 0
    content_hash: str


class ListingView(View):
    """A symbol that bars are fetched for, or were."""

    symbol: str
    name: str
    active: bool
    added_at: Instant
    removed_at: Instant | None = None


class StepView(View):
    """A run's claim: which slot it holds and whether it may act."""

    job: str
    scheduled_for: Instant
    claimed: bool
    status: str
    run_id: UUID | None = None
