"""What the bundled strategies would have made of real bars, beside buy and hold.

`python benchmarks/strategies.py BARS [--factors FOLDER]` runs every strategy with its
defaults over a file of hourly bars in the fill model `realistic`, with splits and
dividends from files `factors_<SYMBOL>.csv`, and prints a table. It measures no speed:
it is here so that nobody needs to believe what a page about a strategy claims.
"""

import argparse
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from trading_core import bars as bar_frame
from trading_core import metrics
from trading_core.calendar import NEW_YORK, Calendar, xnys_sessions
from trading_core.limits import ACCOUNT_SEED, Limits, LimitType
from trading_core.matching import REALISTIC
from trading_core.money import exact
from trading_core.simulation import Backtest, CorporateAction, Setup, simulate
from trading_system import plugins

WHOLE = Decimal(1)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bars", type=Path)
    parser.add_argument("--factors", type=Path, help="folder of factors_<SYMBOL>.csv")
    options = parser.parse_args()
    raw = pl.read_parquet(options.bars).with_columns(pl.col("volume").cast(pl.Float64))
    times = raw["timestamp"].dt.convert_time_zone(str(NEW_YORK)).dt.date()
    first, last = times.sort()[0], times.sort()[-1]
    calendar = Calendar(xnys_sessions(first, last))
    bars = bar_frame.restamp_clock_hours(raw, calendar)
    symbols = sorted(bars["symbol"].unique())
    actions = tuple(
        action
        for symbol in symbols
        for action in corporate_actions(options.factors, symbol, calendar)
        if first <= action.day <= last
    )
    # A strategy may hold each symbol in equal parts; nothing else is held back.
    share = round(0.99 / len(symbols), 3)
    limits = Limits.of(
        {
            **ACCOUNT_SEED,
            LimitType.MAX_POSITION_SIZE: exact(share),
            LimitType.MAX_ORDER_NOTIONAL: WHOLE,
            LimitType.MAX_DAILY_LOSS: WHOLE,
            LimitType.MAX_DRAWDOWN: WHOLE,
        }
    )
    setup = Setup(model=REALISTIC, limits=limits, actions=actions)
    console = Console(width=110)
    shown = table()
    for name, plugin in sorted(plugins.discover().found.items()):
        strategy = plugin.strategy.configured({"max_position_size": share})
        shown.add_row(name, *figures(simulate(strategy, bars, calendar, setup)))
    console.print(shown)
    console.print(
        f"{', '.join(symbols)}, {first} to {last}, {bars.height} hourly bars,"
        f" {len(actions)} splits and dividends; at most {share:.1%} of equity a symbol"
    )


def corporate_actions(
    folder: Path | None, symbol: str, calendar: Calendar
) -> list[CorporateAction]:
    """Return splits and dividends of a file of factors.

    A row says by what prices up to and with its day are multiplied: price factor for
    dividends, split factor, and the unadjusted close of that day.
    """
    if folder is None:
        return []
    rows = [
        line.split(",")
        for line in (folder / f"factors_{symbol}.csv").read_text().split()
    ]
    days = [session.day for session in calendar.sessions]
    actions = []
    for row, following in zip(rows, rows[1:], strict=False):
        day = date.fromisoformat(row[0])
        after = next((each for each in days if each > day), None)
        if day < days[0] or after is None:
            continue
        price, split, close = (Decimal(value) for value in row[1:4])
        next_price, next_split = (Decimal(value) for value in following[1:3])
        ratio = (next_split / split).quantize(Decimal("0.001"))
        dividend = (close * (1 - price / next_price)).quantize(Decimal("0.0001"))
        actions.append(CorporateAction(symbol, after, ratio, dividend))
    return actions


def figures(result: Backtest) -> list[str]:
    """Return what a strategy made, as cells."""
    daily = result.daily_equity()
    equity, days = daily["equity"].to_list(), daily["day"].to_list()
    profits = [float(trip.net) for trip in result.trips if trip.closed_at is not None]
    return [
        _percent(metrics.total_return(equity).value),
        _percent(metrics.cagr(equity, days[0], days[-1]).value),
        _percent(metrics.max_drawdown(equity).value),
        _number(metrics.sharpe(metrics.daily_returns(equity)).value),
        str(len(profits)),
        _percent(metrics.hit_rate(profits).value),
        _number(metrics.profit_factor(profits).value),
        _percent(metrics.exposure(result.equity["gross"].to_list()).value),
    ]


def table() -> Table:
    """Return an empty table."""
    return Table(
        *("strategy", "return", "a year", "drawdown", "Sharpe"),
        *("trades", "won", "profit factor", "invested"),
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
