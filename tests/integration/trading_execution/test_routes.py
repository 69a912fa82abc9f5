"""What the service answers over HTTP, with its own database role."""

import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from trading_execution.app import create
from trading_execution.operations.desk import Desk
from trading_system.config.settings import Settings
from trading_system.personal_tokens import token_hash
from trading_system.vocabulary import Side

if TYPE_CHECKING:
    from conftest import Bench, FakeStream

pytestmark = pytest.mark.integration

TRADER, READER = "trader", "reader"


@pytest.fixture
def app(
    bench: "Bench",
    stream: "FakeStream",
    service_database_url: Callable[[str], str],
    redis_url: str,
    tmp_path: Path,
) -> FastAPI:
    """The service, with the bench's broker and executor, its loops at rest."""
    hashes = {
        token_hash(TRADER): {"caller": "gateway", "scopes": ["read", "trade", "risk"]},
        token_hash(READER): {"caller": "watcher", "scopes": ["read"]},
    }
    settings = Settings(
        trading_mode="simulated",
        simulation_speed="max",
        trading_data_dir=tmp_path,
        postgres_url=service_database_url("execution"),
        redis_url=redis_url,
        service_token_hashes=json.loads(json.dumps(hashes)),
    )
    made = create(settings, bench.broker, stream)
    desk: Desk = made.state.desk
    desk.lease, desk.trust = bench.desk.lease, bench.desk.trust
    desk.in_charge()
    desk.trust = bench.desk.trust
    bench.reconcile()
    return made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may trade."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://127.0.0.1:8003",
        headers={"Authorization": f"Bearer {TRADER}", "X-Acting-User": "ada"},
    ) as client:
        yield client
    app.state.database.close()


async def test_an_order_is_sent_shown_and_canceled(
    bench: "Bench", client: httpx.AsyncClient
) -> None:
    approved = bench.approve()
    sent = (await client.post("/execute")).json()
    assert (sent["status"], sent["changed"]) == ("done", 1)
    assert (await client.post("/execute")).json()["changed"] == 0
    shown = (await client.get(f"/orders/{approved.order_id}")).json()
    assert (shown["status"], len(shown["attempts"])) == ("ACCEPTED", 1)
    assert [step["status"] for step in shown["history"]] == [
        "READY",
        "SUBMITTING",
        "ACCEPTED",
    ]
    [same] = (await client.get(f"/orders/by-signal/{approved.signal_id}")).json()
    assert same["order_id"] == shown["order_id"]
    canceled = (await client.post(f"/orders/{approved.order_id}/cancel")).json()
    assert canceled["status"] == "CANCELED"
    again = await client.post(f"/orders/{approved.order_id}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_lists_are_paged_from_the_last_item(
    bench: "Bench", client: httpx.AsyncClient
) -> None:
    approved = [bench.approve() for _ in range(3)]
    first = (await client.get("/orders?limit=2&state=open")).json()
    rest = await client.get(f"/orders?limit=2&cursor={first[-1]['order_id']}")
    wanted = [str(order.order_id) for order in reversed(approved)]
    assert [o["order_id"] for o in first + rest.json()[:1]] == wanted
    assert (await client.get("/orders?state=perhaps")).status_code == 422
    assert (await client.get(f"/orders/{uuid4()}")).status_code == 404


async def test_account_positions_trades_and_ledger_tell_the_same(
    bench: "Bench", client: httpx.AsyncClient
) -> None:
    approved = bench.approve()
    await client.post("/execute")
    bench.tell(bench.broker.fill(bench.client_id(approved), "10", "9.5"))
    run = (await client.post("/positions/update")).json()
    assert run["detail"]["marked"] is True
    again = (await client.post("/positions/update")).json()
    assert again["changed"] == 0
    account = (await client.get("/account")).json()
    assert (account["cash"], account["equity"]) == ("99905", "100000")
    [position] = (await client.get("/positions")).json()
    assert (position["symbol"], position["avg_price"]) == ("AAPL", "9.5")
    assert position["strategy"] == "momentum_strategy"
    [trade] = (await client.get("/trades?limit=1")).json()
    assert (trade["order_id"], trade["price"]) == (str(approved.order_id), "9.5")
    [entry] = (await client.get("/ledger?limit=1")).json()
    assert (entry["kind"], entry["cash_delta"]) == ("fill", "-95")
    points = (await client.get("/equity")).json()
    assert points[-1]["equity"] == "100000"
    assert (await client.get("/clock")).json()["is_open"] is True


async def test_runs_of_the_flows_change_nothing_the_second_time(
    bench: "Bench", client: httpx.AsyncClient
) -> None:
    bench.broker.script = ["accept and lose the answer"]
    approved = bench.approve()
    await client.post("/execute")
    first = (await client.post("/manage")).json()
    assert (first["detail"]["resolved"], bench.status(approved)) == (1, "ACCEPTED")
    assert (await client.post("/manage")).json()["changed"] == 0
    compared = (await client.post("/reconcile")).json()
    assert (compared["complete"], compared["clean"]) == (True, True)
    latest = (await client.get("/reconciliations/latest")).json()
    assert latest["run_id"] == compared["run_id"]
    assert len((await client.get("/reconciliations?limit=2")).json()) == 2


