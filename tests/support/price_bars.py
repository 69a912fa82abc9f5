"""Bars of prices that a test names, for strategies."""

from datetime import UTC, datetime, timedelta

import polars as pl

from trading_core import bars

START = datetime(2013, 1, 2, 15, tzinfo=UTC)


def closes(*prices: float, symbol: str = "SPY", span: float = 0.0) -> pl.DataFrame:
    """Return hourly bars of prices, each from `span` below its close to above it."""
    count, given = len(prices), list(prices)
    return pl.DataFrame(
        {
            "symbol": [symbol] * count,
            "timestamp": [START + timedelta(hours=n) for n in range(count)],
            "open": given,
            "high": [price + span for price in given],
            "low": [price - span for price in given],
            "close": given,
            "volume": [1.0] * count,
        },
        schema=bars.SCHEMA,
    )
