"""A database with a calendar, and a feed that does what a test says."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pytest
from sqlalchemy import text

from trading_core.bars import SCHEMA
from trading_core.calendar import NEW_YORK, Calendar, Session, Timeframe
from trading_ingestion.domain.due import Pace
from trading_ingestion.operations import Source
from trading_ingestion.ports import Asset
from trading_ingestion.repository import IngestionTransaction
from trading_system.clock import ClockReading
from trading_system.database import Database
from trading_system.errors import Unavailable
from trading_system.runtime import databases, urls

ROLE_PASSWORD = "only-for-tests"
HALF_DAY = date(2024, 7, 3)
HOLIDAYS = {date(2024, 7, 4), date(2024, 9, 2)}
FIRST_DAY, LAST_DAY = date(2022, 6, 1), date(2024, 12, 31)


def new_york(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), NEW_YORK).astimezone(UTC)


def sessions() -> list[Session]:
    days = (
        FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)
    )
    return [
        Session(day, new_york(day, 9, 30), new_york(day, 13 if day == HALF_DAY else 16))
        for day in days
        if day.weekday() < 5 and day not in HOLIDAYS
    ]


CALENDAR = Calendar(sessions())


class FakeMarketData:
    """A feed of made-up half hours, whose clock and faults a test sets."""

    def __init__(self, symbols: Sequence[str], now: datetime) -> None:
        self.feed = "iex"
        self.symbols = tuple(symbols)
        self.now = now
        self.asked: list[tuple[datetime, datetime]] = []
        self.is_down = False
        self.without: set[tuple[str, datetime]] = set()
        self.changed: dict[tuple[str, datetime], dict[str, float | None]] = {}
        self.history_begins = datetime(2022, 6, 1, tzinfo=UTC)

    def clock(self) -> ClockReading:
        return ClockReading(
            self.now,
            CALENDAR.is_open(self.now),
            CALENDAR.next_open(self.now),
            CALENDAR.next_close(self.now),
        )

    def assets(self) -> Sequence[Asset]:
        return [Asset(symbol, f"{symbol} Inc.") for symbol in self.symbols]

    def bars(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
    ) -> pl.DataFrame:
        self.asked.append((start, end))
        if self.is_down:
            raise Unavailable("The feed is down.")
        begins = max(start, self.history_begins)
        half_hours = [
            opens
            for opens, closes in CALENDAR.bars_between(
                begins - timedelta(seconds=1), min(end, self.now), timeframe
            )
            if opens >= begins and closes <= self.now
        ]
        rows = [
            self._row(symbol, opens)
            for symbol in symbols
            if symbol in self.symbols
            for opens in half_hours
            if (symbol, opens) not in self.without
        ]
        return pl.DataFrame(rows, schema=SCHEMA, orient="row")

    def _row(self, symbol: str, start: datetime) -> dict[str, object]:
        price = 100.0 + len(symbol) + (start.timestamp() // 1800) % 48 / 10
        row: dict[str, object] = {
            "symbol": symbol,
            "timestamp": start,
            "open": price,
            "high": price + 0.2,
            "low": price - 0.2,
            "close": price + 0.1,
            "volume": 1000.0,
        }
        return row | self.changed.get((symbol, start), {})


MONDAY = date(2024, 7, 1)


@pytest.fixture
def url(new_database: Callable[[str], AbstractContextManager[str]]) -> Iterator[str]:
    """The owner's URL of a migrated database that the test has to itself."""
    with new_database("ingestion") as created:
        yield created


@pytest.fixture
def service_url(url: str) -> str:
    """That database for the service's own role, with the rights it has in earnest."""
    return urls.with_user(url, databases.role_of("ingestion"), ROLE_PASSWORD)


@pytest.fixture
def database(url: str, service_url: str) -> Iterator[Database[IngestionTransaction]]:
    """That database, as the service sees it, with the exchange's sessions."""
    owner = Database.connect(url, IngestionTransaction)
    with owner.transaction() as tx:
        tx.session.execute(
            text("insert into shared.sessions values (:day, :open, :close)"),
            [{"day": s.day, "open": s.open, "close": s.close} for s in sessions()],
        )
    owner.close()
    opened = Database.connect(service_url, IngestionTransaction)
    yield opened
    opened.close()


@pytest.fixture
def feed() -> FakeMarketData:
    """Three symbols, on a Monday morning before the open."""
    return FakeMarketData(("AAPL", "BAC", "SPY"), new_york(MONDAY, 9))


@pytest.fixture
def source(feed: FakeMarketData) -> Source:
    """The feed at the pace of a paper account."""
    return Source(feed, Pace(timedelta(seconds=60), lockstep=False))
