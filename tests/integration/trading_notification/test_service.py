"""The service over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from trading_notification import app as notification
from trading_notification import workers
from trading_notification.adapters.smtp import SmtpMailer
from trading_notification.domain.health import Seen
from trading_notification.domain.summary import Figures
from trading_notification.ports import Desk
from trading_system.clock import monotonic
from trading_system.config.settings import Settings
from trading_system.personal_tokens import new_token, token_hash

pytestmark = pytest.mark.integration

NOON = datetime(2024, 3, 5, 17, tzinfo=UTC)
READER, RISKER = new_token(), new_token()


class FakeProbe:
    def look(self) -> Seen:
        return Seen("risk", "pass", "ready")


class FakePortfolio:
    def figures(self) -> Figures:
        return Figures(date(2024, 3, 5), Decimal(1), None, Decimal(1), [], [])


@pytest.fixture
async def client(
    database: Any,
    service_database_url: Any,
    redis_url: str,
    tmp_path: Path,
    mail_server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(workers, "LOOK_FOR_MAIL", 0.1)
    settings = Settings(
        postgres_url=service_database_url("notification"),
        redis_url=redis_url,
        trading_data_dir=tmp_path,
        service_token_hashes={
            token_hash(READER): {"caller": "reader", "scopes": ["read"]},
            token_hash(RISKER): {"caller": "risker", "scopes": ["read", "risk"]},
        },
    )
    desk = Desk(SmtpMailer(mail_server.settings()), [FakeProbe()], FakePortfolio(), 30)
    app = notification.create(settings, desk)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://127.0.0.1:8006",
            headers={"Authorization": f"Bearer {RISKER}"},
        ) as client:
            yield client


async def test_a_fill_reaches_inbox_and_mailbox(
    client: httpx.AsyncClient, database: Any, filled: Any, mail_server: Any
) -> None:
    with database.transaction() as tx:
        tx.publish(filled())
    begun = monotonic()
    while monotonic() - begun < 20 and not mail_server.received:
        await asyncio.sleep(0.1)
    (mail,) = mail_server.received
    assert mail["Subject"] == "[SIMULATED] Bought 40 AAPL at $231.38 (momentum)"
    (message,) = (await client.get("/notifications")).json()
    begun = monotonic()
    while monotonic() - begun < 10 and message["deliveries"][0]["status"] != "sent":
        await asyncio.sleep(0.1)
        (message,) = (await client.get("/notifications")).json()
    assert message["deliveries"][0]["status"] == "sent"
    path = f"/notifications/{message['notification_id']}/read"
    assert (await client.post(path)).json()["read_at"] is not None
    assert (await client.get("/notifications?unread=true")).json() == []


async def test_each_run_does_its_work_once(client: httpx.AsyncClient) -> None:
    first = (await client.post("/summary/send")).json()
    assert first["changed"] == 1
    assert (await client.post("/summary/send")).json()["changed"] == 0
    assert (await client.post("/alerts/deliver")).status_code == 200
    assert (await client.post("/alerts/deliver")).json()["changed"] == 0
    await client.post("/logs/aggregate")
    assert (await client.post("/logs/aggregate")).json()["changed"] == 0
    checked = (await client.post("/health/check")).json()
    assert "risk" in {check["component"] for check in checked["checks"]}
    seen = (await client.get("/system-health")).json()
    assert seen["checked_at"] is not None
    before = (await client.get("/system-health/changes")).json()
    await client.post("/health/check")
    assert (await client.get("/system-health/changes")).json() == before


async def test_preferences_are_shown_changed_and_refused(
    client: httpx.AsyncClient,
) -> None:
    change = {"kind": "report", "channel": "email", "enabled": False}
    answer = await client.put("/preferences", json=change)
    row = next(
        p for p in answer.json() if (p["kind"], p["channel"]) == ("report", "email")
    )
    assert row["enabled"] is False
    for wrong in ({"kind": "gossip"}, {"channel": "pigeon"}, {"min_severity": "x"}):
        refused = await client.put("/preferences", json={**change, **wrong})
        assert refused.status_code == 422
    reader = {"Authorization": f"Bearer {READER}"}
    refused = await client.put("/preferences", json=change, headers=reader)
    assert refused.status_code == 403


async def test_a_test_mail_answers_with_what_the_server_said(
    client: httpx.AsyncClient, mail_server: Any
) -> None:
    assert (await client.post("/preferences/test")).json()["status"] == "sent"
    mail_server.answer_to_mail = "550 mailbox full"
    refused = await client.post("/preferences/test")
    assert (refused.status_code, refused.json()["code"]) == (503, "mail-not-sent")
    assert "550 mailbox full" in refused.json()["detail"]


async def test_logs_are_listed_and_filtered(
    client: httpx.AsyncClient, database: Any
) -> None:
    with database.transaction() as tx:
        tx.session.execute(
            text(
                "insert into logging.system_logs (service, level, message, timestamp)"
                " values ('web', 'ERROR', 'broken', clock_timestamp())"
            )
        )
    found = (await client.get("/logs", params={"service": "web"})).json()
    assert [line["message"] for line in found] == ["broken"]
    assert (await client.get("/logs", params={"level": "LOUD"})).status_code == 422
    assert (await client.get("/logs/summaries")).status_code == 200
