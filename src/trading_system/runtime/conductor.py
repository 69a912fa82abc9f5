"""Simulated time: runs the exchange's clock and starts what goes by the market.

Up to :data:`PACED` market seconds a second the exchange's clock runs by itself, and at
each bar end, and through the session, the conductor starts the flows through Prefect.
Faster, and at `max`, it is lockstep: market time stands while the hour's chain comes to
rest, and only then moves.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx

from trading_core.calendar import Calendar, Session
from trading_system.clients import Services, authorities
from trading_system.clock import monotonic, utc_now
from trading_system.contracts.ingestion import FetchResult
from trading_system.errors import Conflict, TradingError, Unavailable
from trading_system.runtime.stage import Stage
from trading_system.vocabulary import TIMEFRAME

PACED = 120.0
"""Market seconds a second up to which the clock runs and Prefect starts the flows."""

T = TypeVar("T")

NEW_YORK = ZoneInfo("America/New_York")
INSTANT = timedelta(microseconds=1)
AGAIN = 0.5
"""Seconds until a process that did not answer is asked again."""

PATIENCE = 120.0
"""Seconds that an hour's chain may take before lockstep says who is not at rest."""

WORK = 1.0
"""Seconds that a service at work may take to answer whether it rests."""

AFTER_CLOSE = (
    "update_positions",
    "reconcile_trades",
    "analyze_trades",
    "calculate_performance",
    "generate_reports",
    "send_daily_summary",
)
"""Flows that follow the close of a session, in this order."""

NETS = {
    "execute_trades": 300.0,
    "validate_risk_limits": 300.0,
    "reconcile_trades": 900.0,
}
"""Flows that find what an outage left behind, and how often: every so many seconds of
the machine while the market is open, for it is the machine's outages they look for."""

APART = 100.0
"""Seconds between the first runs of two of them."""


class Rounds:
    """Tells which safety nets are due, at a machine's time."""

    def __init__(self, began: float) -> None:
        self._due = {name: began + APART * n for n, name in enumerate(NETS, 1)}

    def due(self, now: float) -> list[str]:
        """Return what is due, each once; missed rounds are not made up for."""
        names = [name for name, at in self._due.items() if at <= now]
        for name in names:
            self._due[name] = now + NETS[name]
        return names


@dataclass(frozen=True)
class ExchangeClock:
    """What the exchange says of its clock."""

    now: datetime
    pending: int
    at_end: bool


