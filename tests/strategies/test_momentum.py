"""Momentum against returns worked by hand."""

import pytest
from price_bars import closes

from trading_strategy.strategies.momentum import Momentum

pytestmark = pytest.mark.strategies


def test_the_defaults_are_those_of_the_design() -> None:
    parameters = Momentum.configured({}).parameters
    assert parameters.model_dump() == {
        "lookback_period": 20,
        "threshold": 0.02,
        "max_position_size": 0.1,
        "allow_short": False,
        "exit_stop": 0.0,
        "exit_target": 0.0,
        "exit_trail": 0.0,
        "exit_bars": 0,
        "exit_session_end": False,
    }


def test_it_compares_with_the_close_lookback_bars_before() -> None:
    strategy = Momentum.configured({"lookback_period": 2})
    decisions = strategy.decide(closes(100, 101, 103, 98, 103))
    assert decisions["signal"].to_list() == [0, 0, 1, -1, 0]
    assert decisions["indicators"].struct.field("momentum").to_list()[2] == (
        pytest.approx(0.03)
    )
    assert decisions["warm"].to_list() == [False, False, True, True, True]


@pytest.mark.parametrize("base", [1.0, 50.0, 100.0, 250.0, 333.0])
def test_a_return_of_exactly_the_threshold_is_no_move(base: float) -> None:
    # 1.02 / 1.00 - 1 is 0.020000000000000018 in floats.
    strategy = Momentum.configured({"lookback_period": 1})
    signals = strategy.decide(closes(base, round(base * 1.02, 4)))["signal"]
    assert signals.to_list() == [0, 0]
    up = strategy.decide(closes(base, round(base * 1.02 + 0.01, 4)))["signal"]
    assert up.to_list() == [0, 1]


def test_its_reason_tells_the_numbers() -> None:
    strategy = Momentum.configured({"lookback_period": 1})
    reasons = strategy.decide(closes(100, 103, 103, 100))["reason"].to_list()
    assert reasons == [
        "Not enough history: 1 of 2 bars.",
        "Buy: momentum 0.03 > threshold 0.02.",
        "No signal: buy needs momentum > threshold 0.02 (it is 0.0); "
        "sell needs momentum < -threshold -0.02 (it is 0.0).",
        "Sell: momentum -0.0291262 < -threshold -0.02.",
    ]
