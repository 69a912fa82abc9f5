"""The same bars through a backtest and through the services: equal to the cent."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from stack import environment

DATA = Path(__file__).parents[3] / "shared" / "data" / "bars_hour_2010_2018.parquet"


def rehearse(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run a rehearsal as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "trading_system.cli", "rehearse", *words],
        env=environment(),
        capture_output=True,
        text=True,
    )


@pytest.mark.end_to_end
@pytest.mark.parametrize("model", ["alpaca-paper", "realistic"])
def test_a_rehearsal_trades_what_the_backtest_trades(replay: str, model: str) -> None:
    days = ("--from", "2015-04-08", "--to", "2015-04-10", "--fill-model", model)
    done = rehearse("--replay", replay, *days)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal to the cent" in done.stdout
    # Three days of seven bars and four symbols, and something was traded.
    assert "84 x decision" in done.stdout
    assert " x fill" in done.stdout and "21 x equity" in done.stdout


@pytest.mark.end_to_end
@pytest.mark.soak
@pytest.mark.skipif(not DATA.is_file(), reason="needs the bars beside the project")
@pytest.mark.parametrize("model", ["alpaca-paper", "realistic"])
def test_a_month_of_real_bars_is_traded_alike(model: str, tmp_path: Path) -> None:
    file = tmp_path / "bars.parquet"
    pl.read_parquet(DATA).filter(pl.col("timestamp").dt.year() == 2014).write_parquet(
        file
    )
    days = ("--from", "2014-04-01", "--to", "2014-04-30", "--fill-model", model)
    done = rehearse("--replay", str(file), *days, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == []
