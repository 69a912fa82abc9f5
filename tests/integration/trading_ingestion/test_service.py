"""The whole service over HTTP: routes, scopes, workers and the cache."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
import redis
from fastapi import FastAPI

from trading_core.calendar import NEW_YORK
from trading_ingestion import app as service
from trading_ingestion import workers as loops
from trading_system.config.settings import Settings
from trading_system.personal_tokens import new_token, token_hash

pytestmark = pytest.mark.integration

READER, FLOWS, ADMIN = new_token(), new_token(), new_token()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def make_app(database, service_url, redis_url, feed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Two steps of history and one that finds nothing: each waits for half a second.
    feed.history_begins = datetime(2024, 2, 1, tzinfo=UTC)

    def make(**values: Any) -> FastAPI:
        settings = Settings(
            postgres_url=service_url,
            redis_url=redis_url,
            trading_data_dir=tmp_path,
            service_token_hashes={
                token_hash(READER): {"caller": "strategy", "scopes": ["read"]},
                token_hash(FLOWS): {"caller": "flows", "scopes": ["read", "trade"]},
                token_hash(ADMIN): {"caller": "cli", "scopes": ["admin", "read"]},
            },
            **values,
        )
        return service.create(settings, feed)

    return make


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8001", headers=bearer(FLOWS)
        ) as client:
            yield client


async def until_idle(client: httpx.AsyncClient) -> dict[str, Any]:
    for _ in range(600):
        idle: dict[str, Any] = (await client.get("/idle")).json()
        if idle["idle"]:
            return idle
        await asyncio.sleep(0.05)
    raise AssertionError(f"never idle: {idle}")


async def test_an_hour_from_the_first_start_to_the_reader(make_app, feed):
    async with running(make_app(simulation_speed="max")) as client:
        await until_idle(client)
        before = [(await client.get("/bars/recent/SPY")).json() for _ in range(2)]
        feed.now = datetime(2024, 7, 1, 10, tzinfo=NEW_YORK)
        slot = {"scheduled_for": "2024-07-01T14:00:00Z"}
        fetched = (await client.post("/bars/fetch", json=slot)).json()
        again = (await client.post("/bars/fetch", json=slot)).json()
        latest = (await client.get("/bars/latest")).json()
        after = [(await client.get("/bars/recent/SPY")).json() for _ in range(2)]
        bars = (await client.get("/bars?symbol=SPY&limit=2")).json()
        universe = (await client.get("/universe")).json()
        coverage = (await client.get("/coverage")).json()

    assert (fetched["status"], fetched["rows_stored"]) == ("stored", 3)
    assert fetched["bar_ends"] == ["2024-07-01T14:00:00Z"]
    assert (again["status"], again["rows_stored"]) == ("nothing due", 0)
    assert [bar["symbol"] for bar in latest] == universe == ["AAPL", "BAC", "SPY"]
    assert {bar["bar_end"] for bar in latest} == {"2024-07-01T14:00:00Z"}
    for recent in (before, after):
        # What was kept of the hour before is forgotten when a newer one comes in.
        assert [each["source"] for each in recent] == ["database", "cache"]
        assert recent[0]["bars"] == recent[1]["bars"]
        assert len(recent[0]["bars"]) == 50
    assert after[0]["bars"][-1] == bars[-1] == latest[-1]
    assert before[0]["bars"][1:] == after[0]["bars"][:-1]
    assert {row["missing"] for row in coverage} == {0}


async def test_without_redis_recent_bars_come_from_the_database(
    make_app, feed, redis_url
):
    async with running(make_app(simulation_speed="max")) as client:
        await until_idle(client)
        redis.Redis.from_url(redis_url).flushall()
        recent = (await client.get("/bars/recent/SPY")).json()

    assert recent["source"] == "database"
    assert len(recent["bars"]) == 50


async def test_bars_come_as_one_arrow_stream(make_app, feed):
    async with running(make_app(simulation_speed="max")) as client:
        await until_idle(client)
        answer = await client.get(
            "/bars/arrow?symbols=SPY,BAC&start=2024-06-28T00:00:00Z"
        )

    frame = pl.read_ipc_stream(BytesIO(answer.content))
    assert frame.height == 2 * 7
    assert frame["symbol"].unique().sort().to_list() == ["BAC", "SPY"]
    assert answer.headers["content-type"] == "application/vnd.apache.arrow.stream"


async def test_at_normal_speed_the_worker_fetches_what_nobody_did(
    make_app, feed, monkeypatch
):
    monkeypatch.setattr(loops, "PATIENCE", 0.0)
    async with running(make_app(simulation_speed="60")) as client:
        await until_idle(client)
        feed.now = datetime(2024, 7, 1, 10, 3, tzinfo=NEW_YORK)
        for _ in range(100):
            latest = (await client.get("/bars/latest")).json()
            if latest[0]["bar_end"] == "2024-07-01T14:00:00Z":
                break
            await asyncio.sleep(0.1)
    assert {bar["bar_end"] for bar in latest} == {"2024-07-01T14:00:00Z"}


async def test_in_lockstep_no_worker_fetches(make_app, feed, monkeypatch):
    monkeypatch.setattr(loops, "PATIENCE", 0.0)
    async with running(make_app(simulation_speed="max")) as client:
        await until_idle(client)
        feed.now = datetime(2024, 7, 1, 12, 30, tzinfo=NEW_YORK)
        await asyncio.sleep(1.5)
        latest = (await client.get("/bars/latest")).json()

    assert {bar["bar_end"] for bar in latest} == {"2024-06-28T20:00:00Z"}


async def test_validation_and_its_log_are_answered(make_app, feed):
    feed.now = datetime(2024, 7, 1, 9, tzinfo=NEW_YORK)
    feed.without.add(("BAC", datetime(2024, 6, 28, 10, tzinfo=NEW_YORK)))
    feed.without.add(("BAC", datetime(2024, 6, 28, 10, 30, tzinfo=NEW_YORK)))
    async with running(make_app(simulation_speed="max")) as client:
        await until_idle(client)
        result = (await client.post("/bars/validate", json={})).json()
        log = (await client.get("/quality?symbol=BAC")).json()

    assert result["by_check"] == {"gap": 1}
    assert log[0]["check_type"] == "gap"
    assert log[0]["status"] == "failed"


async def test_files_are_imported_by_path_and_by_upload(make_app, tmp_path: Path):
    content = (
        "symbol,timestamp,open,high,low,close,volume\n"
        "SPY,2024-06-03T14:00:00Z,10,11,9,10,5\n"
    )
    path = tmp_path / "bars.csv"
    path.write_text(content)
    options = {"timeframe": "1Hour"}
    async with running(make_app(simulation_speed="max")) as client:
        headers = bearer(ADMIN)
        by_path = await client.post(
            "/bars/import", json={"path": str(path), **options}, headers=headers
        )
        upload = await client.post(
            "/bars/upload",
            files={"file": ("b.csv", content)},
            data={**options, "feed": "other"},
            headers=headers,
        )
        nowhere = await client.post(
            "/bars/import", json={"path": "/no/such.csv"}, headers=headers
        )
        listed = await client.get("/bars?symbol=SPY&feed=other")

    assert by_path.json()["rows"] == upload.json()["rows"] == 1
    assert len(listed.json()) == 1
    assert nowhere.status_code == 422
    assert "/no/such.csv cannot be read" in nowhere.json()["detail"]


async def test_old_rows_are_archived_below_the_data_directory(
    make_app, tmp_path: Path, database
):
    async with running(make_app(simulation_speed="max")) as client:
        await until_idle(client)
        result = (await client.post("/archive", json={"before": "2024-03-01"})).json()
        again = (await client.post("/archive", json={"before": "2024-03-01"})).json()

    assert result["rows"] > 0
    assert all(Path(name).is_relative_to(tmp_path) for name in result["files"])
    assert again["rows"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/bars/fetch", {"scheduled_for": "2024-07-01 14:00"}),
        ("POST", "/bars/fetch", {"unknown": 1}),
        ("POST", "/bars/backfill", {"start": "2024-06-08", "end": "2024-06-01"}),
        ("POST", "/bars/backfill", {"start": "x", "end": "y"}),
        ("POST", "/archive", {"before": "2999-01-01"}),
        ("GET", "/bars?symbol=not%20one", None),
        ("GET", "/bars?symbol=SPY&timeframe=3Hour", None),
        ("GET", "/bars?symbol=SPY&limit=0", None),
    ],
)
async def test_what_cannot_be_right_is_refused(make_app, method, path, body):
    async with running(make_app(simulation_speed="max")) as client:
        answer = await client.request(method, path, json=body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_reader_may_not_act(make_app):
    async with running(make_app(simulation_speed="max")) as client:
        answers = [
            await client.post(path, json={}, headers=bearer(READER))
            for path in ("/bars/fetch", "/bars/validate", "/archive")
        ]
        answers.append(
            await client.post("/bars/import", json={"path": "a.csv"})  # flows
        )
    assert {answer.status_code for answer in answers} == {403}
