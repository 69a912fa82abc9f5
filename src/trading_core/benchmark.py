"""What doing nothing would have earned: it stands beside every result."""

import polars as pl


def buy_and_hold(bars: pl.DataFrame, cash: float) -> pl.DataFrame:
    """Return the value of equal parts of each symbol, bought at its first open.

    `bars` are adjusted for splits. A symbol's part stays cash until its first bar;
    there are no costs and parts of shares. Columns: timestamp (start of the bar at
    whose close the value stands) and equity.
    """
    symbols = bars["symbol"].n_unique()
    growth = (
        bars.sort("symbol", "timestamp")
        .select(
            "symbol",
            "timestamp",
            growth=pl.col("close") / pl.col("open").first().over("symbol"),
        )
        .pivot(on="symbol", index="timestamp", values="growth")
        .sort("timestamp")
        .with_columns(pl.exclude("timestamp").forward_fill().fill_null(1.0))
    )
    return growth.select(
        "timestamp",
        equity=pl.sum_horizontal(pl.exclude("timestamp")) / max(symbols, 1) * cash,
    )
