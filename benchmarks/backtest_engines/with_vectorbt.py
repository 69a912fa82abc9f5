"""vectorbt, under the benchmark."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import vectorbt as vbt  # type: ignore[import-not-found]
from backtest_engines.turns import CASH, FAST, GRID, SLOW, above, columns, serve

AT_ONCE = 100
"""Pairs of the grid in one portfolio: all thousand together need 3.8 GB."""


def prepare(work: str, bars: pl.DataFrame, fee: float) -> Callable[[], Any]:
    """Return a run over the bars."""
    parts = columns(bars)
    index = pd.DatetimeIndex(parts[0]["timestamp"])
    open_: Any
    close: Any
    open_, close = (
        pd.DataFrame(np.column_stack([part[name] for part in parts]), index=index)
        for name in ("open", "close")
    )
    if work != "many":
        open_, close = open_[0], close[0]

    def one() -> Any:
        fast = vbt.MA.run(close, FAST).ma.to_numpy()
        slow = vbt.MA.run(close, SLOW).ma.to_numpy()
        result = portfolio(open_, close, fast, slow, fee)
        return result.trades.records, result.value()

    def grid() -> Any:
        lengths = sorted({length for pair in GRID for length in pair})
        means = vbt.MA.run(close, lengths).ma.to_numpy()
        at = {length: number for number, length in enumerate(lengths)}
        made = []
        for first in range(0, len(GRID), AT_ONCE):
            pairs = GRID[first : first + AT_ONCE]
            fast = means[:, [at[pair[0]] for pair in pairs]]
            slow = means[:, [at[pair[1]] for pair in pairs]]
            result = portfolio(open_, close, fast, slow, fee)
            made.append((result.final_value(), result.trades.count()))
        return made

    return grid if work == "grid" else one


def portfolio(open_: Any, close: Any, fast: Any, slow: Any, fee: float) -> Any:
    """Return a portfolio that trades at the open after the bar of its signal."""
    higher = above(fast, slow)
    known = later(~np.isnan(slow))
    entries, exits = later(higher & known), later(~higher & known)
    return vbt.Portfolio.from_signals(
        close,
        entries,
        exits,
        price=open_ if entries.ndim == open_.ndim else open_.to_numpy()[:, None],
        size=np.inf,
        size_granularity=1,
        init_cash=CASH,
        fees=fee,
        freq="1h",
    )


def later(signal: Any) -> Any:
    """Return signals one bar later."""
    moved = np.zeros_like(signal)
    moved[1:] = signal[:-1]
    return moved


def told(made: Any) -> dict[str, Any]:
    """Return what was traded."""
    if isinstance(made, list):
        return {
            "final": [float(value) for values, _ in made for value in values],
            "counts": [int(count) for _, counts in made for count in counts],
        }
    records, value = made
    ends = np.atleast_1d(np.asarray(value.iloc[-1], dtype=float))
    names = ("col", "entry_idx", "exit_idx", "size", "entry_price", "exit_price")
    return {
        "trades": list(zip(*(records[name].tolist() for name in names), strict=True)),
        "final": ends.tolist(),
        "counts": np.bincount(records["col"], minlength=ends.size).tolist(),
    }


if __name__ == "__main__":
    serve(prepare, told)
