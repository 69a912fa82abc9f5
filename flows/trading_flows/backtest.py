"""A backtest: bars from ingestion, the engine, and a result that analytics keeps.

The computing happens here, in the run's own process, so that it can spread over
machines; nothing but bars comes in and nothing but the result goes out. Flows import
this where a backtest begins: its libraries cost the runner and every run 25 MB.
"""

import io
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl

from trading_core import metrics
from trading_core.calendar import Calendar, Session
from trading_core.lookahead import LookAhead, require_no_lookahead, sample
from trading_core.simulation import Backtest, Setup, simulate
from trading_system import plugins
from trading_system.clients import Services
from trading_system.clock import utc_now
from trading_system.config.settings import Settings
from trading_system.contracts.analytics import BacktestView, MetricView
from trading_system.errors import Invalid, NotFound
from trading_system.vocabulary import TIMEFRAME, identity

LOOKAHEAD_CUTS = 4
"""Cuts through the bars before each backtest; `trading lookahead` makes more."""


def backtest(
    services: Services,
    name: str,
    *,
    parameters: dict[str, Any] | None = None,
    start: date | None = None,
    end: date | None = None,
    symbols: list[str] | None = None,
    feed: str | None = None,
) -> BacktestView:
    """Run a strategy over stored bars and keep the result; a repeat is the same result.

    Parameters that are not given are those in force. A strategy that looks ahead is
    refused, with the bar and the column.
    """
    known = services.strategy.strategy(name)
    chosen = {**known.parameters, **(parameters or {})}
    strategy = plugins.load(Settings())[name].configured(chosen)
    names = symbols or services.ingestion.universe()
    bars = stored_bars(services, names, start, end, feed)
    try:
        require_no_lookahead(strategy, sample(bars, strategy.history), LOOKAHEAD_CUTS)
    except LookAhead as error:
        raise Invalid(str(error), code="lookahead") from error
    begun = utc_now()
    result = simulate(strategy, bars, calendar_of(services, bars), Setup())
    view = view_of(result, name, chosen, begun)
    return services.analytics.store_backtest(view)


def stored_bars(
    services: Services,
    symbols: list[str],
    start: date | None,
    end: date | None,
    feed: str | None = None,
) -> pl.DataFrame:
    """Return stored bars as a frame, ordered by symbol and time.

    Bars are those of the feed in use, or of another: imported ones have `import`.
    """
    stream = services.ingestion.arrow(
        symbols, TIMEFRAME, _begin(start), _begin(end), feed
    )
    bars = pl.read_ipc_stream(io.BytesIO(stream))
    if bars.is_empty():
        raise NotFound(
            "There are no stored bars for this backtest.",
            remedy="Let the system run, or import some with `trading data import` and "
            "ask for the feed `import`.",
        )
    return bars


def calendar_of(services: Services, bars: pl.DataFrame) -> Calendar:
    """Return the calendar of the days that the bars cover."""
    first, last = bars["timestamp"].min(), bars["timestamp"].max()
    assert isinstance(first, datetime) and isinstance(last, datetime)
    rows = services.ingestion.sessions(first.date(), date(last.year + 1, 12, 31))
    return Calendar(Session(row.day, row.open, row.close) for row in rows)


def view_of(
    result: Backtest, name: str, parameters: dict[str, Any], begun: datetime
) -> BacktestView:
    """Return a backtest as analytics keeps it."""
    daily = result.daily_equity()
    figures = figures_of(result, daily)
    origin = {k: str(v) for k, v in asdict(result.provenance).items()}
    returned = figures[0].value
    return BacktestView(
        # The same bars, parameters and engine are the same backtest.
        backtest_id=identity("backtest", *sorted(origin.items())),
        strategy=name,
        status="done",
        parameters=parameters,
        symbols=sorted(result.decisions["symbol"].unique().to_list()),
        period_start=result.provenance.first.date(),
        period_end=result.provenance.last.date(),
        created_at=begun,
        finished_at=utc_now(),
        summary=(
            f"{len(result.trips)} trades, return "
            + ("-" if returned is None else f"{returned:.2%}")
        ),
        metrics=[MetricView.of(figure) for figure in figures],
        trades=len(result.trips),
        total_return=returned,
        provenance=origin,
    )


def figures_of(result: Backtest, daily: pl.DataFrame) -> list[metrics.Metric]:
    """Return the figures of a backtest, each with its convention."""
    equity = [float(value) for value in daily["equity"]]
    returns = metrics.daily_returns(equity)
    profits = [float(trip.net) for trip in result.trips]
    first, last = result.provenance.first.date(), result.provenance.last.date()
    return [
        metrics.total_return(equity),
        metrics.cagr(equity, first, last),
        metrics.volatility(returns),
        metrics.sharpe(returns),
        metrics.sortino(returns),
        metrics.max_drawdown(equity),
        metrics.calmar(equity, first, last),
        metrics.hit_rate(profits),
        metrics.profit_factor(profits),
        metrics.expectancy(profits),
    ]


def _begin(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)
