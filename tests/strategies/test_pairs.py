"""Pairs against regressions worked by statsmodels, and a spread that a test draws."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from price_bars import closes

from trading_core import pairs
from trading_core.strategy import StrategyError
from trading_strategy.strategies.baskets import Baskets
from trading_strategy.strategies.pairs import Pairs

pytestmark = pytest.mark.strategies
SETTINGS: dict[str, Any] = {
    "pairs": "ONE/TWO",
    "fit_period": 40,
    "holding_period": 20,
    "gaps": 3,
    "stop_deviations": 6.0,
    "max_half_life": 20.0,
}
COUNT = 160


def logarithms(seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return a walk, and a series that stays near 0.8 of it."""
    random = np.random.default_rng(seed)
    x = 4 + np.cumsum(random.normal(0, 0.01, COUNT))
    return 1 + 0.8 * x + random.normal(0, 0.004, COUNT), x


def two(y: np.ndarray, x: np.ndarray) -> pl.DataFrame:
    return pl.concat(
        [closes(*np.exp(y), symbol="ONE"), closes(*np.exp(x), symbol="TWO")]
    )


def parted(size: float, at: int = 130) -> pl.DataFrame:
    """Return a pair of which the first jumps away at one bar, and comes back."""
    y, x = logarithms()
    y[at : at + 4] += size
    return two(y, x)


def test_a_fit_is_that_of_statsmodels() -> None:
    regression = pytest.importorskip("statsmodels.api")
    stattools = pytest.importorskip("statsmodels.tsa.stattools")
    y, x = logarithms()
    fit = pairs.fit(y, x)
    fitted = regression.OLS(y, regression.add_constant(x)).fit()
    assert fit.hedge_ratio[0] == pytest.approx(fitted.params[1], rel=1e-9)
    expected = fitted.resid[-1] / fitted.resid.std()
    assert fit.z_score[0] == pytest.approx(expected, rel=1e-9)
    statistic, _, critical = stattools.coint(y, x, maxlag=0, autolag=None)
    assert fit.statistic[0] == pytest.approx(statistic, rel=1e-9)
    # What a bar keeps of a deviation, and how many bars keep half of it.
    pull = regression.OLS(np.diff(fitted.resid), fitted.resid[:-1]).fit().params[0]
    assert fit.half_life[0] == pytest.approx(np.log(0.5) / np.log(1 + pull), rel=1e-9)
    levels = [pairs.critical_value(level, COUNT) for level in (0.01, 0.05, 0.1)]
    assert levels == pytest.approx(critical, abs=1e-4)


def test_a_window_knows_its_own_numbers_only() -> None:
    y, x = logarithms()
    whole = pairs.rolling_fit(y, x, 40)
    for end in (40, 77, COUNT):
        alone = pairs.fit(y[end - 40 : end], x[end - 40 : end])
        for name in pairs.PairFit._fields:
            expected = getattr(alone, name)[0]
            assert getattr(whole, name)[end - 1] == pytest.approx(expected, rel=1e-9)
    assert np.isnan(whole.z_score[:39]).all()


def test_both_legs_are_entered_against_each_other_and_closed() -> None:
    decided = Pairs.configured(SETTINGS).decide(parted(-0.02))
    asked = decided.filter(pl.col("signal") != 0, pl.col("timestamp").is_not_null())
    first = asked.filter(symbol="ONE", reduce_only=False)
    second = asked.filter(symbol="TWO", reduce_only=False)
    assert first["timestamp"].to_list() == second["timestamp"].to_list()
    jump = decided.filter(symbol="ONE")["timestamp"][130]
    assert jump in first["timestamp"].to_list()
    at_jump = asked.filter(timestamp=jump).sort("symbol")
    assert at_jump["signal"].to_list() == [1, -1]
    assert at_jump["group"].to_list() == ["ONE/TWO", "ONE/TWO"]
    # A dollar of the first is hedged by about 0.8 dollars of the second.
    one, other = at_jump["weight"]
    assert one == 1.0 and 0.6 < other < 1.0
    closed = asked.filter(pl.col("timestamp") > jump, reduce_only=True).sort("symbol")
    assert closed["signal"].to_list()[0] == -1 and closed["signal"].to_list()[-1] == 1
    assert at_jump["reason"][0].startswith("Buy: ONE/TWO is -")


