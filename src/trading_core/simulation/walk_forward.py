"""Walk-forward: parameters are chosen on the past, and tried on what follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from trading_core.simulation.actions import CorporateAction
from trading_core.simulation.columns import sweep
from trading_core.simulation.exits import Exits
from trading_core.simulation.terms import Terms
from trading_core.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Window:
    """Choose on bars in [train_from, test_from), try on those in [test_from, until)."""

    train_from: datetime
    test_from: datetime
    until: datetime


def windows(
    bars: pl.DataFrame, train: timedelta, test: timedelta, anchored: bool = False
) -> list[Window]:
    """Return the windows of bars, each moved on by the length of a test.

    Anchored ones all begin to train at the first bar. A last test that the bars do not
    fill is left out.
    """
    if train <= timedelta(0) or test <= timedelta(0):
        raise ValueError(f"A window needs time to train and to test: {train}, {test}.")
    first, last = bars["timestamp"].min(), bars["timestamp"].max()
    if not (isinstance(first, datetime) and isinstance(last, datetime)):
        raise ValueError("There are no bars to walk through.")
    found = []
    test_from = first + train
    while test_from + test <= last:
        train_from = first if anchored else test_from - train
        found.append(Window(train_from, test_from, test_from + test))
        test_from += test
    if not found:
        raise ValueError(
            f"Bars from {first} to {last} hold no window of {train} and {test}."
        )
    return found


def walk_forward(
    strategies: Sequence[Strategy[Any]],
    bars: pl.DataFrame,
    through: Sequence[Window],
    terms: Terms | None = None,
    exits: Exits | None = None,
    actions: Sequence[CorporateAction] = (),
) -> pl.DataFrame:
    """Return what the strategy that was best in a window's training made in its test.

    Best is the highest mean return over the symbols; of equals the first. Every test
    begins without positions, and its bars before warm the strategy up. Columns:
    train_from, test_from, until, place (in `strategies`), train_return, test_return
    (means over the symbols), trades, and `grown`: what a dollar became over all tests.
    """
    rows = []
    for window in through:
        trained = _returns(
            sweep(
                strategies,
                bars.filter(pl.col("timestamp") < window.test_from),
                terms,
                exits,
                actions,
                window.train_from,
            )
        )
        best = trained.sort("mean", descending=True, maintain_order=True).row(
            0, named=True
        )
        tested = _returns(
            sweep(
                [strategies[best["place"]]],
                bars.filter(pl.col("timestamp") < window.until),
                terms,
                exits,
                actions,
                window.test_from,
            )
        ).row(0, named=True)
        rows.append(
            {
                "train_from": window.train_from,
                "test_from": window.test_from,
                "until": window.until,
                "place": best["place"],
                "train_return": best["mean"],
                "test_return": tested["mean"],
                "trades": tested["trades"],
            }
        )
    return pl.DataFrame(rows).with_columns(grown=(1 + pl.col("test_return")).cum_prod())


def _returns(made: pl.DataFrame) -> pl.DataFrame:
    return (
        made.group_by("place", maintain_order=True)
        .agg(mean=pl.col("total_return").mean(), trades=pl.col("trades").sum())
        .sort("place")
    )
