"""Backtests of many symbols side by side, each a column with its own cash.

Fast, and without what one account brings: no limits, no shared money, no partial fills.
On bars in whole ticks and complete sessions, on terms without costs, a column trades
what `simulate` trades with limits that forbid nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from trading_core.simulation.actions import CorporateAction
from trading_core.simulation.column_pass import (
    OPEN,
    REASONS,
    TRADE,
    Account,
    Rules,
    summary,
    trade_column,
)
from trading_core.simulation.exits import Exits
from trading_core.simulation.signals import ColumnSignals, Marks, Signals
from trading_core.simulation.table import Column, Table, spread
from trading_core.simulation.terms import Terms
from trading_core.sizing import TOP_UP
from trading_core.strategy import Strategy

Desk = tuple[Account, Rules]
Integers = npt.NDArray[np.int64]
Trades = npt.NDArray[np.void]
Floats = npt.NDArray[np.float64]

NO_DAYS: Integers = np.empty(0, np.int64)

SWEPT = {
    "place": pl.Int64,
    "symbol": pl.String,
    "trades": pl.Int64,
    "final_equity": pl.Float64,
    "total_return": pl.Float64,
    "max_drawdown": pl.Float64,
    "hit_rate": pl.Float64,
    "fees": pl.Float64,
}


@dataclass(frozen=True, slots=True)
class ColumnBacktest:
    """What the columns traded.

    `trades` has a row a position from flat to flat: symbol, entered_at, left_at (null
    while it is open), quantity (negative for a short), entry_price, exit_price (the
    last close while it is open), fees, how far the price went against and for the
    position in dollars a share, the profit after fees, and the reason why it was left
    (signal, an exit's name, or open). `equity` has symbol, timestamp (the start of the
    bar at whose close it is) and equity.
    """

    trades: pl.DataFrame
    equity: pl.DataFrame


def backtest_columns(
    strategy: Strategy[Any],
    bars: pl.DataFrame,
    terms: Terms | None = None,
    exits: Exits | None = None,
    actions: Sequence[CorporateAction] = (),
    trade_from: datetime | None = None,
) -> ColumnBacktest:
    """Run a strategy over each symbol with its own cash.

    `bars` are unadjusted and sorted by symbol and time. The strategy sees them adjusted
    for the splits of `actions`; orders trade at the unadjusted prices. `exits` leave a
    position whatever the signals say; a signal at the same close may enter it again.
    Bars before `trade_from` only warm the strategy up.
    """
    table = Table(bars, actions, trade_from)
    account = _account(strategy, terms or Terms())
    signals = Signals([strategy], table.seen)
    rules = _rules(exits or Exits())
    days = table.days() if rules.session_end else NO_DAYS
    equity = np.empty(table.bars.height)

    def traded(column: Column) -> Trades:
        marks = signals.of(column.seen, column.place)[0]
        return _trade(column, marks, (account, rules), days, equity[column.place])

    trades = spread(traded, table.columns)
    return ColumnBacktest(
        trades=_frame(table, trades),
        equity=table.bars.select("symbol", "timestamp", equity=pl.Series(equity)),
    )


def sweep(
    strategies: Sequence[Strategy[Any]],
    bars: pl.DataFrame,
    terms: Terms | None = None,
    exits: Exits | None = None,
    actions: Sequence[CorporateAction] = (),
    trade_from: datetime | None = None,
) -> pl.DataFrame:
    """Return what each strategy made of each symbol, in the order of both.

    Columns: place (in `strategies`), symbol, trades, final_equity, total_return,
    max_drawdown (at most 0), hit_rate (null without a closed trade), fees. An indicator
    that several strategies name is computed once a symbol; no equity curve is kept.
    """
    table = Table(bars, actions, trade_from)
    rules = _rules(exits or Exits())
    days = table.days() if rules.session_end else NO_DAYS
    desks = [(_account(each, terms or Terms()), rules) for each in strategies]
    signals = Signals(strategies, table.seen)
    rows: list[tuple[Any, ...]] = []
    for column in table.columns:
        seen = signals.of(column.seen, column.place)
        made = partial(_made, column, seen, desks, days)
        rows += spread(made, range(len(strategies)))
    return pl.DataFrame(rows, schema=SWEPT, orient="row").sort("place", "symbol")


def _made(
    column: Column,
    signals: ColumnSignals,
    desks: Sequence[Desk],
    days: Integers,
    place: int,
) -> tuple[Any, ...]:
    equity = np.empty(column.prices[0].size)
    trades = _trade(column, signals[place], desks[place], days, equity)
    deepest, won, fees = summary(equity, trades)
    closed = trades.size - int(trades.size and trades[-1]["reason"] == OPEN)
    return (
        place,
        column.symbol,
        trades.size,
        equity[-1],
        equity[-1] / desks[place][0].cash - 1,
        deepest,
        won / closed if closed else None,
        fees,
    )


def _trade(
    column: Column, marks: Marks, desk: Desk, days: Integers, equity: Floats
) -> Trades:
    """Write the equity of a column and return its trades."""
    account, exits = desk
    if column.begun:
        marks = np.concatenate([np.zeros(column.begun, np.int8), marks[column.begun :]])
    # Without exits a position is left at another open than it was entered at.
    trades = np.empty(marks.size // (1 if exits.on else 2) + 1, TRADE)
    day = days[column.place] if exits.session_end else days
    count = trade_column(
        *column.prices, marks, column.actions, account, exits, day, equity, trades
    )
    return trades[:count].copy()


def _profits(trades: Trades) -> Floats:
    moved = trades["exit_price"] - trades["entry_price"]
    profits: Floats = trades["quantity"] * moved - trades["fees"]
    return profits


def _rules(exits: Exits) -> Rules:
    return Rules(
        on=exits.any,
        stop=exits.stop,
        target=exits.target,
        trail=exits.trail,
        bars=exits.bars,
        session_end=exits.session_end,
    )


def _account(strategy: Strategy[Any], terms: Terms) -> Account:
    return Account(
        cash=float(terms.cash),
        share=strategy.parameters.max_position_size,
        fractional=terms.fractional,
        allow_short=strategy.parameters.allow_short,
        at_fill=terms.at == "fill",
        fee_rate=terms.fee_rate,
        fee_per_share=terms.fee_per_share,
        slippage=terms.slippage,
        top_up=float(TOP_UP),
    )


def _frame(table: Table, trades: Sequence[Trades]) -> pl.DataFrame:
    rows = np.concatenate(trades)
    first = np.repeat(
        [column.place.start for column in table.columns], [each.size for each in trades]
    )
    entered, left = first + rows["entry_bar"], first + rows["exit_bar"]
    symbols, times = table.bars["symbol"], table.bars["timestamp"]
    is_open = pl.Series(rows["reason"] == OPEN)
    names = ("quantity", "entry_price", "exit_price", "fees", "adverse", "favorable")
    return pl.DataFrame(
        {
            "symbol": symbols[entered],
            "entered_at": times[entered],
            "left_at": times[left].set(is_open, None),
            **{name: rows[name] for name in names},
            "profit": _profits(rows),
            "reason": pl.Series(REASONS)[rows["reason"]],
        }
    )
