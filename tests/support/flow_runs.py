"""Flows run from the test process against a running stack, as real Prefect runs."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from time import sleep
from typing import Any, cast

import httpx
import psutil
import pytest
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
)
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    temporary_settings,
)
from sqlalchemy import text
from stack import Stack

from trading_core.calendar import Calendar, xnys_sessions
from trading_flows.deployments import flow_of
from trading_flows.timetable import TIMETABLE
from trading_system.clock import monotonic
from trading_system.vocabulary import new_id

JOURNALS = (
    "logging.",
    "shared.job_runs",
    "shared.inbox",
    "shared.consumers",
    # Workers compare the books, look at the system and mail on the machine's clock.
    "execution.reconciliation_",
    "risk_management.books_state",
    "notification.health_",
    "notification.deliveries",
)
"""Tables in which time alone, or a look, leaves a line although nothing has changed."""

PATIENCE = 60.0


@dataclass(frozen=True)
class FlowRun:
    """How a run ended, and what it showed: by artifact, what and value."""

    name: str
    message: str
    shown: dict[str, dict[str, str]]

    @property
    def facts(self) -> dict[str, str]:
        """What the run's own artifact says."""
        (facts,) = list(self.shown.values())[:1]
        return facts


@dataclass
class Floor:
    """A stack at rest whose market time stands in the hands of the test."""

    stack: Stack
    calendar: Calendar = field(
        default_factory=lambda: Calendar(
            xnys_sessions(date(2015, 3, 2), date(2015, 5, 15))
        )
    )

    def __post_init__(self) -> None:
        self.engine = self.stack.engine()

    # The database.

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Return the rows of a query."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(query), values))

    def value(self, query: str, **values: Any) -> Any:
        """Return one value."""
        with self.engine.connect() as connection:
            return connection.scalar(text(query), values)

    def sql(self, statement: str, **values: Any) -> int:
        """Change something as an outage, or a person, would have; count the rows."""
        with self.engine.begin() as connection:
            return connection.execute(text(statement), values).rowcount

    def count(self, table: str, where: str = "true") -> int:
        """Count rows."""
        return int(self.value(f"select count(*) from {table} where {where}"))

    def job(self, name: str, slot: datetime) -> tuple[str, int]:
        """Return how a slot ended, and at which attempt."""
        query = "select status, attempt from shared.job_runs where job = :name"
        (row,) = self.rows(f"{query} and scheduled_for = :slot", name=name, slot=slot)
        return row.status, row.attempt

    def told(self, topic: str) -> int:
        """Count the events of a topic."""
        return self.count("shared.events", f"topic = '{topic}'")

    def contents(self) -> dict[str, str]:
        """Return a digest of every table that says something about the world."""
        tables = self.rows(
            "select schemaname || '.' || tablename from pg_tables where schemaname in"
            " ('data_ingestion', 'strategy_engine', 'execution', 'risk_management',"
            " 'analytics', 'notification', 'shared') order by 1"
        )
        names = [n for (n,) in tables if not n.startswith(JOURNALS)]
        told = "(select * from shared.events where topic not like '%reconciliation%')"
        parts = [
            f"select '{name}', count(*) || md5(coalesce(string_agg(md5(t::text), ''"
            " order by md5(t::text)), '')) from "
            + (told if name == "shared.events" else name)
            + " t"
            for name in names
        ]
        return dict(tuple(row) for row in self.rows(" union all ".join(parts)))

    @contextmanager
    def as_it_starts(self, job: str, *statements: str) -> Iterator[None]:
        """Bring a situation about in the very moment in which a run gets its slot.

        Workers do the same work within a second: what was there before the run would
        be theirs.
        """
        body = "; ".join(statements)
        self.sql(
            "create or replace function public.as_it_starts() returns trigger language"
            " plpgsql security definer as $body$ begin"
            f" if new.job like '{job}%' then {body}; end if; return new; end $body$"
        )
        self.sql(
            "create trigger as_it_starts before insert on shared.job_runs"
            " for each row execute function public.as_it_starts()"
        )
        try:
            yield
        finally:
            self.sql("drop trigger as_it_starts on shared.job_runs")

    @contextmanager
    def deaf(self, service: str) -> Iterator[None]:
        """Keep a service from hearing events, as if it were behind."""
        change = "update shared.consumers set paused = :deaf where consumer = :service"
        assert self.sql(change, deaf=True, service=service) == 1
        try:
            yield
        finally:
            self.sql(change, deaf=False, service=service)
            self.settle()

    # The market.

    def advance(self, instant: datetime) -> None:
        """Let the exchange live until an instant."""
        token = self.stack.secrets.exchange_control.get_secret_value()
        answer = httpx.post(
            f"{self.stack.run.urls['exchange']}/control/clock",
            headers={"Authorization": f"Bearer {token}"},
            json={"advance_to": instant.isoformat()},
            timeout=60,
            trust_env=False,
        )
        assert answer.is_success, answer.text

    def bar_ends(self, count: int) -> list[datetime]:
        """Return the ends of the next bars."""
        now = self.stack.market_time()
        found = self.calendar.bars_between(now, now + timedelta(days=14), "1Hour")
        return [end for _, end in list(found)[:count]]

    def next_bar(self) -> datetime:
        """Go to the end of the next bar; nobody has fetched it."""
        (end,) = self.bar_ends(1)
        self.advance(end)
        self.settle()
        return end

    def fetch(self) -> datetime:
        """Go to the end of the next bar and have it fetched and decided."""
        end = self.next_bar()
        with self.stack.services() as services:
            services.ingestion.fetch(end)
        self.settle()
        return end

    def comes_true(self, query: str) -> None:
        """Wait, while market time stands, until a query finds something."""
        deadline = monotonic() + PATIENCE
        while not self.value(query):
            assert monotonic() < deadline, f"it never came to pass: {query}"
            sleep(0.1)

    def until(self, query: str, limit: int = 40) -> None:
        """Fetch bar after bar until a query finds something."""
        for _ in range(limit):
            if self.value(query):
                return
            self.fetch()
        raise AssertionError(f"nothing after {limit} bars: {query}")

    def in_session(self) -> None:
        """Fetch bar after bar until the exchange is open."""
        while not self.stack.broker("/v2/clock")["is_open"]:
            self.fetch()

    def order_by_hand(self, **order: str) -> str:
        """Ask for an order by hand; return the id that the broker will know."""
        settings = self.stack.settings()
        answer = httpx.post(
            f"{settings.service_urls['risk']}/manual-orders",
            headers={
                "Authorization": f"Bearer {settings.service_token.get_secret_value()}",
                "Idempotency-Key": str(new_id()),
            },
            json={"reason": "a test", **order},
            timeout=30,
            trust_env=False,
        )
        assert answer.is_success, answer.text
        said = answer.json()
        assert said["outcome"] == "approved", said
        self.settle()
        written = "select client_order_id from execution.orders where order_id = :order"
        return str(self.value(written, order=said["order_id"]))

    def at_the_broker(self, client_order_id: str) -> list[dict[str, Any]]:
        """Return the broker's orders of an id: one, or none."""
        listed = self.stack.broker("/v2/orders?status=all&limit=500")
        return [o for o in listed if o["client_order_id"] == client_order_id]

    def settle(self) -> None:
        """Wait until no service has anything left to do, deaf ones aside."""
        deaf = {
            name
            for (name,) in self.rows(
                "select consumer from shared.consumers where paused"
            )
        }
        deadline, seen = monotonic() + PATIENCE, 0
        with self.stack.services() as services:
            while seen < 2:
                states = [c.idle() for c in services.all if str(c.name) not in deaf]
                resting = all(state.idle for state in states)
                seen = seen + 1 if resting else 0
                assert monotonic() < deadline, states

    # Flows.

    def run(self, name: str, **parameters: Any) -> FlowRun:
        """Run a flow in this process, as a run of the stack's own Prefect."""
        (entry,) = [entry for entry in TIMETABLE if entry.name == name]
        run = asyncio.run(_run(flow_of(entry), parameters))
        self.settle()
        return run

    def run_again(self, name: str, **parameters: Any) -> FlowRun:
        """Run a flow that has nothing left to do: it must change nothing."""
        before = self.contents()
        run = self.run(name, **parameters)
        after = self.contents()
        changed = [table for table in after if after[table] != before.get(table)]
        assert not changed, f"a second run of {name} changed {changed}"
        return run


