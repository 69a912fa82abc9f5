"""The same bars through a backtest and through the services: equal to the cent."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from stack import environment

DATA = Path(__file__).parents[3] / "shared" / "data" / "bars_hour_2010_2018.parquet"


TWINS = """
import polars as pl
from trading_core.strategy import Parameters, Strategy

class Twins(Strategy[Parameters], name="twins"):
    '''Buy two symbols together at ten o'clock in New York, sell them at two.'''

    def side(self):
        hour = pl.col("timestamp").dt.convert_time_zone("America/New_York").dt.hour()
        sign = pl.when(hour == 10).then(1).when(hour == 14).then(-1)
        return pl.when(pl.col("symbol").is_in(["BAC", "MSFT"])).then(sign)

    def legs(self):
        return {
            "weight": pl.when(pl.col("symbol") == "BAC").then(1.0).otherwise(0.5),
            "reduce_only": self.side() == -1,
            "group": pl.lit("BAC/MSFT"),
        }
"""


def rehearse(*words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a rehearsal as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "trading_system.cli", "rehearse", *words],
        env=environment() | more,
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
def test_legs_of_a_position_trade_as_in_the_backtest(
    replay: str, tmp_path: Path
) -> None:
    (tmp_path / "twins.py").write_text(TWINS)
    chosen = tmp_path / "strategies.yaml"
    chosen.write_text("strategies: [{name: twins, enabled: true}]")
    # The rest of a partial fill meets another quote there than in the backtest: a model
    # without such fills shows the legs alone.
    done = rehearse(
        *("--replay", replay, "--from", "2015-04-08", "--to", "2015-04-10"),
        *("--fill-model", "realistic"),
        STRATEGIES_FILE=str(chosen),
        STRATEGY_DIRS=str(tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal to the cent" in done.stdout
    # Two legs, in and out, on each of three days.
    assert "12 x fill" in done.stdout


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
