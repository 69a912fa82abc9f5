"""Performance figures, each with the number of observations and its convention.

Conventions: returns are simple, daily, close to close of equity in sessions, net of
costs; 252 periods a year; standard deviations have ddof 1; years are calendar days over
365.25, first day included; flat days count; a trade is flat to flat, and one of zero
profit is a scratch. A figure that has too few observations is None with the reason.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

PERIODS = 252
DAYS = 365.25

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure: its value or why there is none, in which unit, from how much."""

    name: str
    value: float | None
    unit: str
    n: int
    convention: str
    reason: str = ""


def daily_returns(equity: Sequence[float] | Floats) -> Floats:
    """Return the simple returns between equities of successive sessions."""
    values = np.asarray(equity, dtype=np.float64)
    if not np.isfinite(values).all() or (values <= 0).any():
        raise ValueError("Equity must be finite and above zero for returns.")
    return values[1:] / values[:-1] - 1.0


def total_return(equity: Sequence[float] | Floats) -> Metric:
    """Return the whole period's return."""
    returns = daily_returns(equity)
    return _metric(
        "total_return",
        "ratio",
        len(returns),
        1,
        "last equity over first, less 1",
        lambda: float(np.prod(1.0 + returns) - 1.0),
    )


def cagr(equity: Sequence[float] | Floats, first: date, last: date) -> Metric:
    """Return the yearly growth rate, from 90 days on."""
    values = np.asarray(equity, dtype=np.float64)
    daily_returns(values)
    days = (last - first).days + 1
    return _metric(
        "cagr",
        "ratio",
        days,
        90,
        "(last/first)^(365.25/calendar days) - 1, first day included",
        lambda: float((values[-1] / values[0]) ** (DAYS / days) - 1.0),
        what="calendar days",
    )


def volatility(returns: Floats) -> Metric:
    """Return the yearly standard deviation of daily returns."""
    return _metric(
        "volatility",
        "ratio",
        len(returns),
        20,
        "std(r, ddof 1) x sqrt(252)",
        lambda: float(np.std(returns, ddof=1) * math.sqrt(PERIODS)),
    )


def sharpe(returns: Floats, risk_free: float = 0.0) -> Metric:
    """Return the yearly Sharpe ratio (Sharpe 1994) over a yearly risk-free rate."""
    excess = returns - daily_rate(risk_free)
    return _metric(
        "sharpe_ratio",
        "number",
        len(returns),
        60,
        f"mean(x)/std(x, ddof 1) x sqrt(252), rf {risk_free:g} a year",
        lambda: _ratio(
            float(np.mean(excess)) * math.sqrt(PERIODS), float(np.std(excess, ddof=1))
        ),
        undefined="the returns do not vary",
    )


def sortino(returns: Floats, risk_free: float = 0.0) -> Metric:
    """Return the yearly Sortino ratio (Sortino and Price 1994)."""
    excess = returns - daily_rate(risk_free)
    return _metric(
        "sortino_ratio",
        "number",
        len(returns),
        60,
        f"mean(x) x sqrt(252) / sqrt(sum(min(x, 0)^2)/n), rf {risk_free:g} a year",
        lambda: _ratio(
            float(np.mean(excess)) * math.sqrt(PERIODS),
            math.sqrt(float(np.mean(np.minimum(excess, 0.0) ** 2))),
        ),
        undefined="no return was below the risk-free rate",
    )


def drawdowns(equity: Sequence[float] | Floats) -> Floats:
    """Return equity over its highest so far, less 1: zero or below."""
    values = np.asarray(equity, dtype=np.float64)
    return values / np.maximum.accumulate(values) - 1.0


def max_drawdown(equity: Sequence[float] | Floats) -> Metric:
    """Return the deepest fall from a peak, zero or below."""
    return _metric(
        "max_drawdown",
        "ratio",
        len(equity),
        2,
        "min(equity/peak - 1) on the given equities",
        lambda: float(np.min(drawdowns(equity))),
        what="equities",
    )


def calmar(equity: Sequence[float] | Floats, first: date, last: date) -> Metric:
    """Return the yearly growth rate over the deepest drawdown, from a year on."""
    days = (last - first).days + 1

    def value() -> float | None:
        growth, deepest = cagr(equity, first, last).value, max_drawdown(equity).value
        if growth is None or deepest is None:
            return None
        return _ratio(growth, -deepest)

    return _metric(
        "calmar_ratio",
        "number",
        days,
        365,
        "CAGR/|max drawdown| since inception",
        value,
        what="calendar days",
        undefined="there was no drawdown",
    )


def hit_rate(profits: Sequence[float]) -> Metric:
    """Return the share of winning trades among those that are no scratches."""
    wins = sum(profit > 0 for profit in profits)
    losses = sum(profit < 0 for profit in profits)
    return _metric(
        "hit_rate",
        "ratio",
        len(profits),
        10,
        "wins/(wins + losses), scratches left out, net profit",
        lambda: _ratio(wins, wins + losses),
        what="trades",
        undefined="every trade was a scratch",
    )


def profit_factor(profits: Sequence[float]) -> Metric:
    """Return gross profit over gross loss, infinite without a loss."""
    gained = math.fsum(profit for profit in profits if profit > 0)
    lost = -math.fsum(profit for profit in profits if profit < 0)

    def value() -> float | None:
        if lost == 0:
            return math.inf if gained > 0 else None
        return gained / lost

    return _metric(
        "profit_factor",
        "number",
        len(profits),
        10,
        "gross profit/gross loss of net trades, infinite without a loss",
        value,
        what="trades",
        undefined="every trade was a scratch",
    )


def expectancy(profits: Sequence[float]) -> Metric:
    """Return the mean net profit of a trade in dollars."""
    return _metric(
        "expectancy",
        "usd",
        len(profits),
        10,
        "mean net profit a trade",
        lambda: math.fsum(profits) / len(profits),
        what="trades",
    )


def exposure(gross: Sequence[float] | Floats) -> Metric:
    """Return the share of bars in which anything was held."""
    values = np.asarray(gross, dtype=np.float64)
    return _metric(
        "exposure",
        "ratio",
        len(values),
        1,
        "bars with a position/all bars",
        lambda: float(np.mean(values > 0)),
        what="bars",
    )


def turnover(traded: float, equity: Sequence[float] | Floats) -> Metric:
    """Return one-way turnover a year from all purchases and sales in dollars."""
    values = np.asarray(equity, dtype=np.float64)
    sessions = len(values)
    return _metric(
        "turnover",
        "ratio",
        sessions,
        20,
        "one-way: (purchases + sales)/2 over mean equity, x 252/sessions",
        lambda: traded / 2 / float(np.mean(values)) * PERIODS / sessions,
    )


def daily_rate(yearly: float) -> float:
    """Return the daily rate that compounds to a yearly one over 252 days."""
    return float((1.0 + yearly) ** (1.0 / PERIODS) - 1.0)


def _ratio(numerator: float, denominator: float) -> float | None:
    # A standard deviation of equal numbers can come out as rounding, not as zero.
    return None if abs(denominator) < 1e-15 else numerator / denominator


def _metric(
    name: str,
    unit: str,
    n: int,
    least: int,
    convention: str,
    value: Callable[[], float | None],
    what: str = "sessions",
    undefined: str = "",
) -> Metric:
    if n < least:
        reason = f"needs {least} {what}, has {n}"
        return Metric(name, None, unit, n, convention, reason)
    found = value()
    if found is None or math.isnan(found):
        return Metric(name, None, unit, n, convention, undefined or "is not defined")
    return Metric(name, found, unit, n, convention)
