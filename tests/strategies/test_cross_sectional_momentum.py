"""Cross-sectional momentum against ranks worked by hand."""

import polars as pl
import pytest
from price_bars import closes

from trading_strategy.strategies.cross_sectional_momentum import (
    CrossSectionalMomentum,
)

pytestmark = pytest.mark.strategies
SETTINGS = {"lookback_period": 2, "skip_period": 0, "hold": 1, "keep": 2}


def ranks(*frames: pl.DataFrame, **settings: int) -> dict[str, tuple[float, int]]:
    """Return each symbol's last rank and signal."""
    strategy = CrossSectionalMomentum.configured({**SETTINGS, **settings})
    last = strategy.decide(pl.concat(frames)).group_by("symbol").tail(1)
    return {
        row["symbol"]: (row["indicators"]["rank"], row["signal"])
        for row in last.iter_rows(named=True)
    }


def test_the_strongest_is_bought_the_next_kept_and_the_last_sold() -> None:
    found = ranks(
        closes(100, 100, 101, symbol="A"),
        closes(100, 100, 103, symbol="B"),
        closes(100, 100, 99, symbol="C"),
    )
    assert found == {"B": (1, 1), "A": (2, 0), "C": (3, -1)}


def test_the_newest_bars_do_not_count_when_they_are_skipped() -> None:
    found = ranks(
        closes(100, 110, 90, symbol="A"),
        closes(100, 105, 200, symbol="B"),
        skip_period=1,
    )
    assert found == {"A": (1, 1), "B": (2, 0)}


def test_equals_stand_in_the_order_of_their_names() -> None:
    found = ranks(
        closes(10, 10, 11, symbol="B"),
        closes(10, 10, 11, symbol="A"),
        keep=1,
    )
    assert found == {"A": (1, 1), "B": (2, -1)}


def test_a_symbol_without_history_has_no_rank() -> None:
    young = closes(100, 100, 150, symbol="B").tail(1)
    found = ranks(closes(100, 100, 101, symbol="A"), young)
    assert found == {"A": (1, 1), "B": (None, 0)}