async def test_a_hold_is_shown_and_released_by_a_person_with_a_reason(
    bench: "Bench", client: httpx.AsyncClient
) -> None:
    with bench.database.transaction() as tx:
        tx.reconciliations.hold(bench.account_id, "AAPL", "orphan_fill", "a test")
    [hold] = (await client.get("/holds")).json()
    assert (hold["symbol"], hold["kind"]) == ("AAPL", "orphan_fill")
    assert (await client.post("/holds/AAPL/release", json={})).status_code == 422
    answer = await client.post("/holds/AAPL/release", json={"reason": "looked at it"})
    assert answer.json() == []
    [(by, reason)] = bench.sql(
        "select user_id, reason from shared.audit_log where table_name ="
        " 'execution.holds' and operation = 'UPDATE' order by audit_id desc limit 1"
    )
    assert (by, reason) == ("ada", "looked at it")
    assert (
        await client.post("/holds/AAPL/release", json={"reason": "again"})
    ).status_code == 409


async def test_a_release_ends_only_the_holds_that_the_person_saw(
    bench: "Bench", client: httpx.AsyncClient
) -> None:
    with bench.database.transaction() as tx:
        tx.reconciliations.hold(bench.account_id, "AAPL", "orphan_fill", "a test")
    [seen] = (await client.get("/holds")).json()
    with bench.database.transaction() as tx:
        tx.reconciliations.hold(bench.account_id, "AAPL", "order_we_gave_up", "later")
        tx.reconciliations.hold(bench.account_id, "MSFT", "orphan_fill", "another")
    asked = {"reason": "the first alone", "holds": [seen["hold_id"]]}
    for _ in range(2):
        answer = await client.post("/holds/AAPL/release", json=asked)
        left = [(hold["symbol"], hold["kind"]) for hold in answer.json()]
        assert left == [("AAPL", "order_we_gave_up"), ("MSFT", "orphan_fill")]
    [(count,)] = bench.sql(
        "select count(*) from shared.audit_log where table_name = 'execution.holds'"
        " and operation = 'UPDATE' and reason = 'the first alone'"
    )
    assert count == 1


async def test_an_adjustment_is_a_persons_word_with_a_reason_entered_once(
    bench: "Bench", client: httpx.AsyncClient
) -> None:
    bench.broker.foreign_shares["KO"] = Decimal(3)
    assert not bench.reconcile().clean
    asked = {"symbol": "KO", "quantity": "3", "reason": "moved in from another broker"}
    key = {"Idempotency-Key": uuid4().hex}
    assert (await client.post("/adjustments", json=asked)).status_code == 422
    without = {**asked, "reason": ""}
    answer = await client.post("/adjustments", json=without, headers=key)
    assert answer.status_code == 422
    for _ in range(2):
        answer = await client.post("/adjustments", json=asked, headers=key)
        assert answer.json()["quantity_delta"] == "3"
    other = {**asked, "quantity": "4"}
    answer = await client.post("/adjustments", json=other, headers=key)
    assert answer.status_code == 409
    nothing = {"reason": "nothing at all"}
    answer = await client.post("/adjustments", json=nothing, headers=key)
    assert answer.status_code == 422
    calls = len(bench.broker.calls)
    assert bench.reconcile().clean
    assert (bench.positions(), len(bench.broker.calls)) == ({"KO": 3}, calls)
    [(by, reason)] = bench.sql(
        "select user_id, reason from shared.audit_log where table_name ="
        " 'execution.ledger' and operation = 'INSERT' order by audit_id desc limit 1"
    )
    assert (by, reason) == ("ada", "moved in from another broker")


async def test_everything_is_canceled_and_flattened_on_demand(
    bench: "Bench", client: httpx.AsyncClient
) -> None:
    held = bench.approve()
    await client.post("/execute")
    bench.tell(bench.broker.fill(bench.client_id(held), "10", "9.5"))
    bench.approve("MSFT", side=Side.BUY)
    await client.post("/execute")
    [canceled] = (await client.post("/orders/cancel-all")).json()
    assert canceled["status"] == "CANCELED"
    asked = await client.post("/flatten", json={"reason": "a drill"})
    assert asked.json()["status"] == "requested"
    sent = (await client.post("/execute")).json()
    assert sent["detail"]["flatten_orders"] == 1


@pytest.mark.parametrize(
    "path",
    ["/execute", "/manage", "/positions/update", "/reconcile", "/orders/cancel-all"],
)
async def test_who_may_only_read_cannot_act(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.post(path, headers={"Authorization": f"Bearer {READER}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    nobody = await client.post(path, headers={"Authorization": "Bearer x"})
    assert nobody.status_code == 401


async def test_a_process_that_is_not_the_executor_says_so(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    app.state.desk.lease.held = lambda: False
    answer = await client.post("/execute")
    assert answer.status_code == 409
    assert "executor" in answer.json()["detail"]
