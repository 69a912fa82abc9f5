"""What the bundled strategies would have made of real bars, beside buy and hold.

`python benchmarks/strategies.py BARS [--factors FOLDER]` runs every strategy with its
defaults over a file of hourly bars in the fill model `realistic`, with splits and
dividends from files `factors_<SYMBOL>.csv`, and prints a table. It measures no speed:
it is here so that nobody needs to believe what a page about a strategy claims.

Strategies that are told symbols are told those of the file: the first pair of them and
all of them as a basket, chosen by nothing but their names. The classifier is trained by
walking through the same bars, and trades from its first fit on.
"""

import argparse
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from trading_core import bars as bar_frame
from trading_core import metrics
from trading_core.calendar import NEW_YORK, Calendar, xnys_sessions
from trading_core.limits import ACCOUNT_SEED, Limits, LimitType
from trading_core.matching import REALISTIC
from trading_core.model import Fitted
from trading_core.money import exact
from trading_core.simulation import Backtest, CorporateAction, Setup, simulate
from trading_core.strategy import Strategy
from trading_system import model_training, plugins

WHOLE = Decimal(1)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bars", type=Path)
    parser.add_argument("--factors", type=Path, help="folder of factors_<SYMBOL>.csv")
    parser.add_argument("--start", type=date.fromisoformat, help="first day to trade")
    parser.add_argument("--only", nargs="*", help="names of strategies; all without")
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
            LimitType.ALLOW_SHORT: WHOLE,
            LimitType.MAX_GROSS_EXPOSURE: WHOLE,
        }
    )
    traded_from = None
    if options.start is not None:
        traded_from = datetime.combine(options.start, time(), UTC)
        # What warms up and trains needs less than three years.
        bars = bars.filter(pl.col("timestamp") >= traded_from - timedelta(days=1095))
    setup = Setup(
        model=REALISTIC, limits=limits, actions=actions, trade_from=traded_from
    )
    console = Console(width=110)
    shown = table()
    for name, plugin in sorted(plugins.discover().found.items()):
        if options.only and name not in options.only:
            continue
        strategy = configured(plugin.strategy, bars, share)
        shown.add_row(name, *figures(simulate(strategy, bars, calendar, setup)))
    console.print(shown)
    console.print(
        f"{', '.join(symbols)}, {options.start or first} to {last}, hourly bars,"
        f" {len(actions)} splits and dividends; at most {share:.1%} of equity a symbol"
    )


def configured(
    kind: type[Strategy[Any]], bars: pl.DataFrame, share: float
) -> Strategy[Any]:
    """Return a strategy with its defaults, on the symbols of the bars."""
    symbols = sorted(bars["symbol"].unique())
    told: dict[str, dict[str, Any]] = {
        "pairs_strategy": {"pairs": f"{symbols[0]}/{symbols[1]}"},
        "basket_strategy": {"basket": " ".join(symbols), "max_position_size": 0.99},
        "equal_weight_strategy": {"max_position_size": 0.99},
    }
    values = {"max_position_size": share, **told.get(kind.name, {})}
    if not issubclass(kind, Fitted):
        return kind.configured(values)
    model = model_training.train(
        kind.configured({}), bars, "walk", timedelta(days=730), timedelta(days=180)
    )
    kind.models = {"walk": model}
    return kind.configured({**values, "model": "walk"})


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
