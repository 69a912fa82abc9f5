"""Settings: who changed what, found by kind; and no secret on the page."""

import sys

import pytest
from fake_services import SECRET, trading

from trading_system.contracts.system import AuditView
from trading_web import audit_words
from trading_web.backups import Backups

pytestmark = pytest.mark.unit


async def ready(open_browser):
    fake = trading()
    browser = open_browser(fake)
    await browser.sign_in()
    return fake, browser


async def test_the_page_shows_who_changed_what_and_why(open_browser):
    _, browser = await ready(open_browser)
    page = (await browser.get("/settings")).text
    assert "Limit value 0.02 → 0.01" in page
    assert "Calmer." in page
    assert "Locked symbols <strong>XOM</strong>" in page
    assert SECRET not in page


async def test_the_audit_log_is_narrowed_to_a_kind_and_read_on(open_browser):
    fake, browser = await ready(open_browser)
    asked = []
    fake.answers["risk", "/audit"] = lambda query: asked.append(dict(query)) or []
    await browser.get("/settings?table=risk_management.risk_limits&before=7")
    expected = {"table": "risk_management.risk_limits", "before": "7", "limit": "50"}
    assert asked == [expected]
    await browser.get("/settings?table=pg_authid")
    assert "table" not in asked[-1]


def line(old, new):
    lines = trading().answers["risk", "/audit"]
    values: AuditView = lines[0]
    return values.model_copy(update={"old_values": old, "new_values": new})


def test_a_change_names_what_differs_and_stays_silent_on_stamps():
    old = {"symbol": "AAPL", "until": None, "set_at": "1", "parameters": {"a": 1}}
    new = old | {"until": "tomorrow", "set_at": "2", "parameters": {"a": 2}}
    changed = line(old, new)
    assert audit_words.subject(changed) == "AAPL"
    assert audit_words.changes(changed) == [
        "Until — → tomorrow",
        "Parameters a = 1 → a = 2",
    ]
    assert audit_words.changes(line(None, new)) == []


def command(said: str, code: int = 0) -> list[str]:
    """Return a command that stands for `trading backup`."""
    body = f"import sys; sys.stdout.write({said!r}); sys.exit({code})"
    return [sys.executable, "-c", body]


async def test_a_backup_is_made_by_the_command_and_listed(open_browser, tmp_path):
    _, browser = await ready(open_browser)
    row = '[{"file": "/x/trading-1.dump", "bytes": 7, "tables": 61}]'
    browser.app.state.backups = Backups(tmp_path, command(row))
    answer = await browser.send("/settings/backup")
    assert "trading-1.dump, 61 tables, was written." in answer.text
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "trading-1.dump").write_bytes(b"x" * 1_200_000)
    assert "trading-1.dump</code>, 1.2 MB" in (await browser.get("/settings")).text


async def test_a_backup_that_fails_says_what_the_command_said(open_browser, tmp_path):
    _, browser = await ready(open_browser)
    failing = [sys.executable, "-c", "raise SystemExit('The disk is full.')"]
    browser.app.state.backups = Backups(tmp_path, failing)
    answer = await browser.send("/settings/backup")
    assert answer.status_code == 503
    assert "The backup failed: The disk is full." in answer.text
