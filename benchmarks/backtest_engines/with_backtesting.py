"""backtesting.py, under the benchmark: one symbol at a time is all it knows."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
from backtest_engines.turns import CASH, FAST, SLOW, above, serve
from backtesting import Backtest, Strategy  # type: ignore[import-not-found]


class Averages(Strategy):  # type: ignore[misc]
    """Long while the fast average is above the slow one."""

    def init(self) -> None:
        close = pd.Series(self.data.Close)
        self.fast = self.I(lambda: close.rolling(FAST).mean())
        self.slow = self.I(lambda: close.rolling(SLOW).mean())

    def next(self) -> None:
        if above(self.fast[-1], self.slow[-1]):
            if not self.position:
                self.buy()
        elif self.position:
            self.position.close()


def prepare(work: str, bars: pl.DataFrame, fee: float) -> Callable[[], Any]:
    """Return a run over the bars."""
    frame = pd.DataFrame(
        {
            name.capitalize(): bars[name].to_numpy()
            for name in ("open", "high", "low", "close", "volume")
        },
        index=pd.DatetimeIndex(bars["timestamp"].to_numpy()),
    )
    return lambda: Backtest(
        frame, Averages, cash=CASH, commission=fee, finalize_trades=False
    ).run()


def told(made: Any) -> dict[str, Any]:
    """Return what was traded; what is open at the end stands apart there."""
    names = ("EntryBar", "ExitBar", "Size", "EntryPrice", "ExitPrice")
    rows = zip(*(made["_trades"][name].tolist() for name in names), strict=True)
    data = made["_strategy"].data
    last = len(data) - 1, float(data.Close[-1])
    still = [
        [0, each.entry_bar, last[0], each.size, each.entry_price, last[1]]
        for each in made["_strategy"].trades
    ]
    trades = [[0, *row] for row in rows] + still
    return {
        "trades": trades,
        "final": [float(made["_equity_curve"]["Equity"].iloc[-1])],
        "counts": [len(trades)],
    }


if __name__ == "__main__":
    serve(prepare, told)
