"""Splits and dividends, and bars as a strategy sees them after the splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import polars as pl

from trading_core import bars as bar_frame
from trading_core.money import ZERO


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """A split (new shares for one old) or a cash dividend a share, before an open.

    The dividend is booked on its ex-date, although the broker pays some weeks later.
    """

    symbol: str
    day: date
    split: Decimal = Decimal(1)
    dividend: Decimal = ZERO


def split_adjusted(
    bars: pl.DataFrame, actions: Sequence[CorporateAction]
) -> pl.DataFrame:
    """Return bars in which every price before a split is divided by its ratio."""
    rows = []
    for symbol in {action.symbol for action in actions if action.split != 1}:
        factor = 1.0
        splits = [a for a in actions if a.symbol == symbol and a.split != 1]
        for action in sorted(splits, key=lambda each: each.day, reverse=True):
            factor /= float(action.split)
            rows.append((symbol, action.day - timedelta(days=1), 1.0, factor))
    if not rows:
        return bars
    columns = ["symbol", "until", "price_factor", "split_factor"]
    return bar_frame.adjust(bars, pl.DataFrame(rows, schema=columns, orient="row"))
