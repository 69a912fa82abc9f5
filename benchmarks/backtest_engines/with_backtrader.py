"""backtrader, under the benchmark: one symbol, orders of an open by cheat-on-open."""

from collections.abc import Callable
from typing import Any

import backtrader as bt  # type: ignore[import-not-found]
import pandas as pd
import polars as pl
from backtest_engines.turns import CASH, FAST, SLOW, above, serve


class Averages(bt.Strategy):  # type: ignore[misc]
    """Long while the fast average is above the slow one."""

    def __init__(self) -> None:
        self.fast = bt.ind.SMA(self.data.close, period=FAST)
        self.slow = bt.ind.SMA(self.data.close, period=SLOW)
        self.fills: list[tuple[int, float, float]] = []
        self.values: list[float] = []

    def next_open(self) -> None:
        # The averages stand at the bar before, the open is the one to trade at.
        if len(self.data) < SLOW + 2:
            return
        if above(self.fast[0], self.slow[0]):
            if not self.position:
                cash, price = self.broker.get_cash(), self.data.open[0]
                rate = self.broker.getcommissioninfo(self.data).p.commission
                self.buy(size=int(cash / (price * (1 + rate)) + 1e-9))
        elif self.position:
            self.close()

    def next(self) -> None:
        self.values.append(self.broker.get_value())

    def notify_order(self, order: Any) -> None:
        if order.status == order.Completed:
            bar = len(self.data) - 1
            self.fills.append((bar, order.executed.size, order.executed.price))


def prepare(work: str, bars: pl.DataFrame, fee: float) -> Callable[[], Any]:
    """Return a run over the bars."""
    names = ("open", "high", "low", "close", "volume")
    frame = pd.DataFrame(
        {name: bars[name].to_numpy() for name in names},
        index=pd.DatetimeIndex(bars["timestamp"].to_numpy()),
    )

    def run() -> Any:
        cerebro = bt.Cerebro(cheat_on_open=True, stdstats=False)
        cerebro.adddata(bt.feeds.PandasData(dataname=frame))
        cerebro.addstrategy(Averages)
        cerebro.broker.setcash(CASH)
        cerebro.broker.setcommission(commission=fee)
        cerebro.broker.set_coo(True)
        (made,) = cerebro.run()
        return made.fills, made.values, float(frame["close"].iloc[-1])

    return run


def told(made: Any) -> dict[str, Any]:
    """Return what was traded: fills in pairs."""
    fills, values, last = made
    entries, exits = fills[::2], fills[1::2]
    trades = []
    for number, (bar, size, price) in enumerate(entries):
        is_closed = number < len(exits)
        left = exits[number] if is_closed else (len(values) + SLOW - 2, 0, last)
        trades.append([0, bar, left[0], size, price, left[2]])
    return {"trades": trades, "final": [values[-1]], "counts": [len(trades)]}


if __name__ == "__main__":
    serve(prepare, told)