class Exchange:
    """The paper exchange's control of its clock."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=120,
            trust_env=False,
            verify=authorities(),
        )

    async def clock(self) -> ExchangeClock:
        """Return the exchange's time, and how much it has not finished."""
        return self._read(await self._http.get("/control/clock"))

    async def steer(self, **command: Any) -> ExchangeClock:
        """Run, stop, set or advance the clock."""
        return self._read(await self._http.post("/control/clock", json=command))

    def _read(self, response: httpx.Response) -> ExchangeClock:
        if not response.is_success:
            raise Unavailable(f"The exchange's clock says {response.text[:200]}.")
        body = response.json()
        return ExchangeClock(
            datetime.fromisoformat(body["now"]), body["pending"], body["at_end"]
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._http.aclose()


async def conduct(stage: Stage) -> None:
    """Run market time until it reaches its end, or the stack stops."""
    exchange = Exchange(
        stage.settings.exchange_control_url,
        stage.settings.exchange_control_token.get_secret_value(),
    )
    services = Services(stage.settings, acting_for="conductor", timeout=60)
    try:
        speed = stage.settings.simulation_speed
        conductor = Conductor(stage, exchange, services)
        if speed != "max" and float(speed) <= PACED:
            await conductor.run_paced(float(speed))
        else:
            await conductor.run_in_lockstep()
    finally:
        await exchange.close()
        services.close()


class Conductor:
    """Knows the next bar end, and what is to be done at it."""

    def __init__(self, stage: Stage, exchange: Exchange, services: Services) -> None:
        self.stage = stage
        self.exchange = exchange
        self.services = services
        self._calendar: Calendar | None = None

    async def run_paced(self, speed: float) -> None:
        """Let the clock run, closed hours skipped, and start flows at bar ends."""
        clock = await self._steady(self.exchange.clock)
        done, rounds = clock.now, Rounds(monotonic())
        await self._steady(lambda: self.exchange.steer(run=speed, skip_closed=True))
        while not self._is_over(done):
            end, session = await self._next_bar_end(done)
            clock = await self._steady(self.exchange.clock)
            if clock.now < end and clock.at_end:
                break
            if session.open <= clock.now:
                for name in rounds.due(monotonic()):
                    await self._start_flow(name, clock.now)
            if clock.now < end:
                # Closed hours are skipped, so the wait is looked at again and again.
                left = (end - clock.now).total_seconds() / speed
                await asyncio.sleep(min(left, 0.5 if speed > 1 else 2.0))
                continue
            done = end
            await self._start_flow("fetch_market_data", end)
            if end == session.close:
                for number, name in enumerate(AFTER_CLOSE):
                    await self._start_flow(name, end, after=5.0 * (number + 2))
        await self._steady(lambda: self.exchange.steer(stop=True))
        self.stage.note("market time has reached its end")

    async def run_in_lockstep(self) -> None:
        """Advance from bar end to bar end, each time waiting for the chain to rest.

        Every step changes nothing when it is repeated. So a step that was cut off is
        taken again, and so is the bar end at which a killed conductor left the clock.
        """
        await self._steady(lambda: self.exchange.steer(stop=True))
        clock = await self._steady(self.exchange.clock)
        await self._at_rest()
        end, session = await self._next_bar_end(clock.now - INSTANT)
        while not self._is_over(end):
            clock = await self._steady(self._advancing_to(end))
            if clock.now < end:
                break
            # What was filled within the bar is on the books before its end is judged.
            await self._at_rest()
            await self._retried(self._fetching(end))
            await self._at_rest()
            if end == session.close:
                await self._close_session()
            end, session = await self._next_bar_end(end)
        self.stage.note("market time has reached its end")

    def _advancing_to(self, end: datetime) -> Callable[[], Awaitable[ExchangeClock]]:
        return lambda: self.exchange.steer(advance_to=end.isoformat())

    def _fetching(self, end: datetime) -> Callable[[], FetchResult]:
        return lambda: self.services.ingestion.fetch(end)

    async def _close_session(self) -> None:
        services = self.services
        for step in (
            services.execution.update_positions,
            services.execution.reconcile,
            services.analytics.analyze_trades,
            services.analytics.calculate_performance,
            lambda: services.analytics.generate_report("daily"),
            services.notification.send_summary,
        ):
            await self._retried(step)
        await self._at_rest()

    async def _at_rest(self) -> None:
        """Wait until every service is idle at the same end of the log, twice over."""
        deadline, last = monotonic() + PATIENCE, -1
        while True:
            sequence, waiting = await self._resting()
            if not waiting and sequence == last:
                return
            last = sequence if not waiting else -1
            if monotonic() > deadline:
                self.stage.note(f"market time waits for {', '.join(waiting)}")
                deadline = monotonic() + PATIENCE
            await asyncio.sleep(0.01)

    async def _resting(self) -> tuple[int, list[str]]:
        sequences = set()
        try:
            # In the order of the chain, and each answers when its work in hand has
            # ended: asking all again and again would take the machine from the work.
            for client in self.services.all:
                state = await asyncio.to_thread(client.idle, WORK)
                if not state.idle:
                    return -1, [f"{client.name} ({', '.join(state.waiting_for)})"]
                sequences.add(state.sequence)
            clock = await self.exchange.clock()
        except (TradingError, httpx.HTTPError) as error:
            return -1, [str(error)]
        waiting = []
        if clock.pending:
            waiting.append(f"the exchange ({clock.pending})")
        if len(sequences) > 1:
            waiting.append("the event log")
        return max(sequences), waiting

    async def _next_bar_end(self, after: datetime) -> tuple[datetime, Session]:
        calendar = self._calendar
        if calendar is None or not calendar.covers((after + timedelta(days=10)).date()):
            calendar = self._calendar = await self._load(after.date())
        until = after + timedelta(days=10)
        _, end = next(iter(calendar.bars_between(after, until, TIMEFRAME)))
        session = calendar.session_on(end.astimezone(NEW_YORK).date())
        assert session is not None
        return end, session

    async def _load(self, day: date) -> Calendar:
        first, last = day - timedelta(days=10), day + timedelta(days=400)
        rows = await self._retried(
            lambda: self.services.ingestion.sessions(first, last)
        )
        return Calendar(Session(row.day, row.open, row.close) for row in rows)

    def _is_over(self, instant: datetime) -> bool:
        if self.stage.until is None:
            return False
        return instant.astimezone(NEW_YORK).date() > date.fromisoformat(
            self.stage.until
        )

    async def _start_flow(
        self, name: str, market_time: datetime, after: float = 0.0
    ) -> None:
        """Ask Prefect for a run of a flow for a market time.

        The key makes a repeat the same run. When Prefect does not answer, the services'
        own workers do what the market needs.
        """
        credentials = base64.b64encode(self.stage.prefect_auth.encode()).decode()
        base = self.stage.settings.prefect_api
        async with httpx.AsyncClient(
            headers={"Authorization": f"Basic {credentials}"},
            trust_env=False,
            verify=authorities(),
        ) as http:
            try:
                found = await http.get(f"{base}/deployments/name/{name}/trading")
                found.raise_for_status()
                started = await http.post(
                    f"{base}/deployments/{found.json()['id']}/create_flow_run",
                    json={
                        "parameters": {"scheduled_for": market_time.isoformat()},
                        "idempotency_key": f"{name} {market_time.isoformat()}",
                        "name": f"{name} {market_time:%Y-%m-%d %H:%M}Z",
                        "state": _scheduled_in(after),
                    },
                )
                started.raise_for_status()
            except httpx.HTTPError as error:
                self.stage.note(f"Prefect did not start {name}: {error}")

    async def _steady(
        self, act: Callable[[], Awaitable[ExchangeClock]]
    ) -> ExchangeClock:
        """Ask the exchange, and again while it is restarting."""
        said = ""
        while True:
            try:
                return await act()
            except (httpx.HTTPError, Unavailable) as error:
                said = self._note_once(f"the exchange does not answer: {error}", said)
            await asyncio.sleep(AGAIN)

    async def _retried(self, act: Callable[[], T]) -> T:
        """Ask a service, and again while it is restarting."""
        said = ""
        while True:
            try:
                return await asyncio.to_thread(act)
            except (Unavailable, Conflict) as error:
                # A conflict: the process before this one is still the executor.
                said = self._note_once(f"market time waits: {error}", said)
            await asyncio.sleep(AGAIN)

    def _note_once(self, words: str, said: str) -> str:
        if words != said:
            self.stage.note(words)
        return words


def _scheduled_in(seconds: float) -> dict[str, Any]:
    planned = utc_now() + timedelta(seconds=seconds)
    return {
        "type": "SCHEDULED",
        "state_details": {"scheduled_time": planned.isoformat()},
    }
