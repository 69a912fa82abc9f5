"""Equal weight asks for the same part of every symbol of a bar."""

import polars as pl
import pytest
from price_bars import closes

from trading_strategy.strategies.equal_weight import EqualWeight

pytestmark = pytest.mark.strategies


def test_every_symbol_gets_an_equal_part() -> None:
    bars = pl.concat([closes(10, 9, symbol="A"), closes(20, 30, symbol="B").tail(1)])
    decided = EqualWeight.configured({}).decide(bars)
    assert decided["signal"].to_list() == [1, 1, 1]
    assert decided["weight"].to_list() == [1.0, 0.5, 0.5]
