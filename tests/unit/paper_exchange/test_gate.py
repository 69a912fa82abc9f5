"""What passes the gate is answered in Alpaca's form, and told on the tape."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from paper_exchange import app
from paper_exchange.api import control
from paper_exchange.api.routing import Operations, is_api
from paper_exchange.exchange import Exchange
from paper_exchange.pacer import Pacer

pytestmark = pytest.mark.unit

Build = Callable[..., Exchange]
KEYS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}


def ask(
    exchange: Exchange,
    method: str,
    path: str,
    control_token: str | None = None,
    **more: str,
) -> httpx.Response:
    """Return one answer of an exchange that gathers what comes together."""

    async def once() -> httpx.Response:
        exchange.journal.gathers = True
        made = app.create(exchange, Pacer(exchange), control_token)
        transport = httpx.ASGITransport(made)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://exchange", headers=KEYS | more
        ) as client:
            return await client.request(method, path)

    exchange.create_account("key", "secret", Decimal(100_000))
    answer = asyncio.run(once())
    exchange.journal.gathers = False
    return answer


def test_every_operation_is_found_by_its_own_path_and_no_other() -> None:
    operations = Operations(app.ROUTERS)
    declared = [one for router in app.ROUTERS for one in router.operations]
    for one in (one for one in declared if is_api(one.path)):
        found = operations.find(one.method, one.path)
        assert found is not None and found[0] is one.handler, one
        assert one.method in operations.methods(one.path)
        assert operations.find(one.method, f"{one.path}/a/b/c") is None
    found = operations.find("GET", "/v2/orders/12")
    assert found is not None and found[1] == {"order_id": "12"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/nothing", 404, 40410000),
        ("GET", "/v2/account/", 404, 40410000),
        ("PUT", "/v2/orders", 405, 40510000),
        ("HEAD", "/v2/account", 405, 40510000),
    ],
)
def test_what_no_operation_answers_is_said_in_alpacas_form(
    build: Build, method: str, path: str, status: int, code: int
) -> None:
    answer = ask(build(), method, path)
    assert answer.status_code == status
    assert method == "HEAD" or answer.json()["code"] == code
    assert ("Allow" in answer.headers) == (status == 405)
    assert {"x-request-id", "x-ratelimit-limit"} <= set(answer.headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (one.method, one.path)
        for one in control.router.operations
        # The other one tells everybody whose exchange answers.
        if one.path.startswith("/control/")
    ],
)
@pytest.mark.parametrize(("token", "status"), [(None, 404), ("other", 401)])
def test_the_control_api_is_for_who_holds_its_token(
    build: Build, method: str, path: str, token: str | None, status: int
) -> None:
    exchange = build()
    answer = ask(exchange, method, path, token, Authorization="Bearer token")
    assert answer.status_code == status
    assert exchange.now == exchange.market.source.start


def test_a_full_disk_is_answered_as_an_error(build: Build) -> None:
    exchange = build()
    exchange.create_account("key", "secret", Decimal(100_000))

    def fail_to_write(lines: list[bytes]) -> None:
        raise OSError("disk is full")

    write = exchange.journal._tape.write
    exchange.journal._tape.write = fail_to_write  # type: ignore[method-assign]
    answer = ask(exchange, "DELETE", "/v2/orders")
    exchange.journal._tape.write = write  # type: ignore[method-assign]
    assert answer.status_code == 500
    assert answer.json() == {
        "code": 50010000,
        "message": "internal server error occurred",
    }


def test_a_read_is_on_the_tape_when_the_exchange_has_ended(
    build: Build, tmp_path: Path
) -> None:
    exchange = build("one")
    assert ask(exchange, "GET", "/v2/account").status_code == 200
    exchange.close()
    lines = (tmp_path / "one" / "tape.jsonl").read_text().splitlines()
    told = json.loads(lines[-1])
    assert (told["method"], told["path"]) == ("GET", "/v2/account")
