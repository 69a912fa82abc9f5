"""The limit: one loop written by hand for this rule alone, exact in whole ticks."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import polars as pl
from backtest_engines.turns import CASH, FAST, GRID, SLOW, columns, serve


@numba.njit(nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def trade(
    open_: Any,
    close: Any,
    ticks: Any,
    fast: int,
    slow: int,
    fee: float,
    equity: Any,
    trades: Any,
) -> int:
    """Write equity and trades; return how many trades there are."""
    cash, shares, count, wanted = CASH, 0.0, 0, 0
    fast_sum = slow_sum = 0
    for bar in range(close.size):
        if wanted > 0 and shares == 0:
            shares = np.floor(cash / (open_[bar] * (1 + fee)) + 1e-9)
            cash -= shares * open_[bar] * (1 + fee)
            trades[count, 0], trades[count, 2] = bar, shares
            trades[count, 3] = open_[bar]
        elif wanted < 0 and shares > 0:
            cash += shares * open_[bar] * (1 - fee)
            trades[count, 1], trades[count, 4] = bar, open_[bar]
            shares = 0.0
            count += 1
        equity[bar] = cash + shares * close[bar]
        fast_sum += ticks[bar]
        slow_sum += ticks[bar]
        if bar >= fast:
            fast_sum -= ticks[bar - fast]
        if bar >= slow:
            slow_sum -= ticks[bar - slow]
        wanted = 0
        if bar >= slow:
            wanted = 1 if fast_sum * slow > slow_sum * fast else -1
    if shares > 0:
        trades[count, 1], trades[count, 4] = close.size - 1, close[-1]
        count += 1
    return count


def prepare(work: str, bars: pl.DataFrame, fee: float) -> Callable[[], Any]:
    """Return a run over the bars."""
    parts = columns(bars)
    pairs = GRID if work == "grid" else [(FAST, SLOW)]
    for part in parts:
        part["ticks"] = np.round(part["close"] * 10_000).astype(np.int64)

    def run() -> list[tuple[Any, float]]:
        made = []
        for part in parts:
            equity = np.empty(part["close"].size)
            trades = np.empty((equity.size // 2 + 1, 5))
            for fast, slow in pairs:
                count = trade(
                    part["open"],
                    part["close"],
                    part["ticks"],
                    fast,
                    slow,
                    fee,
                    equity,
                    trades,
                )
                made.append((trades[:count].copy(), equity[-1]))
        return made

    run()
    return run


def told(made: Any) -> dict[str, Any]:
    """Return what was traded."""
    return {
        "trades": [
            [number, *row]
            for number, (trades, _) in enumerate(made)
            for row in trades.tolist()
        ],
        "final": [final for _, final in made],
        "counts": [len(trades) for trades, _ in made],
    }


if __name__ == "__main__":
    serve(prepare, told)
