"""Performance per strategy and for the portfolio, session by session."""

from datetime import date
from decimal import Decimal

from trading_analytics.domain.figures import figures
from trading_analytics.domain.profit import daily_profit
from trading_analytics.models import PerformanceMetric
from trading_analytics.repository import AnalyticsTransaction
from trading_core.money import ZERO
from trading_system.contracts.analytics import (
    AnalyticsRunResult,
    MetricView,
    PerformanceCalculated,
)

PORTFOLIO, SHARPE = "portfolio", "sharpe_ratio"


def calculate_performance(tx: AnalyticsTransaction, feed: str) -> AnalyticsRunResult:
    """Compute every session's figures; store those that are new or changed.

    A strategy's return of a day is its profit over the account's equity at the end of
    the day before.
    """
    values, opening = tx.books.values(), tx.books.opening_equity()
    if not values or not opening:
        return AnalyticsRunResult(
            status="nothing to do", summary="no account value was recorded yet"
        )
    days = [value.day for value in values]
    equity = [value.equity for value in values]
    before = dict(zip(days, [opening, *equity[:-1]], strict=True))
    ends = dict(zip(days, equity, strict=True))
    changed = _store(
        tx, PORTFOLIO, {day: ends[day] - before[day] for day in days}, before
    )
    strategies = tx.books.strategies()
    closes = tx.books.closes(feed, days[0], days[-1])
    for strategy in strategies:
        executions = [(t.day, t.execution) for t in tx.books.executions(strategy)]
        profit = daily_profit(executions, closes, days)
        changed += _store(tx, strategy, profit, before)
    total = equity[-1] / opening - 1
    said = f"{days[-1]}: equity {equity[-1]:.2f}, {total:+.2%} since the start"
    if changed:
        tx.publish(
            PerformanceCalculated(
                day=days[-1],
                strategies=tuple(strategies),
                portfolio_return=float(equity[-1] / before[days[-1]] - 1),
                summary=said,
                market_time=values[-1].market_time,
            )
        )
    return AnalyticsRunResult(
        status="done", examined=len(days), changed=changed, summary=said
    )


def _store(
    tx: AnalyticsTransaction,
    strategy: str,
    profit: dict[date, Decimal],
    before: dict[date, Decimal],
) -> int:
    trips = tx.results.profits(None if strategy == PORTFOLIO else strategy)
    returns: list[float] = []
    changed, begun, first = 0, False, None
    for day in sorted(profit):
        # A strategy begins with its first day that moved anything.
        begun = begun or strategy == PORTFOLIO or profit[day] != ZERO
        if not begun:
            continue
        first = first or day
        returns.append(float(profit[day] / before[day]))
        profits = [float(net) for ended, net in trips if ended <= day]
        found = [
            MetricView.of(metric) for metric in figures(returns, first, day, profits)
        ]
        row = PerformanceMetric(
            strategy=strategy,
            date=day,
            returns=returns[-1],
            sharpe_ratio=next(m.value for m in found if m.name == SHARPE),
            metrics=[metric.model_dump(mode="json") for metric in found],
        )
        changed += tx.results.put(row)
    return changed
