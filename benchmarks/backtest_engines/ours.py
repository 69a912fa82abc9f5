"""This project's columns, under the benchmark."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
from backtest_engines.turns import CASH, FAST, GRID, SLOW, serve

from trading_core.calendar import Calendar, xnys_sessions
from trading_core.indicators import sma
from trading_core.limits import ACCOUNT_SEED, Limits, LimitType
from trading_core.matching import REALISTIC
from trading_core.simulation import Setup, simulate
from trading_core.simulation.account import AccountBacktest, backtest_account
from trading_core.simulation.columns import ColumnBacktest, backtest_columns, sweep
from trading_core.simulation.terms import Terms
from trading_core.strategy import Condition, Parameters, Rules, Strategy

PART, PART_BARS = 20, 700
"""Symbols and bars of each on which the account is held against `simulate`."""


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
    if work == "account":
        return account(bars)
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


def account(bars: pl.DataFrame) -> Callable[[], Any]:
    """Return a run of one account, once `simulate` agrees on a part of the bars."""
    first, last = bars["timestamp"].min(), bars["timestamp"].max()
    assert isinstance(first, datetime) and isinstance(last, datetime)
    calendar = Calendar(xnys_sessions(first.date(), last.date()))
    strategy = Averages.configured({"max_position_size": 0.02})
    # The limits of a new account, but for the two that would end it in its first loss.
    limits = {
        **ACCOUNT_SEED,
        LimitType.MAX_DAILY_LOSS: Decimal(1),
        LimitType.MAX_DRAWDOWN: Decimal(1),
        LimitType.MAX_ORDERS_PER_DAY: Decimal(5_000),
    }
    setup = Setup(cash=Decimal(1_000_000), model=REALISTIC, limits=Limits.of(limits))
    symbols = bars["symbol"].unique().sort()[:PART]
    part = bars.filter(pl.col("symbol").is_in(symbols.implode()))
    part = part.group_by("symbol", maintain_order=True).head(PART_BARS)
    fast = backtest_account(strategy, part, calendar, setup)
    slow = simulate(strategy, part, calendar, setup)
    orders = [(o.symbol, o.side, o.quantity, o.placed_at) for o in slow.orders]
    fills = [(e.symbol, e.side, e.quantity, float(e.price)) for e in slow.executions]
    assert (
        orders == fast.orders.select("symbol", "side", "quantity", "placed_at").rows()
    )
    assert fills == fast.fills.select("symbol", "side", "quantity", "price").rows()
    assert slow.equity["equity"].equals(fast.equity["equity"]) and fills
    return lambda: backtest_account(strategy, bars, calendar, setup)


def told(made: Any) -> dict[str, Any]:
    """Return what was traded."""
    if isinstance(made, AccountBacktest):
        return {
            "counts": [made.fills.height],
            "final": made.equity["equity"].tail(1).to_list(),
        }
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
