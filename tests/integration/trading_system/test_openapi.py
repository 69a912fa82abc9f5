"""Every service describes itself completely, and its documentation works offline."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from trading_system.config.settings import Settings
from trading_system.vocabulary import ServiceName

pytestmark = pytest.mark.integration


@pytest.fixture(params=list(ServiceName), ids=str)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """An app that is never started: its description needs no database."""
    settings = Settings(
        postgres_url="postgresql://nobody@127.0.0.1:1/none",
        redis_url="redis://127.0.0.1:1/0",
        trading_data_dir=tmp_path,
    )
    return import_module(f"trading_{request.param}.app").create(settings)


def operations(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def test_each_operation_is_described_tagged_typed_and_named_once(app: Any) -> None:
    listed = operations(app.openapi())
    assert listed
    incomplete = [
        name
        for name, operation in listed
        if not operation.get("description") or not operation.get("tags")
    ]
    assert not incomplete
    names = [operation["operationId"] for _, operation in listed]
    assert len(names) == len(set(names)), sorted(
        name for name in names if names.count(name) > 1
    )
    untyped = [
        name
        for name, operation in listed
        if operation["responses"]
        .get("200", {})
        .get("content", {})
        .get("application/json", {"schema": "-"})
        .get("schema")
        == {}
    ]
    assert not untyped


async def test_the_documentation_loads_nothing_from_elsewhere(app: Any) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8000"
    ) as client:
        page = await client.get("/docs")
        script = await client.get("/docs/assets/swagger-ui-bundle.js")
        style = await client.get("/docs/assets/swagger-ui.css")
    assert "https://" not in page.text
    assert script.status_code == style.status_code == 200


OPEN = ("/health", "/idle", "/metrics")


async def test_nobody_is_answered_without_a_token_that_is_known(app: Any) -> None:
    asked = [
        (
            name.split()[0],
            re.sub(r"\{\w+\}", "00000000-0000-0000-0000-000000000000", path),
        )
        for name, _ in operations(app.openapi())
        for path in [name.split()[1]]
        if not path.startswith(OPEN)
    ]
    assert len(asked) > 10
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8000"
    ) as client:
        for method, path in asked:
            for headers in ({}, {"Authorization": "Bearer a-guess"}):
                answer = await client.request(method, path, headers=headers)
                assert answer.status_code == 401, (method, path)
                assert answer.json()["code"] == "unauthorized"
