import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from trading_system.cli import app, installation
from trading_system.cli.app import EXIT_CODES, exit_code_of
from trading_system.clients import Services
from trading_system.config.settings import Settings
from trading_system.errors import Refused
from trading_system.runtime import run_file
from trading_system.runtime.faults import (
    DatabaseTooNew,
    DiskFull,
    ExitCode,
    Fault,
    PackageMissing,
    PortInUse,
    WrongConfiguration,
)
from trading_system.runtime.run_file import Child, Run
from trading_system.vocabulary import ServiceName, TradingMode

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC).isoformat()
STATE = {
    "account_id": "PA1",
    "state": "REDUCING",
    "level": 1,
    "reason": "news",
    "set_by": "ann",
    "set_at": NOW,
    "version": 2,
}

Answers = dict[str, tuple[int, Any]]


@pytest.fixture(autouse=True)
def no_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADING_ENV_FILE", "")


@pytest.fixture
def asked() -> list[httpx.Request]:
    return []


@pytest.fixture
def answer(
    monkeypatch: pytest.MonkeyPatch, asked: list[httpx.Request]
) -> Callable[[Answers], None]:
    """Have the services answer, by method and path."""

    def give(answers: Answers) -> None:
        def handle(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            known = answers.get(f"{request.method} {request.url.path}")
            status, body = known or (404, {"detail": "no such thing"})
            return httpx.Response(status, json=body)

        transports: dict[str, httpx.BaseTransport] = {
            name: httpx.MockTransport(handle) for name in ServiceName
        }

        @contextmanager
        def services(data_dir: Path | None) -> Iterator[Services]:
            with Services(Settings(), transports=transports) as found:
                yield found

        monkeypatch.setattr(installation, "services", services)

    return give


def trading(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def test_every_exit_code_is_told_apart() -> None:
    faults = [kind.exit_code for kind in Fault.__subclasses__()]
    assert {*EXIT_CODES.values(), *faults} <= set(ExitCode)
    assert exit_code_of(Refused("limit")) == 5
    assert exit_code_of(DatabaseTooNew("new")) == 13


def test_every_exit_code_is_documented_once() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = page.split("## Exit codes")[1].split("\n## ")[0]
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)]
    assert codes == [int(code) for code in ExitCode]


def test_what_a_start_can_stumble_over_has_codes_of_its_own() -> None:
    faults = (PortInUse, DiskFull, PackageMissing, DatabaseTooNew, WrongConfiguration)
    codes = [fault.exit_code for fault in faults]
    assert len(set(codes)) == len(codes)
    others = {kind.exit_code for kind in Fault.__subclasses__() if kind not in faults}
    assert others.isdisjoint(codes)


