"""Breakout against a channel, ranges and a stop worked by hand."""

import pytest
from price_bars import closes

from trading_strategy.strategies.breakout import Breakout

pytestmark = pytest.mark.strategies
SETTINGS = {"channel_period": 3, "atr_period": 2, "stop_ranges": 1.0}


def test_channel_range_and_stop_are_those_of_the_books() -> None:
    decided = Breakout.configured(SETTINGS).decide(closes(10, 11, 13, 12, span=0.5))
    last = decided["indicators"].to_list()[-1]
    assert last["channel_high"] == pytest.approx(13.5)  # of the three bars before
    # True ranges: 13.5 - 11 = 2.5, and 13 - 11.5 = 1.5.
    assert last["atr"] == pytest.approx(2.0)
    assert last["stop"] == pytest.approx(13.5 - 2.0)
    assert decided["warm"].to_list() == [False, False, False, True]


def test_it_buys_a_close_above_the_channel_and_sells_one_below_the_stop() -> None:
    prices = (10, 10, 10, 10, 12, 12, 12, 9)
    decided = Breakout.configured(SETTINGS).decide(closes(*prices, span=0.5))
    assert decided["signal"].to_list() == [0, 0, 0, 0, 1, 0, 0, -1]


def test_a_close_at_the_high_of_the_channel_is_no_breakout() -> None:
    decided = Breakout.configured(SETTINGS).decide(
        closes(10, 10, 10, 10.5, 10.5, span=0.5)
    )
    assert decided["signal"].to_list()[3] == 0
