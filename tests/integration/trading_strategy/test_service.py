"""The strategy service over HTTP, from a bar that is told to its decision."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from trading_strategy import app as service
from trading_system.config.settings import Settings
from trading_system.personal_tokens import new_token, token_hash
from trading_system.vocabulary import correlation_id

pytestmark = pytest.mark.integration

READER, FLOWS = new_token(), new_token()
NOBODY = UUID(int=0)
NAME = "momentum_strategy"
FILE = """
    strategies:
      - name: "momentum_strategy"
        parameters: {lookback_period: 3, threshold: 0.02}
"""


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def app(database, service_url, redis_url, tmp_path: Path, monkeypatch) -> FastAPI:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "strategies.yaml"
    path.write_text(dedent(FILE), encoding="utf-8")
    settings = Settings(
        postgres_url=service_url,
        redis_url=redis_url,
        trading_data_dir=tmp_path,
        strategies_file=path,
        service_token_hashes={
            token_hash(READER): {"caller": "gateway", "scopes": ["read"]},
            token_hash(FLOWS): {"caller": "flows", "scopes": ["read", "trade"]},
        },
    )
    return service.create(settings)


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8002", headers=bearer(FLOWS)
        ) as client:
            yield client


async def until_idle(client: httpx.AsyncClient) -> None:
    for _ in range(400):
        idle: dict[str, Any] = (await client.get("/idle")).json()
        if idle["idle"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"never idle: {idle}")


async def test_a_bar_that_is_told_becomes_decisions_that_can_be_read(app, market):
    market.history(5)
    async with running(app) as client:
        event = market.tell({"AAPL": 103.0, "BAC": 100.0})
        await until_idle(client)
        decisions = (await client.get("/decisions")).json()
        signals = (await client.get("/signals?strategy=momentum_strategy")).json()
        correlation = correlation_id("AAPL", "1Hour", event.bar_end)
        by_bar = (await client.get(f"/decisions/by-correlation/{correlation}")).json()
        one = (await client.get(f"/decisions/{by_bar[0]['decision_id']}")).json()
        signal = (await client.get(f"/signals/{one['signal_id']}")).json()
        noes = (await client.get("/decisions?outcome=no_bar&symbol=SPY")).json()
        ran = (await client.post("/strategies/run", json={})).json()
        strategy = (await client.get(f"/strategies/{NAME}")).json()

    assert len(decisions) == 3
    assert [row["symbol"] for row in signals] == ["AAPL"]
    assert by_bar == [one]
    assert one["outcome"] == "signal"
    assert one["conditions"][0]["passed"] is True
    assert one["parameters"]["lookback_period"] == 3
    assert signal["decision_id"] == one["decision_id"]
    assert signal["decision_price"] == "103"
    assert [row["symbol"] for row in noes] == ["SPY"]
    assert ran["status"] == "nothing to decide"
    assert (strategy["decisions"], strategy["signals"]) == (3, 1)


async def test_decisions_are_paged_without_a_gap(app, market):
    market.history(5)
    async with running(app) as client:
        for _ in range(4):
            market.tell({"AAPL": 100.0, "BAC": 100.0, "SPY": 100.0})
        await until_idle(client)
        seen: list[str] = []
        query = "/decisions?limit=5"
        while rows := (await client.get(query)).json():
            seen += [row["decision_id"] for row in rows]
            query = f"/decisions?limit=5&before={seen[-1]}"

    assert len(seen) == len(set(seen)) == 12


async def test_a_person_changes_a_strategy_and_the_file_shows_the_difference(app):
    async with running(app) as client:
        headers = {"X-Acting-User": "sam"}
        changed = await client.put(
            f"/strategies/{NAME}",
            json={"parameters": {"threshold": 0.05}, "reason": "calmer"},
            headers=headers,
        )
        paused = await client.post(
            f"/strategies/{NAME}/status",
            json={"status": "paused", "reason": "holiday"},
            headers=headers,
        )
        versions = (await client.get(f"/strategies/{NAME}/versions")).json()
        back = await client.post(
            f"/strategies/{NAME}/follow-file", json={"reason": "as agreed"}
        )

    assert changed.json()["differs_from_file"] is True
    assert paused.json()["status"] == "paused"
    assert [v["version"] for v in versions] == [3, 2, 1]
    assert versions[0]["created_by"] == "sam"
    assert versions[0]["reason"] == "holiday: enabled -> paused"
    assert back.json()["differs_from_file"] is False


async def test_days_are_stored_once(app):
    row = {"strategy": NAME, "date": "2024-06-03", "returns": 0.01, "sharpe_ratio": 1.5}
    async with running(app) as client:
        first = (await client.post("/performance", json={"rows": [row]})).json()
        second = (await client.post("/performance", json={"rows": [row]})).json()
        corrected = (
            await client.post("/performance", json={"rows": [row | {"returns": 0.02}]})
        ).json()
        listed = (await client.get("/performance")).json()

    assert [first["rows"], second["rows"], corrected["rows"]] == [1, 0, 1]
    assert listed == [row | {"returns": 0.02}]


async def test_indicators_and_signals_can_be_asked_for_one_strategy(app, market):
    market.history(6)
    async with running(app) as client:
        indicators = (await client.post(f"/strategies/{NAME}/indicators")).json()
        signals = (await client.post(f"/strategies/{NAME}/signals")).json()

    assert [row["symbol"] for row in indicators] == ["AAPL", "BAC", "SPY"]
    assert signals["decisions"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/strategies/nobody", None, 404),
        ("GET", f"/decisions/{NOBODY}", None, 404),
        ("GET", f"/signals/{NOBODY}", None, 404),
        ("GET", "/decisions/no-id", None, 422),
        ("GET", "/decisions?outcome=perhaps", None, 422),
        ("POST", f"/strategies/{NAME}/status", {"status": "off", "reason": "xyz"}, 422),
        ("POST", f"/strategies/{NAME}/status", {"status": "paused"}, 422),
        (
            "PUT",
            f"/strategies/{NAME}",
            {"parameters": {"lookback": 3}, "reason": "xyz"},
            422,
        ),
        (
            "PUT",
            f"/strategies/{NAME}",
            {"parameters": {}, "risk_limits": {"max_drawdown": 2}, "reason": "xyz"},
            422,
        ),
        ("POST", "/strategies/nobody/signals", None, 404),
        (
            "POST",
            "/performance",
            {
                "rows": [
                    {
                        "strategy": "nobody",
                        "date": "2024-06-03",
                        "returns": 0,
                        "sharpe_ratio": 0,
                    }
                ]
            },
            404,
        ),
    ],
)
async def test_what_cannot_be_right_is_refused(app, method, path, body, status):
    async with running(app) as client:
        answer = await client.request(method, path, json=body)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_reader_may_not_act(app):
    async with running(app) as client:
        answers = [
            await client.post(path, json=body, headers=bearer(READER))
            for path, body in (
                ("/strategies/run", {}),
                (f"/strategies/{NAME}/status", {"status": "paused", "reason": "xyz"}),
                (f"/strategies/{NAME}/signals", {}),
                ("/performance", {"rows": []}),
            )
        ]
    assert {answer.status_code for answer in answers} == {403}
