"""This project's columns, under the benchmark."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from backtest_engines.turns import CASH, FAST, GRID, SLOW, serve

from trading_core.indicators import sma
from trading_core.simulation.columns import ColumnBacktest, backtest_columns, sweep
from trading_core.simulation.terms import Terms
from trading_core.strategy import Condition, Parameters, Rules, Strategy


class AverageParameters(Parameters):
    """The lengths of two averages."""

    fast: int = FAST
    slow: int = SLOW


class Averages(Strategy[AverageParameters], name="averages"):
    """Long while the fast average is above the slow one."""

    def warmup(self) -> int:
        return self.parameters.slow + 1

    def indicators(self) -> dict[str, pl.Expr]:
        return {
            "fast": sma(period=self.parameters.fast),
            "slow": sma(period=self.parameters.slow),
        }

    def rules(self) -> Rules:
        return Rules(
            buy=(Condition("fast", ">", "slow"),),
            sell=(Condition("fast", "<=", "slow"),),
        )


def prepare(work: str, bars: pl.DataFrame, fee: float) -> Callable[[], Any]:
    """Return a run over the bars."""
    terms = Terms(cash=CASH, fee_rate=fee, at="fill")
    pairs = GRID if work == "grid" else [(FAST, SLOW)]
    strategies = [
        Averages.configured({"fast": fast, "slow": slow, "max_position_size": 1.0})
        for fast, slow in pairs
    ]
    if work == "grid":
        return lambda: sweep(strategies, bars, terms)
    bar = pl.int_range(pl.len()).over("symbol")
    numbered = bars.select("symbol", "timestamp", bar=bar)
    return lambda: (backtest_columns(strategies[0], bars, terms), numbered)


def told(made: Any) -> dict[str, Any]:
    """Return what was traded."""
    if isinstance(made, pl.DataFrame):
        return {
            "final": made["final_equity"].to_list(),
            "counts": made["trades"].to_list(),
        }
    result, numbered = made
    assert isinstance(result, ColumnBacktest)
    ends = result.equity.group_by("symbol", maintain_order=True).last()
    symbols = pl.DataFrame({"symbol": ends["symbol"], "number": np.arange(ends.height)})
    last = numbered.group_by("symbol").agg(last=pl.col("bar").max())
    rows = (
        result.trades.join(symbols, on="symbol", maintain_order="left")
        .join(last, on="symbol", maintain_order="left")
        .join(
            numbered.rename({"timestamp": "entered_at", "bar": "entry_bar"}),
            on=["symbol", "entered_at"],
            how="left",
            maintain_order="left",
        )
        .join(
            numbered.rename({"timestamp": "left_at", "bar": "exit_bar"}),
            on=["symbol", "left_at"],
            how="left",
            maintain_order="left",
        )
        .select(
            "number",
            "entry_bar",
            pl.coalesce("exit_bar", "last"),
            "quantity",
            "entry_price",
            "exit_price",
        )
    )
    return {
        "trades": rows.rows(),
        "final": ends["equity"].to_list(),
        "counts": result.trades.group_by("symbol")
        .len()
        .sort("symbol")["len"]
        .to_list(),
    }


if __name__ == "__main__":
    serve(prepare, told)