def test_every_command_says_how_it_is_used() -> None:
    def leaves(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
        inside = getattr(command, "commands", None)
        if inside is None:
            yield path
        for name, each in (inside or {}).items():
            yield from leaves(each, *path, name)

    found = list(leaves(get_command(app)))
    assert len(found) > 40
    # Its options, `--help` too, are the exchange program's own.
    found.remove(("exchange",))
    for words in found:
        result = trading(*words, "--help")
        assert result.exit_code == 0
        example = f"Example: trading {' '.join(words)}"
        assert example in " ".join(result.output.split()), words


def test_the_version_names_the_commit_of_a_checkout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without_git(*words: object, **how: object) -> None:
        raise FileNotFoundError("git")

    told = trading("--version").stdout
    assert told.startswith(f"trading {version('trading-system')}")
    if (ROOT / ".git").exists() and shutil.which("git"):
        command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
        assert told.rstrip().endswith(f"({commit})" if commit else "")
    monkeypatch.setattr(subprocess, "run", without_git)
    assert trading("--version").stdout == f"trading {version('trading-system')}\n"


@pytest.mark.parametrize(
    "option",
    [
        ("--speed", "60"),
        ("--fill-model", "realistic"),
        ("--seed", "3"),
        ("--replay", "bars.parquet"),
        ("--from", "2013-10-01"),
        ("--to", "2013-10-31"),
    ],
)
def test_what_only_a_simulated_market_has_is_refused_elsewhere(
    option: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_MODE", "paper")
    result = trading("up", "--data-dir", str(tmp_path / "data"), *option)
    assert result.exit_code == ExitCode.USAGE
    assert len(result.stderr.splitlines()) == 1
    assert f"it has no {option[0]}." in result.stderr
    assert not (tmp_path / "data").exists()


def test_a_market_that_ends_before_it_begins_is_refused(tmp_path: Path) -> None:
    days = ("--from", "2013-10-31", "--to", "2013-10-01")
    result = trading("up", "--no-browser", "--data-dir", str(tmp_path / "data"), *days)
    assert result.exit_code == ExitCode.USAGE
    assert "--to 2013-10-01 is before --from 2013-10-31" in result.stderr
    assert not (tmp_path / "data" / "run.json").exists()


@pytest.mark.parametrize("command", ["status", "down", "login", "orders", "pnl"])
def test_without_a_stack_the_remedy_is_said(command: str, tmp_path: Path) -> None:
    result = trading(command, "--data-dir", str(tmp_path))
    assert result.exit_code == ExitCode.DEPENDENCY_DOWN
    assert result.stderr == f"Nothing runs in {tmp_path}. `trading up` starts it.\n"
    assert result.stdout == ""


def test_a_wrong_setting_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_MODUS", "paper")
    result = trading("status", "--data-dir", str(tmp_path))
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "did you mean TRADING_MODE?" in result.stderr


def test_paper_mode_without_keys_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_MODE", "paper")
    result = trading("up", "--data-dir", str(tmp_path))
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "TRADING_MODE=paper needs ALPACA_API_KEY" in result.stderr
    assert not (tmp_path / "postgres").exists()


def test_a_replay_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    result = trading("up", "--data-dir", str(tmp_path), "--replay", "no.parquet")
    assert result.exit_code == ExitCode.USAGE
    assert "no.parquet" in result.stderr


def test_a_link_signs_in_to_the_dashboard_that_runs(tmp_path: Path) -> None:
    me = Child(name="supervisor", pid=1, created=run_file.birth(1))
    run = Run(
        run_id="1",
        state="running",
        mode=TradingMode.SIMULATED,
        source="seed 1",
        speed="60",
        supervisor=me,
        urls={"gateway": "http://127.0.0.1:9000"},
    )
    run_file.write(tmp_path / "run.json", run)
    result = trading("login", "--data-dir", str(tmp_path))
    assert result.stdout.startswith("http://127.0.0.1:9000/login?token=")


def test_halt_names_level_reason_and_person(
    answer: Callable[[Answers], None], asked: list[httpx.Request]
) -> None:
    answer({"POST /trading-state/halt": (200, STATE)})
    result = trading("halt", "--reason", "news", "--json")
    assert json.loads(result.stdout)[0]["state"] == "REDUCING"
    sent = json.loads(asked[0].content)
    assert sent == {"level": 1, "reason": "news", "by": installation.person()}


@pytest.mark.parametrize(
    "command", [("halt", "--level", "3"), ("resume", "--reason", "over")]
)
def test_without_a_terminal_what_asks_first_needs_yes(
    command: tuple[str, ...],
    answer: Callable[[Answers], None],
    asked: list[httpx.Request],
) -> None:
    answer(
        {
            "POST /trading-state/halt": (200, STATE),
            "POST /trading-state/resume": (200, STATE),
        }
    )
    refused = trading(*command)
    assert refused.exit_code == ExitCode.USAGE
    assert "Add --yes." in refused.stderr and not asked
    assert trading(*command, "--yes").exit_code == 0
    assert len(asked) == 1


def test_what_risk_refuses_has_its_own_exit_code(
    answer: Callable[[Answers], None],
) -> None:
    problem = {"detail": "Drawdown is over its limit.", "code": "refused"}
    answer({"POST /trading-state/resume": (409, problem)})
    result = trading("resume", "--reason", "over", "--yes")
    assert result.exit_code == ExitCode.REFUSED_BY_RISK
    assert "Drawdown is over its limit." in result.stderr


def test_a_service_that_does_not_answer_is_a_dependency_that_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextmanager
    def services(data_dir: Path | None) -> Iterator[Services]:
        def fail(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused", request=request)

        transport = httpx.MockTransport(fail)
        with Services(Settings(), transports={"execution": transport}) as found:
            yield found

    monkeypatch.setattr(installation, "services", services)
    result = trading("positions")
    assert result.exit_code == ExitCode.DEPENDENCY_DOWN
    assert "execution service does not answer" in result.stderr


STEPS = ["bar", "indicators", "signal", "risk", "order", "fills", "result"]


def decision(signal_id: UUID | None) -> dict[str, Any]:
    return {
        "decision_id": str(uuid4()),
        "correlation_id": str(uuid4()),
        "strategy": "momentum_strategy",
        "strategy_version": 3,
        "parameters": {},
        "source_hash": "0",
        "symbol": "AAPL",
        "timeframe": "1Hour",
        "bar_start": NOW,
        "bar_end": NOW,
        "close": 231.4,
        "outcome": "no_signal" if signal_id is None else "buy",
        "score": 0.031,
        "reason": "momentum 0.031 over 0.02",
        "indicators": {},
        "conditions": [],
        "signal_id": None if signal_id is None else str(signal_id),
        "created_at": NOW,
    }


def test_a_missing_step_of_the_chain_says_no_record(
    answer: Callable[[Answers], None],
) -> None:
    found = decision(signal_id=uuid4())
    answer(
        {
            f"GET /decisions/{found['decision_id']}": (200, found),
            "GET /bars": (200, []),
            f"GET /orders/by-signal/{found['signal_id']}": (200, []),
        }
    )
    result = trading("explain", found["decision_id"])
    rows = [line.split("\t") for line in result.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == ["in short", *STEPS]
    states = {row[0]: row[1] for row in rows}
    assert states["bar"] == states["risk"] == "No record"
    assert states["signal"] == "Buy"
    assert "momentum_strategy v3 scored 0.0310" in rows[0][3]


def test_a_bar_on_which_nothing_happened_is_explained_too(
    answer: Callable[[Answers], None],
) -> None:
    found = decision(signal_id=None)
    answer(
        {
            f"GET /decisions/{found['decision_id']}": (200, found),
            "GET /bars": (200, []),
        }
    )
    result = trading("explain", found["decision_id"])
    rows = [line.split("\t") for line in result.stdout.splitlines()[1:]]
    assert [row[1] for row in rows][3:] == ["No signal", *["Not reached"] * 4]
    assert rows[0][3].startswith("Did nothing in AAPL. ")


def test_an_unknown_id_is_not_found_and_a_wrong_one_is_invalid(
    answer: Callable[[Answers], None],
) -> None:
    answer({})
    assert trading("explain", str(uuid4())).exit_code == ExitCode.NOT_FOUND
    assert trading("explain", "AAPL").exit_code == ExitCode.USAGE


def test_money_stays_text_in_json(answer: Callable[[Answers], None]) -> None:
    account = {
        "account_id": "PA1",
        "mode": "simulated",
        "cash": "90000.10",
        "equity": "100012.30",
        "last_equity": "100000.00",
        "buying_power": None,
        "long_value": "10012.20",
        "short_value": "0",
        "unrealized_pnl": "12.30",
        "realized_pnl": "0",
        "day_pnl": "12.30",
        "open_positions": 1,
        "market_time": NOW,
        "as_of": NOW,
    }
    answer({"GET /account": (200, account)})
    shown = json.loads(trading("pnl", "--json").stdout)
    assert Decimal(shown["day_pnl"]) == Decimal("12.30")
    assert isinstance(shown["day_pnl"], str)
    rows = trading("pnl").stdout.splitlines()
    assert "mode\tSIMULATED" in rows


OUTCOME = {
    "outcome_id": str(uuid4()),
    "signal_id": str(uuid4()),
    "correlation_id": None,
    "order_id": str(uuid4()),
    "strategy": "manual",
    "symbol": "AAPL",
    "side": "buy",
    "outcome": "approved",
    "code": "",
    "detail": "",
    "quantity": "10",
    "equity": None,
    "market_time": NOW,
    "created_at": NOW,
}


def test_an_order_by_hand_says_everything_about_itself(
    answer: Callable[[Answers], None], asked: list[httpx.Request]
) -> None:
    answer({"POST /manual-orders": (200, OUTCOME)})
    terms = ["--class", "bracket", "--take-profit", "260", "--stop-loss", "220"]
    done = trading(
        "order",
        "place",
        "buy",
        "aapl",
        *("--quantity", "10", *terms, "--reason", "a test", "--key", "key-1", "--yes"),
    )
    assert done.exit_code == 0, done.output
    body = json.loads(asked[0].content)
    assert (body["symbol"], body["quantity"]) == ("AAPL", "10")
    assert body["take_profit"] == {"limit_price": "260"}
    assert body["stop_loss"] == {"stop_price": "220", "limit_price": None}
    assert asked[0].headers["Idempotency-Key"] == "key-1"


def test_an_order_that_risk_denies_has_an_exit_code_of_its_own(
    answer: Callable[[Answers], None],
) -> None:
    denied = {**OUTCOME, "outcome": "denied", "code": "MAX_POSITION", "order_id": None}
    answer({"POST /manual-orders": (200, denied)})
    order = ("order", "place", "buy", "AAPL", "--quantity", "10")
    done = trading(*order, "--reason", "a test", "--yes")
    assert done.exit_code == ExitCode.REFUSED_BY_RISK


def test_a_replacement_names_what_changes(
    answer: Callable[[Answers], None], asked: list[httpx.Request]
) -> None:
    order_id = str(uuid4())
    answer({f"POST /orders/{order_id}/replace": (200, OUTCOME)})
    change = ("--limit-price", "249.50", "--reason", "closer", "--yes")
    assert trading("order", "replace", order_id, *change).exit_code == 0
    body = json.loads(asked[0].content)
    assert {name for name, value in body.items() if value} == {"limit_price", "reason"}
    assert body["limit_price"] == "249.5"


@pytest.mark.parametrize("quantity", ["many", "0", "-1", "NaN", "1e12"])
def test_a_number_that_cannot_be_is_refused_before_anything_is_sent(
    quantity: str, answer: Callable[[Answers], None], asked: list[httpx.Request]
) -> None:
    answer({})
    order = ("order", "place", "buy", "AAPL", f"--quantity={quantity}")
    done = trading(*order, "--reason", "a test", "--yes")
    assert (done.exit_code, asked) == (ExitCode.USAGE, [])


def test_an_order_is_canceled(
    answer: Callable[[Answers], None], asked: list[httpx.Request]
) -> None:
    order_id = str(uuid4())
    canceled = {"order_id": order_id, "status": "CANCELED", "detail": "by ann"}
    answer(
        {
            f"POST /orders/{order_id}/cancel": (200, canceled),
            "POST /orders/cancel-all": (200, [canceled]),
        }
    )
    assert "CANCELED" in trading("order", "cancel", order_id).output
    assert trading("order", "cancel-all").exit_code == 0


def hold(number: int, symbol: str) -> dict[str, Any]:
    return {
        "hold_id": number,
        "symbol": symbol,
        "kind": "orphan_fill",
        "reason": "orphan_fill: order 7",
        "placed_at": NOW,
    }


@pytest.mark.parametrize(("typed", "named"), [("aapl", "AAPL"), ("account", "*")])
def test_a_release_ends_the_holds_that_were_shown(
    typed: str,
    named: str,
    answer: Callable[[Answers], None],
    asked: list[httpx.Request],
) -> None:
    answer(
        {
            "GET /holds": (200, [hold(1, "AAPL"), hold(2, "*"), hold(3, "AAPL")]),
            f"POST /holds/{named}/release": (200, [hold(4, "MSFT")]),
        }
    )
    asking = ("release", typed, "--reason", "looked at it")
    assert trading(*asking).exit_code == ExitCode.USAGE
    done = trading(*asking, "--yes")
    assert done.exit_code == 0, done.output
    assert "On hold since" in done.stderr and "MSFT" in done.stdout
    [sent] = [json.loads(each.content) for each in asked if each.method == "POST"]
    ids = [1, 3] if named == "AAPL" else [2]
    assert sent == {"reason": "looked at it", "holds": ids}


def test_what_is_not_on_hold_is_not_released(
    answer: Callable[[Answers], None],
) -> None:
    answer({"GET /holds": (200, [hold(1, "AAPL")])})
    done = trading("release", "KO", "--reason", "looked at it", "--yes")
    assert done.exit_code == ExitCode.CONFLICT


def test_an_entry_by_hand_says_what_it_changes_and_carries_its_key(
    answer: Callable[[Answers], None], asked: list[httpx.Request]
) -> None:
    entry = {
        "entry_id": 7,
        "kind": "adjustment",
        "reference": "key-1",
        "symbol": "KO",
        "quantity_delta": "3",
        "cash_delta": "0",
        "strategy": "external",
        "timestamp": NOW,
    }
    answer({"GET /positions": (200, []), "POST /adjustments": (200, entry)})
    terms = ("adjust", "--symbol", "ko", "--quantity", "3", "--reason", "moved in")
    refused = trading(*terms)
    assert "The books have 0 KO; after it 3." in refused.stderr
    assert refused.exit_code == ExitCode.USAGE
    assert [each.method for each in asked] == ["GET"]
    done = trading(*terms, "--key", "key-1", "--yes")
    assert done.exit_code == 0, done.output
    sent = json.loads(asked[-1].content)
    assert (sent["symbol"], sent["quantity"], sent["reason"]) == ("KO", "3", "moved in")
    assert (sent["strategy"], sent["price"]) == ("external", None)
    assert asked[-1].headers["Idempotency-Key"] == "key-1"


def test_an_entry_of_what_is_no_number_is_refused(
    answer: Callable[[Answers], None], asked: list[httpx.Request]
) -> None:
    answer({})
    done = trading("adjust", "--cash", "NaN", "--reason", "a test", "--yes")
    assert (done.exit_code, asked) == (ExitCode.USAGE, [])


def test_the_last_comparison_and_its_differences_are_shown(
    answer: Callable[[Answers], None],
) -> None:
    difference = {
        "kind": "position",
        "symbol": "KO",
        "ours": "0",
        "broker": "3",
        "action": "symbol put on hold",
        "severity": "critical",
    }
    run = {
        "run_id": str(uuid4()),
        "started_at": NOW,
        "finished_at": NOW,
        "clean": False,
        "complete": True,
        "differences": [difference],
        "summary": "position: 1",
    }
    answer({"GET /reconciliations": (200, [run])})
    shown = trading("differences")
    assert "position: 1" in shown.stderr
    assert shown.stdout.splitlines()[1].split("\t")[:4] == ["position", "KO", "0", "3"]
    answer({"GET /reconciliations": (200, [])})
    assert "Not compared yet." in trading("differences").stderr
