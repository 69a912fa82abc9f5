"""An exchange without a process: a real store in a directory, and a short calendar."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from paper_exchange import instants
from paper_exchange.exchange import Exchange
from paper_exchange.market.companies import COMPANIES
from paper_exchange.market.generated import GeneratedMarket
from paper_exchange.market.market import Market
from paper_exchange.sessions import Sessions
from paper_exchange.store import Store
from paper_exchange.tape import Tape
from trading_core.calendar import NEW_YORK, Calendar, Session
from trading_core.matching import ALPACA_PAPER, FillModel

FIRST = date(2026, 3, 2)
DAYS = 60


def weekday_sessions(first: date = FIRST) -> Sessions:
    """Every weekday of twelve weeks, over the start of daylight saving time.

    The second Friday closes early.
    """
    sessions = []
    for number in range(DAYS // 5 * 7):
        day = first + timedelta(days=number)
        if day.weekday() < 5:
            opens = datetime(day.year, day.month, day.day, 9, 30, tzinfo=NEW_YORK)
            hours = 3.5 if number == 11 else 6.5
            closes = opens.astimezone(UTC) + timedelta(hours=hours)
            sessions.append(Session(day, opens, closes))
    return Sessions(Calendar(sessions))


@pytest.fixture(scope="session")
def sessions() -> Sessions:
    return weekday_sessions()


@pytest.fixture(scope="session")
def autumn_sessions() -> Sessions:
    """The same over the end of daylight saving time."""
    return weekday_sessions(date(2026, 10, 26))


def generated(sessions: Sessions, seed: int = 7) -> GeneratedMarket:
    start = sessions.days[2].open - 5 * instants.MINUTE
    return GeneratedMarket(seed, sessions, start, COMPANIES)


@pytest.fixture
def build(tmp_path: Path, sessions: Sessions) -> Iterator[Callable[..., Exchange]]:
    """Build an exchange; the same name again continues it."""

    made: list[Exchange] = []

    def build_one(
        name: str = "one", model: FillModel = ALPACA_PAPER, seed: int = 7, **more: Any
    ) -> Exchange:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        store = Store(directory / "exchange.sqlite")
        tape = Tape(directory / "tape.jsonl", store.unflushed_tape())
        source = more.get("source") or generated(sessions, seed)
        exchange = Exchange(Market(source, model), store, tape, seed)
        exchange.create_account("paper", "paper", Decimal(100_000))
        made.append(exchange)
        return exchange

    yield build_one
    for exchange in made:
        exchange.close()