def test_weights_stay_those_of_the_entry_while_it_is_held() -> None:
    decided = Pairs.configured({**SETTINGS, "exit_deviations": 0.0}).decide(
        parted(0.03)
    )
    held = decided.filter(pl.col("signal") != 0, reduce_only=False, symbol="TWO")
    opened = held["timestamp"].diff().dt.total_hours().fill_null(2) > 1
    runs = held.with_columns(run=opened.cum_sum()).group_by("run")
    assert runs.agg(pl.col("weight").n_unique() <= 2)["weight"].all()


def test_a_spread_beyond_the_stop_is_not_entered() -> None:
    decided = Pairs.configured({**SETTINGS, "stop_deviations": 2.5}).decide(
        parted(-0.05)
    )
    jump = decided.filter(symbol="ONE")["timestamp"][130]
    at_jump = decided.filter(timestamp=jump)
    assert at_jump.filter(pl.col("signal") != 0, reduce_only=False).is_empty()


def test_walks_that_do_not_belong_together_are_left_alone() -> None:
    random = np.random.default_rng(1)
    y, x = (4 + np.cumsum(random.normal(0, 0.01, COUNT)) for _ in "yx")
    decided = Pairs.configured({**SETTINGS, "significance": 0.01}).decide(two(y, x))
    assert decided["signal"].unique().to_list() == [0]


def test_a_pair_of_which_a_symbol_is_missing_says_so() -> None:
    alone = parted(-0.02).filter(symbol="ONE")
    decided = Pairs.configured(SETTINGS).decide(alone)
    assert decided["signal"].unique().to_list() == [0]
    assert decided["reason"][-1] == (
        "No signal: ONE/TWO lacks bars of one of its symbols."
    )


def test_bars_without_a_counterpart_are_borne_up_to_the_gaps() -> None:
    bars = parted(-0.02)
    times = bars.filter(symbol="TWO")["timestamp"]
    some = bars.filter(
        ~(
            (pl.col("symbol") == "TWO")
            & pl.col("timestamp").is_in(times[100:103].implode())
        )
    )
    many = bars.filter(
        ~(
            (pl.col("symbol") == "TWO")
            & pl.col("timestamp").is_in(times[100:105].implode())
        )
    )
    strategy = Pairs.configured(SETTINGS)
    jump = times[130]
    assert strategy.decide(some).filter(timestamp=jump)["signal"].to_list() == [1, -1]
    assert strategy.decide(many).filter(timestamp=jump)["signal"].to_list() == [0, 0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pairs": "KO"}, "name pairs as KO/PEP"),
        ({"pairs": "KO/PEP KO/MNST"}, "KO is named twice"),
        ({"exit_deviations": 3.0}, "must rise in this order"),
        ({"significance": 0.2}, "no critical value for 0.2"),
        ({"fit_perod": 3}, "Did you mean 'fit_period'"),
    ],
)
def test_parameters_that_make_no_pair_are_refused(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(StrategyError, match=said):
        Pairs.configured(changes)


def test_the_member_that_fell_behind_its_basket_is_bought() -> None:
    random = np.random.default_rng(7)
    common = 4 + np.cumsum(random.normal(0, 0.01, COUNT))
    members = {
        name: common + random.normal(0, 0.004, COUNT) for name in ("A", "B", "C", "D")
    }
    members["B"][130:134] -= 0.03
    bars = pl.concat(closes(*np.exp(v), symbol=k) for k, v in members.items())
    strategy = Baskets.configured(
        {"basket": "A B C D", "fit_period": 40, "holding_period": 20, "gaps": 3}
    )
    decided = strategy.decide(bars)
    jump = decided.filter(symbol="B")["timestamp"][130]
    bought = decided.filter(timestamp=jump, symbol="B")
    assert bought["signal"].to_list() == [1]
    assert bought["weight"].to_list() == [0.25]
    assert bought["group"].to_list() == ["A B C D"]


@pytest.mark.parametrize("basket", ["A B", "A B A"])
def test_a_basket_needs_three_different_symbols(basket: str) -> None:
    with pytest.raises(StrategyError, match="three symbols or more"):
        Baskets.configured({"basket": basket})
