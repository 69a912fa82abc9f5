"""Mean reversion against bands and an RSI worked by hand."""

import pytest
from price_bars import closes

from trading_strategy.strategies.mean_reversion import MeanReversion

pytestmark = pytest.mark.strategies
SETTINGS = {
    "band_period": 4,
    "rsi_period": 3,
    "entry_deviations": 1.5,
    "rsi_oversold": 20.0,
}


def test_bands_and_rsi_are_those_of_the_books() -> None:
    decided = MeanReversion.configured(SETTINGS).decide(closes(10, 11, 12, 9))
    last = decided["indicators"].to_list()[-1]
    # Mean 10.5; deviations -0.5, 0.5, 1.5, -1.5: variance 1.25 over the population.
    assert last["mean"] == pytest.approx(10.5)
    assert last["deviations"] == pytest.approx(-1.5 / 1.25**0.5)
    # Gains 1, 1, 0 and losses 0, 0, 3 over three bars.
    assert last["rsi"] == pytest.approx(100 * 2 / 5)
    assert decided["warm"].to_list() == [False, False, False, True]


def test_it_buys_an_overdone_fall_and_sells_at_the_mean() -> None:
    prices = (10, 10, 10, 10, 7, 10, 11)
    decided = MeanReversion.configured(SETTINGS).decide(closes(*prices))
    assert decided["signal"].to_list() == [0, 0, 0, 0, 1, -1, -1]


def test_a_fall_that_was_no_surprise_is_not_bought() -> None:
    # The last bar is as deep below its band, but bars before it rose.
    prices = (10, 14, 12, 14, 8)
    decided = MeanReversion.configured(SETTINGS).decide(closes(*prices))
    last = decided["indicators"].to_list()[-1]
    assert last["deviations"] < -1.5 and last["rsi"] == pytest.approx(20)
    assert decided["signal"].to_list()[-1] == 0


def test_after_a_move_a_price_that_stands_still_is_no_deviation() -> None:
    prices = (10.0, 12.34, 11.11, *[11.1] * 6)
    decided = MeanReversion.configured(SETTINGS).decide(closes(*prices))
    assert decided["indicators"].to_list()[-1]["deviations"] is None
    assert decided["signal"].to_list()[-1] == 0
