"""Buy and hold asks for its position at every bar."""

import pytest
from price_bars import closes

from trading_strategy.strategies.buy_and_hold import BuyAndHold

pytestmark = pytest.mark.strategies


def test_it_buys_at_every_bar_and_says_why() -> None:
    decided = BuyAndHold.configured({}).decide(closes(10, 9, 8))
    assert decided["signal"].to_list() == [1, 1, 1]
    assert decided["reason"].to_list()[0] == "Buy: price 10.0 > 0.0."
