"""What analytics answers over HTTP, with the types of its contract."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from analytics_books import MONDAY, TUESDAY, Books, at
from fastapi import FastAPI
from pydantic import TypeAdapter

from trading_analytics.app import create
from trading_system.config.settings import Settings
from trading_system.contracts import analytics as views
from trading_system.contracts.execution import EquityPoint
from trading_system.personal_tokens import new_token, token_hash
from trading_system.vocabulary import new_id

pytestmark = pytest.mark.integration

READER, TRADER = new_token(), new_token()
WRITES = (
    "/performance/calculate",
    "/trades/analyze",
    "/reports/generate",
    "/backtests",
)


@pytest.fixture
def app(database_url: str, redis_url: str, tmp_path: Path) -> FastAPI:
    settings = Settings(
        postgres_url=database_url,
        redis_url=redis_url,
        trading_data_dir=tmp_path,
        alpaca_feed="iex",
        service_token_hashes={
            token_hash(READER): {"caller": "reader", "scopes": ["read"]},
            token_hash(TRADER): {"caller": "trader", "scopes": ["read", "trade"]},
        },
    )
    return create(settings)


@pytest.fixture
async def client(books: Books, app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A caller that may trade, with a day's trading in the books."""
    books.opening("100000", at(MONDAY, 14))
    books.bar("AAPL", at(MONDAY, 15), 101, low=97, high=103)
    books.fill("buy", "10", "100", at(MONDAY, 15))
    books.fill("sell", "10", "102", at(MONDAY, 16))
    books.worth("100020", at(MONDAY, 21))
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://127.0.0.1:8005",
            headers={"Authorization": f"Bearer {TRADER}"},
        ) as caller:
            yield caller


async def asked(client: httpx.AsyncClient, kind: Any, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return TypeAdapter(kind).validate_json(answer.content)


async def told(client: httpx.AsyncClient, path: str, body: Any = None) -> Any:
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return views.AnalyticsRunResult.model_validate_json(answer.content)


def backtest() -> dict[str, Any]:
    return {
        "backtest_id": str(new_id()),
        "strategy": "momentum_strategy",
        "status": "done",
        "parameters": {"lookback_period": 20},
        "symbols": ["AAPL"],
        "period_start": MONDAY.isoformat(),
        "period_end": TUESDAY.isoformat(),
        "created_at": at(MONDAY, 21).isoformat(),
        "summary": "1 trade",
        "metrics": [
            {
                "name": "total_return",
                "value": 0.02,
                "unit": "ratio",
                "n": 2,
                "convention": "last equity over first, less 1",
            }
        ],
        "trades": 1,
        "total_return": 0.02,
    }


async def test_a_day_of_trading_is_computed_and_read_back(
    client: httpx.AsyncClient,
) -> None:
    assert (await told(client, "/trades/analyze")).changed == 1
    assert (await told(client, "/performance/calculate")).changed == 2
    report = await told(client, "/reports/generate", {"kind": "daily"})
    assert report.changed == 1

    performance = await asked(client, list[views.PerformanceView], "/performance")
    assert {row.strategy for row in performance} == {"momentum_strategy", "portfolio"}
    assert all(row.returns == pytest.approx(0.0002) for row in performance)
    (trip,) = await asked(client, list[views.RoundTripView], "/round-trips")
    assert (trip.net_pnl, trip.mae, trip.mfe) == (20, -30, 30)
    by_order = await asked(
        client, list[views.RoundTripView], f"/round-trips/by-order/{trip.exit_order_id}"
    )
    assert by_order == [trip]
    own = f"/round-trips/{trip.round_trip_id}"
    assert await asked(client, views.RoundTripView, own) == trip
    (equity,) = await asked(client, list[EquityPoint], "/equity")
    assert (equity.market_time, equity.equity) == (at(MONDAY, 21), 100020)
    assert equity.session_closed
    (listed,) = await asked(client, list[views.ReportView], "/reports")
    assert str(listed.report_id) == report.detail["report_id"]
    assert listed == await asked(
        client, views.ReportView, f"/reports/{listed.report_id}"
    )


async def test_an_empty_portfolio_has_no_totals(client: httpx.AsyncClient) -> None:
    found = await asked(client, views.PortfolioSummaryView, "/portfolio")
    assert (found.total_value, found.pnl, found.rows) == (None, None, [])


async def test_performance_can_be_asked_for_the_latest_day_of_each(
    client: httpx.AsyncClient, books: Books
) -> None:
    books.worth("100030", at(TUESDAY, 21))
    await told(client, "/performance/calculate")
    latest = await asked(
        client, list[views.PerformanceView], "/performance", latest=True
    )
    assert {(row.strategy, row.date) for row in latest} == {
        ("momentum_strategy", TUESDAY),
        ("portfolio", TUESDAY),
    }


async def test_round_trips_can_be_asked_for_by_their_end(
    client: httpx.AsyncClient, books: Books
) -> None:
    books.fill("buy", "1", "50", at(MONDAY, 17), symbol="KO")
    await told(client, "/trades/analyze")
    kind = list[views.RoundTripView]
    closed = await asked(client, kind, "/round-trips", closed=True)
    still = await asked(client, kind, "/round-trips", closed=False)
    one = await asked(client, kind, "/round-trips", symbol="KO", limit=1)
    assert [trip.symbol for trip in closed] == ["AAPL"]
    assert [trip.symbol for trip in still] == ["KO"] == [trip.symbol for trip in one]


async def test_a_backtest_is_kept_once(client: httpx.AsyncClient, books: Books) -> None:
    sent = backtest()
    first = await client.post("/backtests", json=sent)
    later = sent | {"created_at": (at(MONDAY, 21) + timedelta(days=1)).isoformat()}
    second = await client.post("/backtests", json=later)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    (kept,) = await asked(client, list[views.BacktestView], "/backtests")
    assert str(kept.backtest_id) == sent["backtest_id"]
    assert kept.metrics[0].value == 0.02
    assert len(books.events("backtest_completed")) == 1
    one = await asked(client, views.BacktestView, f"/backtests/{kept.backtest_id}")
    assert one == kept


@pytest.mark.parametrize("path", ["/reports", "/backtests"])
async def test_what_is_not_there_is_said_to_be_missing(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(f"{path}/{new_id()}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", WRITES)
async def test_a_reader_changes_nothing(client: httpx.AsyncClient, path: str) -> None:
    headers = {"Authorization": f"Bearer {READER}"}
    answer = await client.post(path, headers=headers, json=backtest())
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "wrong", [{"kind": "yearly"}, {"kind": "daily", "day": "soon"}, {"sort": "daily"}]
)
async def test_a_report_that_cannot_be_is_refused(
    client: httpx.AsyncClient, wrong: dict[str, str]
) -> None:
    assert (await client.post("/reports/generate", json=wrong)).status_code == 422


async def test_every_route_has_a_typed_answer_and_a_summary(app: FastAPI) -> None:
    routes = [
        (f"{method} {path}", route)
        for path, methods in app.openapi()["paths"].items()
        for method, route in methods.items()
        if "System" not in route.get("tags", ["System"])
    ]
    assert len(routes) == 16
    for name, route in routes:
        assert route["responses"]["200"]["content"]["application/json"]["schema"], name
        assert route["description"], name
