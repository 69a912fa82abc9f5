"""Commands for who writes strategies, typed as a person types them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import polars as pl
import pytest
from typer.testing import CliRunner

from trading_core.lookahead import walk
from trading_system.cli import app, flow_commands, installation
from trading_system.clients import Services
from trading_system.config.settings import Settings
from trading_system.runtime.faults import ExitCode
from trading_system.vocabulary import ServiceName

pytestmark = pytest.mark.unit

PEEKING = '''"""Reads the next bar."""

import polars as pl

from trading_core.strategy import Condition, Parameters, Rules, Strategy


class Peeking(Strategy[Parameters], name="peeking"):
    """Buy what will rise."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {"next": pl.col("close").shift(-1)}

    def rules(self) -> Rules:
        return Rules(buy=(Condition("next", ">", "close"),))
'''


@pytest.fixture(autouse=True)
def own_strategies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "strategies"
    folder.mkdir()
    monkeypatch.setenv("TRADING_ENV_FILE", "")
    monkeypatch.setenv("STRATEGY_DIRS", str(folder))
    return folder


@pytest.fixture
def bars(tmp_path: Path) -> str:
    path = tmp_path / "bars.parquet"
    walk(symbols=2, count=300).write_parquet(path)
    return str(path)


def trading(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def test_a_strategy_that_looks_ahead_fails_with_bar_and_column(
    own_strategies: Path, bars: str
) -> None:
    (own_strategies / "peeking.py").write_text(PEEKING)
    result = trading("lookahead", "peeking", "--bars", bars, "--json")
    assert result.exit_code == ExitCode.CHECK_FAILED
    first, *_ = json.loads(result.stdout)
    assert first["question"] == "It knows later bars"
    assert (first["symbol"], first["column"]) == ("WALK0", "signal")
    assert first["timestamp"].startswith("2013-01-")


def test_an_honest_strategy_passes_on_bars_of_its_own_and_on_a_file(bars: str) -> None:
    for more in ([], ["--bars", bars], ["--set", "lookback_period=5"]):
        result = trading("lookahead", "momentum_strategy", *more)
        assert result.exit_code == ExitCode.OK, result.stderr
        assert "momentum_strategy does not look ahead" in result.stdout
    empty = trading("lookahead", "momentum_strategy", "--json")
    assert json.loads(empty.stdout) == []


def test_a_new_strategy_runs_as_it_stands(own_strategies: Path, bars: str) -> None:
    written = trading("new-strategy", "my_cross", "--dir", str(own_strategies))
    assert written.exit_code == ExitCode.OK
    assert trading("lookahead", "my_cross").exit_code == ExitCode.OK
    again = trading("new-strategy", "my_cross", "--dir", str(own_strategies))
    assert again.exit_code == ExitCode.CONFLICT and "already" in again.stderr
    bad = trading("new-strategy", "My Cross")
    assert bad.exit_code == ExitCode.USAGE and "no name" in bad.stderr


def test_a_sweep_shows_the_best_of_every_combination(bars: str) -> None:
    words = ["--set", "lookback_period=5..15:5", "--set", "threshold=0.01,0.02"]
    every = trading(
        "sweep", "momentum_strategy", "--bars", bars, *words, "--json", "--best", "99"
    )
    rows = json.loads(every.stdout)
    tried = {(r["symbol"], r["lookback_period"], r["threshold"]) for r in rows}
    assert len(rows) == len(tried) == 2 * 3 * 2
    equity = [row["final_equity"] for row in rows]
    assert equity == sorted(equity, reverse=True) and len(set(equity)) > 1
    costly = trading(
        "sweep", "momentum_strategy", "--bars", bars, *words, "--json", "--best", "1",
        "--fee-rate", "0.01",
    )  # fmt: skip
    assert json.loads(costly.stdout)[0]["final_equity"] < equity[0]


def test_a_walk_forward_shows_what_each_window_chose_and_made(bars: str) -> None:
    words = ["--set", "lookback_period=3,8", "--set", "threshold=0.01"]
    days = ["--train", "5", "--test", "2"]
    for more in ([], ["--anchored"]):
        result = trading(
            "walk-forward",
            "momentum_strategy",
            *("--bars", bars, *words, *days, *more, "--json"),
        )
        rows = json.loads(result.stdout)
        # 300 hours are 12.5 days: three tests of two days after five of training.
        assert len(rows) == 3
        assert {row["lookback_period"] for row in rows} <= {3, 8}
        grown = 1.0
        for row in rows:
            grown *= 1 + row["test_return"]
            assert row["grown"] == pytest.approx(grown)
    short = trading("walk-forward", "momentum_strategy", "--bars", bars)
    assert short.exit_code == ExitCode.USAGE and "no window" in short.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["momentum_strateg"], ExitCode.NOT_FOUND, "Did you mean"),
        (["momentum_strategy", "--set", "lookbck=3"], ExitCode.USAGE, "Did you mean"),
        (["momentum_strategy", "--set", "threshold=x"], ExitCode.USAGE, "threshold"),
        (["momentum_strategy", "--set", "threshold"], ExitCode.USAGE, "name=value"),
        (["momentum_strategy", "--set", "threshold=5..1"], ExitCode.USAGE, "no value"),
        (["momentum_strategy", "--fee-rate", "-1"], ExitCode.USAGE, "fee_rate"),
    ],
)
def test_what_cannot_be_swept_is_said(
    words: list[str], code: ExitCode, said: str, bars: str
) -> None:
    result = trading("sweep", *words, "--bars", bars)
    assert result.exit_code == code and said in result.stderr


def test_a_file_without_bars_is_refused(tmp_path: Path) -> None:
    missing = trading("lookahead", "momentum_strategy", "--bars", "no.parquet")
    assert missing.exit_code == ExitCode.NOT_FOUND
    text = tmp_path / "text.parquet"
    text.write_text("no bars")
    wrong = tmp_path / "wrong.csv"
    walk(symbols=1, count=5).with_columns(close=-pl.col("close")).write_csv(wrong)
    for path, reason in ((text, "text.parquet"), (wrong, "close")):
        result = trading("lookahead", "momentum_strategy", "--bars", str(path))
        assert result.exit_code == ExitCode.USAGE and reason in result.stderr


def view(**changes: Any) -> dict[str, Any]:
    return {
        "backtest_id": str(uuid4()),
        "strategy": "momentum_strategy",
        "status": "done",
        "parameters": {"threshold": 0.02},
        "symbols": ["SPY"],
        "period_start": "2020-01-02",
        "period_end": "2020-12-31",
        "created_at": "2026-03-02T14:30:00Z",
        "trades": 12,
        "total_return": 0.1,
        "metrics": [
            {
                "name": "sharpe",
                "value": 1.5,
                "unit": "",
                "n": 250,
                "convention": "daily",
            }
        ],
        **changes,
    }


def test_backtests_are_listed_shown_and_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = [view(), view(parameters={"threshold": 0.05}, trades=3)]

    def handle(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        found = [each for each in kept if each["backtest_id"] == name]
        return httpx.Response(200, json=found[0] if found else kept)

    transports: dict[str, httpx.BaseTransport] = {
        name: httpx.MockTransport(handle) for name in ServiceName
    }

    @contextmanager
    def services(data_dir: Path | None) -> Iterator[Services]:
        with Services(Settings(), transports=transports) as found:
            yield found

    monkeypatch.setattr(installation, "services", services)
    assert len(json.loads(trading("backtest", "list", "--json").stdout)) == 2
    first, second = (each["backtest_id"] for each in kept)
    shown = trading("backtest", "show", first)
    assert "sharpe\t1.5" in shown.stdout and "threshold\t0.02" in shown.stdout
    compared = trading("backtest", "compare", first, second).stdout.splitlines()
    assert "threshold\t0.02\t0.05" in compared and "trades\t12\t3" in compared


def test_a_backtest_is_a_run_of_its_flow_and_can_be_canceled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class FakePrefect:
        def __init__(self) -> None:
            self.started: list[tuple[str, dict[str, Any]]] = []
            self.canceled: list[str] = []

        def deployments(self) -> list[dict[str, Any]]:
            return [{"flow": "run_backtest", "id": "deployment"}]

        def start(self, deployment: str, parameters: dict[str, Any]) -> Any:
            self.started.append((deployment, parameters))
            return self.run("run-1")

        def run(self, run_id: str) -> dict[str, Any]:
            return {
                "id": run_id,
                "state_type": "COMPLETED",
                "state_name": "Completed",
                "state": {"message": "done"},
            }

        def cancel(self, run_id: str) -> None:
            self.canceled.append(run_id)

    prefect = FakePrefect()
    monkeypatch.setattr(flow_commands, "prefect", lambda data_dir: prefect)
    words = ["--set", "threshold=0.01", "--start", "2024-01-02", "--symbol", "spy"]
    words += ["--feed", "import"]
    result = trading("backtest", "run", "momentum_strategy", *words, "--json")
    assert result.exit_code == ExitCode.OK
    assert json.loads(result.stdout)["run_id"] == "run-1"
    asked = {
        "strategy": "momentum_strategy",
        "parameters": [{"threshold": 0.01}],
        "start": "2024-01-02",
        "end": None,
        "symbols": ["SPY"],
        "feed": "import",
    }
    assert prefect.started == [("deployment", asked)]
    assert trading("backtest", "cancel", "run-1").exit_code == ExitCode.OK
    assert prefect.canceled == ["run-1"]
