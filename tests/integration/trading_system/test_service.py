"""A service with one route, one handler and one worker, over HTTP and its lifespan."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from limits import parse
from sqlalchemy import text

from trading_system.clock import monotonic, utc_now
from trading_system.config.settings import Settings
from trading_system.contracts.execution import ReconciliationCompleted
from trading_system.database import Database, Transaction
from trading_system.errors import Conflict
from trading_system.http import DEFAULT_RATE, Edge, create_http_app
from trading_system.messaging import EventHandlers
from trading_system.personal_tokens import TRADE, new_token, token_hash
from trading_system.runtime.ports import free_port
from trading_system.security import requires
from trading_system.service import (
    REQUESTS_AT_ONCE,
    create_app,
    in_read_only,
    in_transaction,
)
from trading_system.vocabulary import Model, Quantity, ServiceName
from trading_system.worker import Worker

pytestmark = pytest.mark.integration

READER, TRADER = new_token(), new_token()
ROUNDS: list[int] = []
LOCK = 4711
FLOOD = 60
"""Requests at once: more than a service has threads."""

PATIENCE = 60.0


class Asked(Model):
    quantity: Quantity


def router() -> APIRouter:
    routes = APIRouter(tags=["Test"])
    Writing = Annotated[Transaction, in_transaction]
    Reading = Annotated[Transaction, in_read_only]

    @routes.get("/effects")
    def count(tx: Reading) -> int:
        """Count effects."""
        return tx.session.scalar(text("select count(*) from public.effects")) or 0

    @routes.post("/effects", dependencies=[requires(TRADE)])
    def add(tx: Writing, asked: Asked) -> dict[str, str]:
        """Add an effect."""
        tx.session.execute(text("insert into public.effects (name) values ('http')"))
        if asked.quantity == 13:
            raise Conflict("Thirteen is taken.", remedy="Take another.")
        return {"quantity": str(asked.quantity)}

    @routes.post("/late", dependencies=[requires(TRADE)])
    def fail_at_commit(tx: Writing) -> dict[str, str]:
        """Write what only the commit refuses."""
        tx.session.execute(
            text(
                "create temporary table late (id int unique deferrable initially"
                " deferred) on commit drop; insert into late values (1), (1)"
            )
        )
        return {"status": "stored"}

    @routes.post("/wait", dependencies=[requires(TRADE)])
    def wait(tx: Writing) -> dict[str, str]:
        """Wait for a lock that somebody else holds."""
        tx.session.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        return {"status": "done"}

    @routes.get("/boom")
    def boom() -> None:
        """Fail in a way nobody expected."""
        secret = "PKCANARY"
        raise RuntimeError(f"boom {len(secret)}")

    return routes


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8005"
        ) as client:
            yield client


@pytest.fixture
def app(
    database: Database[Transaction], database_url: str, redis_url: str, tmp_path: Path
) -> FastAPI:
    settings = Settings(
        postgres_url=database_url,
        redis_url=redis_url,
        trading_data_dir=tmp_path,
        service_token_hashes={
            token_hash(READER): {"caller": "reader", "scopes": ["read"]},
            token_hash(TRADER): {"caller": "trader", "scopes": ["read", "trade"]},
        },
    )
    ROUNDS.clear()
    return create_app(
        ServiceName.ANALYTICS,
        settings,
        router(),
        on=EventHandlers[Transaction](ServiceName.ANALYTICS),
        transaction=Transaction,
        workers=lambda database: [Worker("rounds", lambda: ROUNDS.append(1), 0.05)],
    )


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_only_a_token_with_the_scope_may_ask(app: FastAPI) -> None:
    async with running(app) as client:
        nobody = await client.get("/effects")
        stranger = await client.get("/effects", headers=bearer("guess"))
        reader = await client.post(
            "/effects", headers=bearer(READER), json={"quantity": "1"}
        )
        trader = await client.post(
            "/effects", headers=bearer(TRADER), json={"quantity": "1"}
        )
        seen = await client.get("/effects", headers=bearer(READER))
    assert [r.status_code for r in (nobody, stranger, reader, trader)] == [
        401,
        401,
        403,
        200,
    ]
    assert seen.json() == 1
    assert nobody.headers["content-type"] == "application/problem+json"
    assert reader.json()["detail"] == "reader may not do this: it needs `trade`."


async def test_a_refused_request_leaves_nothing_behind(app: FastAPI) -> None:
    async with running(app) as client:
        answer = await client.post(
            "/effects", headers=bearer(TRADER), json={"quantity": "13"}
        )
        left = await client.get("/effects", headers=bearer(READER))
    assert answer.status_code == 409
    assert answer.json()["remedy"] == "Take another."
    assert left.json() == 0


async def test_a_commit_that_fails_is_not_answered_as_a_success(app: FastAPI) -> None:
    async with running(app) as client:
        answer = await client.post("/late", headers=bearer(TRADER))
    assert answer.status_code == 500


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "Infinity", "1e12", "x", None])
async def test_a_quantity_that_cannot_be_is_refused_with_its_place(
    app: FastAPI, quantity: Any
) -> None:
    async with running(app) as client:
        answer = await client.post(
            "/effects", headers=bearer(TRADER), json={"quantity": quantity}
        )
    problem = answer.json()
    assert answer.status_code == 422
    assert problem["errors"][0]["pointer"] == "/body/quantity"


async def test_an_unexpected_failure_tells_an_id_and_nothing_else(
    app: FastAPI,
) -> None:
    async with running(app) as client:
        answer = await client.get(
            "/boom", headers={**bearer(READER), "X-Request-ID": "my-request"}
        )
    assert answer.status_code == 500
    assert answer.json()["trace_id"] == "my-request"
    assert "RuntimeError" not in answer.text and "PKCANARY" not in answer.text


async def test_a_foreign_host_and_a_huge_body_are_refused(app: FastAPI) -> None:
    async with running(app) as client:
        foreign = await client.get("/health/live", headers={"Host": "evil.example"})
        path = await client.get("/health/live", headers={"Host": "x/health?a="})
        huge = await client.post(
            "/effects", headers=bearer(TRADER), content=b"x" * 10_000_000
        )

        async def unannounced() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b"x" * 100_000

        streamed = await client.post(
            "/effects",
            headers={**bearer(TRADER), "content-type": "application/json"},
            content=unannounced(),
        )
    assert (foreign.status_code, path.status_code) == (421, 421)
    assert (huge.status_code, streamed.status_code) == (413, 413)


async def test_health_metrics_and_documentation_are_there(app: FastAPI) -> None:
    async with running(app) as client:
        await client.get("/effects", headers=bearer(READER))
        ready = await client.get("/health/ready")
        metrics = await client.get("/metrics")
        schema = (await client.get("/openapi.json")).json()
        page = await client.get("/docs")
    assert ready.status_code == 200
    assert ready.json()["service"] == "analytics"
    assert 'http_requests_total{method="GET",path="/effects",status="200"}' in (
        metrics.text
    )
    assert "cdn" not in page.text
    operations = [
        operation
        for methods in schema["paths"].values()
        for operation in methods.values()
    ]
    assert all(o.get("description") and o.get("tags") for o in operations)
    assert len({o["operationId"] for o in operations}) == len(operations)


async def test_too_many_requests_are_told_when_to_come_back() -> None:
    app = create_http_app("limited", Settings(), rate=parse("3/minute"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1"
    ) as client:
        answers = [
            await client.get("/openapi.json", headers=bearer("a guess"))
            for _ in range(4)
        ]
        another = await client.get("/openapi.json", headers=bearer("another"))
        counted = await client.get("/metrics", headers=bearer("a guess"))
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert (another.status_code, counted.status_code) == (200, 200)


async def test_a_service_is_limited_too_but_never_a_halt(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    (edge,) = (layer for layer in app.user_middleware if layer.cls is Edge)
    assert edge.kwargs["rate"] == DEFAULT_RATE
    monkeypatch.setitem(edge.kwargs, "rate", parse("1/minute"))
    async with running(app) as client:
        answers = [
            (await client.get(path, headers=bearer(READER))).status_code
            for path in ("/effects", "/effects", "/halt", "/health/live")
        ]
    assert answers == [200, 429, 404, 200]


async def test_idle_waits_for_a_worker_that_is_at_work(
    database: Database[Transaction], database_url: str, redis_url: str, tmp_path: Path
) -> None:
    busy = True
    settings = Settings(
        postgres_url=database_url, redis_url=redis_url, trading_data_dir=tmp_path
    )
    app = create_app(
        ServiceName.RISK,
        settings,
        APIRouter(),
        on=EventHandlers[Transaction](ServiceName.RISK),
        transaction=Transaction,
        workers=lambda database: [
            Worker("orders", lambda: None, 0.05, pending=lambda: busy)
        ],
    )
    async with running(app) as client:
        first = (await client.get("/idle?wait=10")).json()
        assert first["waiting_for"] == ["orders"]
        busy = False
        for _ in range(100):
            state = (await client.get("/idle")).json()
            if state["idle"]:
                break
            await asyncio.sleep(0.02)
    assert state["idle"], json.dumps(state)


async def test_idle_is_answered_when_the_work_in_hand_has_ended(
    database: Database[Transaction], database_url: str, redis_url: str, tmp_path: Path
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait(30)

    worker = Worker("orders", work, 60)
    worker.wake()
    settings = Settings(
        postgres_url=database_url, redis_url=redis_url, trading_data_dir=tmp_path
    )
    app = create_app(
        ServiceName.RISK,
        settings,
        APIRouter(),
        on=EventHandlers[Transaction](ServiceName.RISK),
        transaction=Transaction,
        workers=lambda database: [worker],
    )
    async with running(app) as client:
        assert await asyncio.to_thread(begun.wait, 10)
        busy = (await client.get("/idle?wait=0.1")).json()
        asked = asyncio.create_task(client.get("/idle?wait=10"))
        await asyncio.sleep(0.05)
        assert not asked.done()
        may_end.set()
        rest = (await asked).json()
    assert (busy["idle"], busy["waiting_for"]) == (False, ["orders"])
    assert rest["idle"], json.dumps(rest)


async def test_a_database_that_is_away_is_said_to_be_away(
    redis_url: str, tmp_path: Path
) -> None:
    settings = Settings(
        postgres_url=f"postgresql://nobody@127.0.0.1:{free_port()}/trading_system",
        redis_url=redis_url,
        trading_data_dir=tmp_path,
    )
    app = create_app(
        ServiceName.RISK,
        settings,
        APIRouter(),
        on=EventHandlers[Transaction](ServiceName.RISK),
        transaction=Transaction,
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1"
    ) as client:
        answer = await client.get("/idle")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "The database does not answer."


async def test_a_flood_of_requests_leaves_the_consumer_its_connections(
    app: FastAPI, database: Database[Transaction]
) -> None:
    on: EventHandlers[Transaction] = app.state.process.consumer.on

    @on(ReconciliationCompleted)
    def note(event: ReconciliationCompleted, tx: Transaction) -> None:
        tx.session.execute(text("insert into public.effects (name) values ('heard')"))

    async with running(app) as client:
        with database.engine.begin() as holder:
            holder.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            asked = [
                asyncio.create_task(
                    client.post("/wait", headers=bearer(TRADER), timeout=PATIENCE)
                )
                for _ in range(FLOOD)
            ]
            await seen(database, WAITING, REQUESTS_AT_ONCE)
            with database.transaction() as tx:
                tx.publish(
                    ReconciliationCompleted(
                        run_id=uuid4(),
                        clean=True,
                        complete=True,
                        differences=0,
                        summary="",
                        market_time=utc_now(),
                    )
                )
            # The requests wait for the lock all the while.
            await seen(database, "select count(*) from public.effects", 1)
        answers = [(await each).status_code for each in asked]
    assert answers.count(200) >= REQUESTS_AT_ONCE
    # Who has waited for too long is asked to come again: nothing of it was done.
    assert set(answers) <= {200, 503}


WAITING = (
    "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    " and database = (select oid from pg_database where datname = current_database())"
)


async def seen(database: Database[Transaction], query: str, least: int) -> None:
    """Wait until a count is reached."""
    until = monotonic() + PATIENCE
    while True:
        with database.transaction() as tx:
            if (tx.session.scalar(text(query)) or 0) >= least:
                return
        assert monotonic() < until, f"{query} stays below {least}"
        await asyncio.sleep(0.05)