async def _run(flow: Flow[Any, Any], parameters: dict[str, Any]) -> FlowRun:
    state: Any = await cast(Any, flow)(**parameters, return_state=True)
    assert state.is_completed(), state
    run_id = state.state_details.flow_run_id
    assert run_id is not None
    async with get_client() as client:
        children = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run_id])
            )
        )
        runs = [run_id, *(child.id for child in children)]
        artifacts = await client.read_artifacts(
            artifact_filter=ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=runs)
            )
        )
    shown = {str(a.key): _facts(a.data) for a in artifacts}
    own = flow.name.replace("_", "-")
    shown = {own: shown[own]} | shown
    return FlowRun(str(state.name), state.message or "", shown)


def _facts(data: Any) -> dict[str, str]:
    table = json.loads(data) if isinstance(data, str) else data
    return {row["what"]: row["value"] for row in table}


@contextmanager
def as_the_runner(stack: Stack) -> Iterator[None]:
    """Give this process what the runner of the flows knows, and Prefect's address."""
    settings = stack.settings("flows")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVICE_URLS", json.dumps(settings.service_urls))
        patch.setenv("SERVICE_TOKEN", settings.service_token.get_secret_value())
        patch.setenv("TRADING_MODE", "simulated")
        patch.setenv("TRADING_DATA_DIR", str(stack.data))
        with temporary_settings(
            {
                PREFECT_API_URL: settings.prefect_api,
                PREFECT_API_AUTH_STRING: stack.secrets.prefect_auth,
            }
        ):
            yield


@contextmanager
def market_time_in_hand(stack: Stack, after: datetime) -> Iterator[None]:
    """Let a replay come this far, then stop whoever moves market time on.

    That is the supervisor; the processes it started go on without it.
    """
    deadline = monotonic() + 5 * PATIENCE
    while stack.market_time() < after:
        assert monotonic() < deadline, (stack.data / "up.log").read_text()[-3000:]
        sleep(0.2)
    supervisor = psutil.Process(stack.run.supervisor.pid)
    supervisor.suspend()
    try:
        yield
    finally:
        supervisor.resume()


def without_timetable(stack: Stack) -> None:
    """Keep the timetable from starting the flows that a test is about to watch."""

    async def pause() -> None:
        async with get_client() as client:
            for deployment in await client.read_deployments(limit=100):
                await client.pause_deployment(deployment.id)

    asyncio.run(pause())
