"""No page waits for a table that grows to be read whole: each query has its index."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, event, text

from trading_system.config.settings import Settings
from trading_system.personal_tokens import token_hash
from trading_system.vocabulary import ServiceName

pytestmark = pytest.mark.integration

TOKEN = "a-token-of-the-pages"

SMALL = {
    # A row for each strategy, symbol, limit, setting or part of the system.
    *("strategies", "strategy_versions", "universe", "series", "risk_limits"),
    *("breakers", "symbol_locks", "trading_state", "positions", "strategy_positions"),
    *("system_config", "consumers", "preferences", "health_state", "log_progress"),
    # A row a day.
    *("sessions", "performance_metrics", "strategy_performance", "contract_checks"),
    # What is under way at the moment.
    *("reservations", "holds", "dead_letters", "event_staging"),
}
"""Tables that may be read whole."""

WHOLE = ("/books",)
"""Questions that are about everything there is."""

Plan = dict[str, Any]


def sample(schema: dict[str, Any]) -> Any:
    """Return a value that a parameter may have."""
    for choice in schema.get("anyOf", []):
        if choice.get("type") != "null":
            return sample(choice)
    if "items" in schema:
        return sample(schema["items"])
    if "enum" in schema:
        return schema["enum"][0]
    formats = {
        "uuid": "00000000-0000-0000-0000-000000000000",
        "date-time": "2026-03-02T15:00:00Z",
        "date": "2026-03-02",
    }
    types = {"integer": 5, "number": 1, "boolean": True, "string": "AAPL"}
    return formats.get(schema.get("format", "")) or types[schema.get("type", "string")]


def questions(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return every path that reads, plain and with each of its filters."""
    for path, methods in schema["paths"].items():
        if "get" not in methods or path in WHOLE:
            continue
        parameters = methods["get"].get("parameters", [])
        values = {each["name"]: sample(each["schema"]) for each in parameters}
        queries = [each for each in parameters if each["in"] == "query"]
        needed = {e["name"]: values[e["name"]] for e in queries if e.get("required")}
        filled = path.format(**values)
        yield filled, needed
        for each in queries:
            yield filled, needed | {each["name"]: values[each["name"]]}


def read_whole(plan: Plan, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Return the tables that a plan reads whole, to look for rows or to order them."""
    gathers = {"Sort", "Incremental Sort", "Aggregate", "WindowAgg"} & {*above}
    ordered = plan["Node Type"] in ("Index Scan", "Index Only Scan")
    if plan["Node Type"] == "Seq Scan" or (
        gathers and ordered and "Index Cond" not in plan
    ):
        yield plan["Relation Name"]
    for part in plan.get("Plans", []):
        yield from read_whole(part, (*above, plan["Node Type"]))


@pytest.fixture
def account(database_url: str) -> None:
    """What a first start writes about the account."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "insert into shared.system_config (config_key, config_value)"
                " values ('account_id', '\"PA1\"'), ('mode', '\"simulated\"')"
                " on conflict do nothing"
            )
        )
    engine.dispose()


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("service", list(ServiceName), ids=str)
async def test_what_pages_ask_is_found_by_an_index(
    service: ServiceName,
    database_url: str,
    tmp_path: Path,
) -> None:
    settings = Settings(
        # As the owner: execution keeps a connection for its lock on the account.
        postgres_url=database_url,
        redis_url="redis://127.0.0.1:1/0",
        trading_data_dir=tmp_path,
        service_token_hashes={
            token_hash(TOKEN): {"caller": "pages", "scopes": ["read"]}
        },
    )
    app = import_module(f"trading_{service}.app").create(settings)
    asked: dict[str, tuple[str, Any]] = {}
    question = ""

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        if statement.lstrip().lower().startswith(("select", "with")):
            asked.setdefault(statement, (question, values))

    event.listen(app.state.database.engine, "before_cursor_execute", note)
    answers = set()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://127.0.0.1:8000",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as client:
        for path, query in questions(app.openapi()):
            question = f"{path} {query}"
            answer = await client.get(path, params=query)
            answers.add(answer.status_code)
            assert answer.status_code != 401, question
            assert app.state.database.engine.pool.checkedout() == 0, question
    app.state.database.close()
    assert 200 in answers and len(asked) > 10

    engine = create_engine(database_url)
    found = []
    with engine.connect() as connection:
        # On empty tables a look at all of it is the cheapest.
        connection.execute(text("set enable_seqscan = off"))
        for statement, (first, values) in asked.items():
            ((plan,),) = connection.exec_driver_sql(
                f"explain (format json) {statement}", values
            ).one()
            tables = {t for t in read_whole(plan["Plan"]) if t not in SMALL}
            if tables:
                found.append(f"{first} reads all of {', '.join(sorted(tables))}")
    engine.dispose()
    assert not found
