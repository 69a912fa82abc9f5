"""Lockstep, with an exchange and services that die at the wrong moment."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import httpx
import pytest

from trading_core.calendar import Calendar, xnys_sessions
from trading_system.clients import Services
from trading_system.config.settings import Settings
from trading_system.contracts.system import IdleView, SessionView
from trading_system.errors import Conflict, Unavailable
from trading_system.runtime import conductor
from trading_system.runtime.conductor import (
    NETS,
    Conductor,
    Exchange,
    ExchangeClock,
    Rounds,
)
from trading_system.runtime.stage import Stage

pytestmark = pytest.mark.unit

DAY = date(2015, 4, 10)
CALENDAR = Calendar(xnys_sessions(date(2015, 3, 2), date(2016, 6, 1)))
SESSION = CALENDAR.session_on(DAY)
assert SESSION is not None
ENDS = [end for _, end in CALENDAR.bars(SESSION, "1Hour")]
CLOSING = [
    "update_positions",
    "reconcile",
    "analyze_trades",
    "calculate_performance",
    "report daily",
    "summary",
]
BEFORE_OPEN = datetime(2015, 4, 10, 13, 0, tzinfo=UTC)


class FakeExchange:
    """A clock that obeys, except where it is told to fail."""

    def __init__(self, now: datetime, last: datetime | None = None) -> None:
        self.now = now
        self.last = last
        self.failures: list[Exception] = []
        self.advanced: list[datetime] = []

    async def clock(self) -> ExchangeClock:
        return ExchangeClock(self.now, 0, self.now == self.last)

    async def steer(self, **command: Any) -> ExchangeClock:
        if "advance_to" in command:
            end = datetime.fromisoformat(command["advance_to"])
            if self.failures:
                raise self.failures.pop()
            self.advanced.append(end)
            self.now = min(end, self.last or end)
        return await self.clock()


class FakeServices:
    """Six services that are always at rest, and what was asked of them."""

    name = "fake"

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.failures: dict[object, list[Exception]] = {}
        self.resting_at: Callable[[], None] = lambda: None
        self.ingestion = self.execution = self.analytics = self.notification = self
        self.all = (self,)

    def _did(self, what: object) -> None:
        if failures := self.failures.get(what):
            raise failures.pop()
        self.asked.append(what)

    def idle(self, wait: float) -> IdleView:
        self.resting_at()
        return IdleView(idle=True, sequence=0, waiting_for=[])

    def sessions(self, start: date, end: date) -> list[SessionView]:
        return [
            SessionView(day=each.day, open=each.open, close=each.close)
            for each in CALENDAR.sessions
            if start <= each.day <= end
        ]

    def fetch(self, end: datetime) -> None:
        self._did(end)

    def generate_report(self, kind: str) -> None:
        self._did(f"report {kind}")

    def send_summary(self) -> None:
        self._did("summary")

    def __getattr__(self, verb: str) -> Callable[[], None]:
        return lambda: self._did(verb)


async def conducted(
    exchange: FakeExchange, services: FakeServices, until: str | None = "2015-04-10"
) -> list[str]:
    """Conduct to the end, and return what the person who watches was told."""
    notes: list[str] = []
    stage = Stage(Settings(), "", until, notes.append)
    await Conductor(
        stage, cast(Exchange, exchange), cast(Services, services)
    ).run_in_lockstep()
    return notes


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conductor, "AGAIN", 0.0)


async def test_every_bar_of_a_session_is_fetched_at_its_end() -> None:
    exchange, services = FakeExchange(BEFORE_OPEN), FakeServices()
    notes = await conducted(exchange, services)
    assert exchange.advanced == ENDS
    assert services.asked == [*ENDS, *CLOSING]
    assert notes == ["market time has reached its end"]


async def test_fills_of_a_bar_are_booked_before_its_end_is_fetched() -> None:
    exchange, services = FakeExchange(BEFORE_OPEN), FakeServices()
    services.resting_at = lambda: services.asked.append(("rest", exchange.now))
    await conducted(exchange, services)
    for end in ENDS:
        assert services.asked[services.asked.index(end) - 1] == ("rest", end)


async def test_an_advance_and_a_fetch_that_were_cut_off_are_repeated() -> None:
    exchange, services = FakeExchange(BEFORE_OPEN), FakeServices()
    exchange.failures = [httpx.ReadError("gone")] * 3
    services.failures = {ENDS[2]: [Unavailable("away")] * 2}
    notes = await conducted(exchange, services)
    assert services.asked == [*ENDS, *CLOSING]
    assert notes == [
        "the exchange does not answer: gone",
        "market time waits: away",
        "market time has reached its end",
    ]


async def test_an_executor_that_has_just_been_killed_is_waited_for() -> None:
    exchange, services = FakeExchange(BEFORE_OPEN), FakeServices()
    services.failures = {"reconcile": [Conflict("Another process is the executor.")]}
    await conducted(exchange, services)
    assert services.asked == [*ENDS, *CLOSING]


async def test_the_bar_end_at_which_a_killed_conductor_stopped_is_done_again() -> None:
    exchange, services = FakeExchange(ENDS[-1]), FakeServices()
    await conducted(exchange, services)
    assert services.asked == [ENDS[-1], *CLOSING]


async def test_a_market_without_further_prices_ends_the_run() -> None:
    exchange, services = FakeExchange(BEFORE_OPEN, last=ENDS[1]), FakeServices()
    notes = await conducted(exchange, services, until=None)
    assert services.asked == ENDS[:2]
    assert notes[-1] == "market time has reached its end"


class FakeService:
    """A service that is at work for its first few answers, and counts them."""

    def __init__(self, name: str, at_work: int = 0) -> None:
        self.name, self.at_work, self.asked = name, at_work, 0

    def idle(self, wait: float) -> IdleView:
        self.asked += 1
        waiting = ["orders"] if self.asked <= self.at_work else []
        return IdleView(idle=not waiting, sequence=7, waiting_for=waiting)


async def test_while_a_service_is_at_work_those_after_it_are_left_alone() -> None:
    services = FakeServices()
    busy, other = FakeService("execution", at_work=5), FakeService("risk")
    services.all = (busy, other)  # type: ignore[assignment]
    await conducted(FakeExchange(ENDS[-1], last=ENDS[-1]), services, until=None)
    # What flows through the chain comes to them when it has ended its work.
    assert busy.asked - other.asked == 5


def test_safety_nets_take_turns_and_missed_rounds_are_not_made_up_for() -> None:
    rounds = Rounds(began=0.0)
    started = {name: [] for name in NETS}
    for now in range(0, 1801, 2):
        for name in rounds.due(now):
            started[name].append(now)
    assert [times[0] for times in started.values()] == [100, 200, 300]
    for name, times in started.items():
        pauses = {later - earlier for earlier, later in pairwise(times)}
        assert pauses == {NETS[name]}
    # The market was closed for an hour.
    assert sorted(rounds.due(5400)) == sorted(NETS)
    assert rounds.due(5402) == []


class PacedExchange(FakeExchange):
    """A clock that runs by itself: ten minutes of the market between two looks."""

    def __init__(self, now: datetime, last: datetime) -> None:
        super().__init__(now, last)
        self.machine = 0.0

    async def clock(self) -> ExchangeClock:
        self.machine += 10.0
        self.now = min(self.now + timedelta(minutes=10), self.last or self.now)
        return await super().clock()


async def test_a_paced_session_has_its_bars_and_nets_only_while_it_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evening = ENDS[-1] + timedelta(hours=3)
    exchange = PacedExchange(BEFORE_OPEN - timedelta(hours=2), evening)
    started: list[tuple[str, datetime]] = []

    async def start(self: Conductor, name: str, at: datetime, after: float = 0) -> None:
        started.append((name, at))

    async def at_once(seconds: float) -> None:
        pass

    monkeypatch.setattr(Conductor, "_start_flow", start)
    monkeypatch.setattr(conductor, "monotonic", lambda: exchange.machine)
    monkeypatch.setattr(conductor.asyncio, "sleep", at_once)
    stage = Stage(Settings(), "", "2015-04-10", lambda said: None)
    services = cast(Services, FakeServices())
    await Conductor(stage, cast(Exchange, exchange), services).run_paced(60.0)

    assert SESSION is not None
    bars = [at for name, at in started if name == "fetch_market_data"]
    assert bars == ENDS
    nets = [(name, at) for name, at in started if name in NETS and at != ENDS[-1]]
    assert {name for name, _ in nets} == set(NETS)
    assert all(SESSION.open <= at < SESSION.close for _, at in nets)
