"""The figures of a run of daily returns, each with its convention."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from trading_core import metrics
from trading_core.metrics import Metric


def figures(
    returns: Sequence[float],
    first: date,
    last: date,
    profits: Sequence[float],
) -> list[Metric]:
    """Return performance from daily returns and the net profits of round trips."""
    daily = np.asarray(returns, dtype=np.float64)
    equity = np.concatenate([[1.0], np.cumprod(1.0 + daily)])
    return [
        metrics.total_return(equity),
        metrics.cagr(equity, first, last),
        metrics.volatility(daily),
        metrics.sharpe(daily),
        metrics.sortino(daily),
        metrics.max_drawdown(equity),
        metrics.calmar(equity, first, last),
        metrics.hit_rate(profits),
        metrics.profit_factor(profits),
        metrics.expectancy(profits),
    ]
