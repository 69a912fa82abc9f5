"""The service over HTTP: orders by hand, limits, halts, runs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from trading_risk import app as risk
from trading_system.clock import monotonic
from trading_system.config.settings import Settings
from trading_system.personal_tokens import new_token, token_hash

pytestmark = pytest.mark.integration

READER, TRADER, RISKER = new_token(), new_token(), new_token()
HALT = {"level": 1, "reason": "lunch", "by": "tester"}


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


@pytest.fixture
async def client(
    account: Any, service_database_url: Any, redis_url: str, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        postgres_url=service_database_url("risk"),
        redis_url=redis_url,
        trading_data_dir=tmp_path,
        service_token_hashes={
            token_hash(READER): {"caller": "reader", "scopes": ["read"]},
            token_hash(TRADER): {"caller": "trader", "scopes": ["read", "trade"]},
            token_hash(RISKER): {"caller": "risker", "scopes": ["read", "risk"]},
        },
    )
    with account.database.transaction() as tx:
        tx.publish(account.signal("OTHER", may_trade=False))
    app = risk.create(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://127.0.0.1:8004",
            headers=bearer(RISKER),
        ) as client:
            yield client


def buy(**more: Any) -> dict[str, Any]:
    return {
        "symbol": "AAPL",
        "side": "buy",
        "quantity": "5",
        "reason": "I want it",
        **more,
    }


async def order(client: httpx.AsyncClient, key: str, body: Any) -> httpx.Response:
    headers = bearer(TRADER, **{"Idempotency-Key": key, "X-Acting-User": "ada"})
    return await client.post("/manual-orders", json=body, headers=headers)


async def test_an_order_by_hand_passes_the_same_checks_once(
    client: httpx.AsyncClient, account: Any
) -> None:
    first = await order(client, "key-number-1", buy())
    assert first.status_code == 200, first.text
    answer = first.json()
    assert (answer["outcome"], answer["quantity"]) == ("approved", "5")
    assert answer["strategy"] == "manual"
    assert len(answer["checks"]) > 20
    again = await order(client, "key-number-1", buy())
    assert again.json()["outcome_id"] == answer["outcome_id"]
    (approved,) = account.events("risk.order_approved")
    assert approved["signal_id"] == answer["signal_id"]
    other = await order(client, "key-number-1", buy(quantity="6"))
    assert other.status_code == 409
    audited = account.sql(
        "select user_id, reason from shared.audit_log"
        " where table_name = 'risk_management.manual_orders'"
        " and new_values ->> 'account_id' = :account"
    )
    assert [tuple(row) for row in audited] == [("ada", "I want it")]


async def test_a_person_may_sell_what_strategies_hold(
    client: httpx.AsyncClient, account: Any
) -> None:
    account.holds("AAPL", "40", "100")
    answer = await order(client, "key-number-2", buy(side="sell", quantity="40"))
    assert answer.json()["outcome"] == "approved"
    answer = await order(client, "key-number-3", buy(side="sell", quantity="1"))
    assert answer.json()["code"] == "SHORT_NOT_ALLOWED"


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "1e12", "Infinity", "x"])
async def test_a_quantity_that_cannot_be_is_refused(
    client: httpx.AsyncClient, account: Any, quantity: str
) -> None:
    answer = await order(client, "key-number-4", buy(quantity=quantity))
    assert answer.status_code == 422
    assert (
        account.sql(
            "select 1 from risk_management.manual_orders where account_id = :account"
        )
        == []
    )


async def test_an_order_by_hand_needs_key_scope_reason_and_a_known_symbol(
    client: httpx.AsyncClient,
) -> None:
    headers = bearer(TRADER)
    answer = await client.post("/manual-orders", json=buy(), headers=headers)
    assert answer.status_code == 422
    headers = bearer(RISKER, **{"Idempotency-Key": "key-number-5"})
    answer = await client.post("/manual-orders", json=buy(), headers=headers)
    assert answer.status_code == 403
    answer = await order(client, "key-number-5", buy(reason=" "))
    assert answer.status_code == 422
    answer = await order(client, "key-number-5", buy(symbol="NOSUCH"))
    assert answer.json()["code"] == "no-price"
    answer = await order(client, "key-number-5", buy(order_type="limit"))
    assert "limit_price" in answer.json()["detail"]


async def test_what_if_answers_like_the_real_thing_and_stores_nothing(
    client: httpx.AsyncClient, account: Any
) -> None:
    await _until_idle(client)
    before = account.outcomes()
    asked = {"symbol": "AAPL", "side": "buy", "quantity": "500"}
    answer = (await client.post("/what-if", json=asked)).json()
    assert (answer["approved"], answer["quantity"]) == (True, "100")
    assert account.outcomes() == before


async def test_halt_and_resume(client: httpx.AsyncClient) -> None:
    refused = await client.post(
        "/trading-state/halt", json=HALT, headers=bearer(TRADER)
    )
    assert refused.status_code == 403
    halted = await client.post("/trading-state/halt", json=HALT)
    assert halted.json()["state"] == "REDUCING"
    for level in (0, 4, "x"):
        body = {**HALT, "level": level}
        answer = await client.post("/trading-state/halt", json=body)
        assert answer.status_code == 422
    back = {"reason": "lunch is over", "by": "tester"}
    resumed = await client.post("/trading-state/resume", json=back)
    assert resumed.json()["state"] == "ACTIVE"
    history = (await client.get("/trading-state/history")).json()
    assert [row["state"] for row in history] == ["ACTIVE", "REDUCING", "ACTIVE"]


async def test_the_kill_file_is_seen_by_the_running_service(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / "KILL").touch()
    begun = monotonic()
    while monotonic() - begun < 10:
        state = (await client.get("/trading-state")).json()
        if state["level"] == 2:
            break
        await asyncio.sleep(0.1)
    assert (state["state"], state["set_by"]) == ("REDUCING", "KILL file")
    back = {"reason": "I want to trade", "by": "tester"}
    refused = await client.post("/trading-state/resume", json=back)
    assert (refused.status_code, refused.json()["code"]) == (409, "kill-file")


async def test_limits_are_shown_with_their_use_and_changed_with_a_reason(
    client: httpx.AsyncClient, account: Any
) -> None:
    account.holds("AAPL", "50", "100")
    shown = {row["limit_type"]: row for row in (await client.get("/limits")).json()}
    assert shown["max_gross_exposure"]["used"] == pytest.approx(0.05)
    assert shown["max_position_size"]["used"] == pytest.approx(0.5)
    change = {
        "limit_type": "max_position_size",
        "limit_value": "0.05",
        "reason": "carefully",
        "by": "tester",
    }
    answer = await client.put("/limits", json=change)
    assert answer.status_code == 200
    row = next(r for r in answer.json() if r["limit_type"] == "max_position_size")
    assert (row["limit_value"], row["version"], row["source"]) == ("0.05", 2, "edit")
    for wrong in (
        {"limit_value": "1.5"},
        {"limit_value": "NaN"},
        {"limit_value": "-0.1"},
        {"limit_type": "max_everything"},
        {"scope": "strategy"},
        {"reason": ""},
    ):
        answer = await client.put("/limits", json={**change, **wrong})
        assert answer.status_code == 422, wrong
    answer = await client.put("/limits", json=change, headers=bearer(READER))
    assert answer.status_code == 403
    history = (await client.get("/limits/history")).json()
    assert history[0]["updated_by"] == "tester"


async def test_each_run_changes_what_it_should_and_then_nothing(
    client: httpx.AsyncClient, account: Any
) -> None:
    waiting = account.signal("MSFT")
    await _until_idle(client)
    account.sql("update shared.consumers set paused = true where consumer = 'risk'")
    with account.database.transaction() as tx:
        tx.publish(waiting)
    try:
        first = (await client.post("/validate")).json()
        assert (first["changed"], first["approved"]) == (1, 1)
        for path in ("/validate", "/size"):
            assert (await client.post(path)).json()["changed"] == 0
    finally:
        account.sql(
            "update shared.consumers set paused = false where consumer = 'risk'"
        )
    account.ledger("adjustment", "", None, "0", "-1700")
    account.sql(
        "insert into risk_management.daily_state values (:account, 'account', '',"
        " '2024-03-05', 100000, 100000, 98300, 100000, '2024-03-05 16:00Z')"
    )
    first = (await client.post("/monitor")).json()
    assert first["changed"] == 1
    assert (await client.post("/monitor")).json()["changed"] == 0
    # The worker may have told of it already; whoever does, it is told once.
    told = (await client.post("/alerts")).json()["changed"]
    assert told in (0, 1)
    assert (await client.post("/alerts")).json()["changed"] == 0
    assert len(account.events("risk.risk_alert_raised")) == 1
    log = (await client.get("/events-log")).json()
    assert "daily_loss_warning" in {row["type"] for row in log}


async def _until_idle(client: httpx.AsyncClient) -> None:
    begun = monotonic()
    while monotonic() - begun < 10:
        if (await client.get("/idle")).json()["idle"]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the service did not come to rest")


async def test_outcomes_are_read_by_signal_and_by_filter(
    client: httpx.AsyncClient, account: Any
) -> None:
    outcome = account.ask("AAPL")
    one = (await client.get(f"/outcomes/{outcome.signal_id}")).json()
    assert one["order_id"] == str(outcome.order_id)
    assert [check["position"] for check in one["checks"]] == list(
        range(len(one["checks"]))
    )
    listed = (await client.get("/outcomes", params={"outcome": "approved"})).json()
    assert [row["signal_id"] for row in listed] == [str(outcome.signal_id)]
    correlation = {"correlation_id": str(outcome.correlation_id)}
    found = (await client.get("/outcomes", params=correlation)).json()
    assert len(found) >= 1
    missing = await client.get("/outcomes/018f0000-0000-7000-8000-000000000000")
    assert missing.status_code == 404


async def test_exposure_breakers_and_documentation_answer(
    client: httpx.AsyncClient,
) -> None:
    view = (await client.get("/exposure")).json()
    assert (view["equity"], view["gross"]) == ("100000", "0")
    assert (await client.get("/breakers")).json() == []
    schema = (await client.get("/openapi.json")).json()
    for path, verbs in schema["paths"].items():
        for verb, operation in verbs.items():
            assert operation.get("description") or operation.get("summary"), (
                verb,
                path,
            )
