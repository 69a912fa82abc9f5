"""A database with bars and a calendar, and an engine with strategies of the test's."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from sqlalchemy import text

from trading_core.calendar import NEW_YORK, Calendar, Session, Timeframe
from trading_strategy import operations
from trading_strategy.operations import Engine
from trading_strategy.repository import StrategyTransaction
from trading_system import plugins
from trading_system.config import strategies
from trading_system.contracts.ingestion import BarsIngested
from trading_system.database import Database
from trading_system.runtime import databases, urls

ROLE_PASSWORD = "only-for-tests"
SYMBOLS = ("AAPL", "BAC", "SPY")


def new_york(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), NEW_YORK).astimezone(UTC)


def sessions() -> list[Session]:
    days = (date(2024, 6, 3) + timedelta(days=n) for n in range(60))
    return [
        Session(day, new_york(day, 9, 30), new_york(day, 16))
        for day in days
        if day.weekday() < 5
    ]


CALENDAR = Calendar(sessions())
BARS = [
    bar for session in sessions() for bar in CALENDAR.bars(session, Timeframe.ONE_HOUR)
]


@pytest.fixture
def url(new_database: Callable[[str], AbstractContextManager[str]]) -> Iterator[str]:
    """The owner's URL of a migrated database that the test has to itself."""
    with new_database("strategy") as created:
        yield created


@pytest.fixture
def service_url(url: str) -> str:
    """That database for the service's own role, with the rights it has in earnest."""
    return urls.with_user(url, databases.role_of("strategy"), ROLE_PASSWORD)


@pytest.fixture
def owner(url: str) -> Iterator[Database[StrategyTransaction]]:
    """That database as its owner sees it, with sessions and a universe."""
    opened = Database.connect(url, StrategyTransaction)
    with opened.transaction() as tx:
        tx.session.execute(
            text("insert into shared.sessions values (:day, :open, :close)"),
            [{"day": s.day, "open": s.open, "close": s.close} for s in sessions()],
        )
        tx.session.execute(
            text(
                "insert into data_ingestion.universe (symbol, added_at)"
                " values (:symbol, now())"
            ),
            [{"symbol": symbol} for symbol in SYMBOLS],
        )
    yield opened
    opened.close()


@pytest.fixture
def database(
    owner: Database[StrategyTransaction], service_url: str
) -> Iterator[Database[StrategyTransaction]]:
    """That database as the service sees it."""
    opened = Database.connect(service_url, StrategyTransaction)
    yield opened
    opened.close()


class Market:
    """Bars with the closes a test gives, stored and told as ingestion does."""

    def __init__(self, database: Database[StrategyTransaction]) -> None:
        self.database = database
        self.at = 0

    def store(self, closes: dict[str, float]) -> tuple[datetime, datetime]:
        """Store the next bar of each symbol and return its start and end."""
        start, end = BARS[self.at]
        self.at += 1
        with self.database.transaction() as tx:
            tx.session.execute(
                text(
                    "insert into data_ingestion.market_data (symbol, timeframe,"
                    " timestamp, feed, open, high, low, close, volume, bar_end,"
                    " received_at, source) values (:symbol, '1Hour', :start, 'iex',"
                    " :close, :close, :close, :close, 100, :end, :end, 'feed')"
                ),
                [
                    {"symbol": symbol, "start": start, "end": end, "close": close}
                    for symbol, close in closes.items()
                ],
            )
        return start, end

    def history(self, count: int, close: float = 100.0) -> None:
        """Store bars that nobody is told of."""
        for _ in range(count):
            self.store(dict.fromkeys(SYMBOLS, close))

    def tell(
        self, closes: dict[str, float], newest: bool = True, **changes: Any
    ) -> BarsIngested:
        """Store the next bar, publish it and return the event."""
        start, end = self.store(closes)
        session = CALENDAR.session_at(start)
        values: dict[str, Any] = {
            "timeframe": "1Hour",
            "bar_start": start,
            "bar_end": end,
            "feed": "iex",
            "symbols": tuple(sorted(closes)),
            "missing": tuple(sorted(set(SYMBOLS) - set(closes))),
            "newest": newest,
            "session_closed": session is not None and session.close == end,
            "market_time": end + timedelta(seconds=61),
        }
        event = BarsIngested(**values | changes)
        with self.database.transaction() as tx:
            tx.publish(event)
        return event


@pytest.fixture
def market(owner: Database[StrategyTransaction]) -> Market:
    return Market(owner)


MakeEngine = Callable[..., Engine]


@pytest.fixture
def make_engine(
    database: Database[StrategyTransaction], tmp_path: Path
) -> Iterator[MakeEngine]:
    """Return an engine for a strategies file and files of the user's own."""

    def make(document: str, patience: float = 5.0, **own: str) -> Engine:
        folder = tmp_path / "own"
        folder.mkdir(exist_ok=True)
        for name, source in own.items():
            (folder / f"{name}.py").write_text(dedent(source), encoding="utf-8")
        path = tmp_path / "strategies.yaml"
        path.write_text(dedent(document), encoding="utf-8")
        engine = Engine(
            plugins.discover([folder]),
            strategies.load(path),
            "iex",
            patience,
            directories=[folder],
        )
        with database.transaction() as tx:
            operations.follow_file(tx, engine)
        return engine

    yield make


MOMENTUM = """
    strategies:
      - name: "momentum_strategy"
        enabled: true
        parameters:
          lookback_period: 3
          threshold: 0.02
          max_position_size: 0.1
        risk_limits:
          max_drawdown: 0.05
          max_daily_loss: 0.02
"""


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    """The bundled momentum strategy, looking back three bars."""
    return make_engine(MOMENTUM)
