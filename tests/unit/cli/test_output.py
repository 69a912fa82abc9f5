import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from trading_system.cli import manner, output
from trading_system.cli.manner import Manner
from trading_system.contracts.risk import TradingStateView
from trading_system.vocabulary import TradingState

pytestmark = pytest.mark.unit

ROW = {
    "symbol": "AAPL",
    "price": Decimal("231.3800"),
    "at": datetime(2026, 3, 2, 14, 30, tzinfo=UTC),
    "note": "two\nlines",
    "none": None,
}


def test_a_pipe_gets_tabs_and_utc(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_rows([ROW])
    header, row = capsys.readouterr().out.splitlines()
    assert header.split("\t") == list(ROW)
    expected = ["AAPL", "231.3800", "2026-03-02T14:30:00+00:00", "two lines", ""]
    assert row.split("\t") == expected


def test_a_terminal_gets_a_table_in_new_york_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    output.show_rows([ROW | {"note": "[bold]"}])
    shown = capsys.readouterr().out
    assert "2026-03-02 09:30:00 ET" in shown
    assert "231.38" in shown and "\t" not in shown
    assert "[bold]" in shown
    with manner.behaving(Manner(utc=True)):
        output.show_rows([ROW])
    assert "2026-03-02 14:30:00 UTC" in capsys.readouterr().out


def test_json_is_one_document_with_the_keys_of_the_services(
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = TradingStateView(
        account_id="PA1",
        state=TradingState.HALTED,
        level=3,
        reason="news",
        set_by="ann",
        set_at=datetime(2026, 3, 2, 14, 30, tzinfo=UTC),
        version=2,
    )
    with manner.behaving(Manner(json=True)):
        output.show_views([state], ("state",))
    shown = capsys.readouterr().out
    assert json.loads(shown) == [state.model_dump(mode="json")]
    with manner.behaving(Manner(ndjson=True)):
        output.show_views([state, state], ("state",))
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [state.model_dump(mode="json")] * 2


def test_nothing_to_show_is_said_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output.show_views([], ("state",))
    assert capsys.readouterr().out == ""
    with manner.behaving(Manner(json=True)):
        output.show_views([], ("state",))
    assert json.loads(capsys.readouterr().out) == []
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    output.show_views([], ("state",))
    assert capsys.readouterr().out == "None.\n"
