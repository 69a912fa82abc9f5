"""The classifier asks the fit of its time, and says which."""

from datetime import timedelta

import polars as pl
import pytest
from models_by_hand import FROM, fit, model, stump
from price_bars import START

from trading_core import lookahead
from trading_core.strategy import StrategyError
from trading_strategy.strategies.classifier import Classifier

pytestmark = pytest.mark.strategies
FEATURES = tuple(Classifier.configured({}).indicators())
LATER = START + timedelta(hours=200)
RISES, FALLS = fit(stump(0, 9.0, 1.0, 1.0)), fit(
    stump(0, 9.0, -1.0, -1.0), valid_from=LATER
)


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Classifier:
    made = model("classifier_strategy", FEATURES, RISES, FALLS)
    monkeypatch.setattr(Classifier, "models", {"by_hand": made})
    strategy = Classifier.configured({"model": "by_hand"})
    assert isinstance(strategy, Classifier)
    return strategy


def test_without_a_model_there_is_no_signal() -> None:
    decided = Classifier.configured({}).decide(lookahead.walk(1, 200))
    assert decided["signal"].unique().to_list() == [0]
    assert "no model" in decided["reason"][-1]


def test_each_bar_is_answered_by_the_last_fit_before_it(named: Classifier) -> None:
    bars = lookahead.walk(1, 300)
    warm = named.decide(bars).filter("warm")
    late = warm["timestamp"] >= LATER
    assert warm.filter(~late)["signal"].unique().to_list() == [1]
    assert warm.filter(late)["signal"].unique().to_list() == [-1]


def test_a_decision_names_the_model_and_its_hash(named: Classifier) -> None:
    reason = named.decide(lookahead.walk(1, 140))["reason"][-1]
    made = named.model
    assert made is not None
    assert f"buy_above of by_hand@{made.hash[:12]} 0.55" in reason


def test_an_unknown_model_is_refused_with_the_nearest(named: Classifier) -> None:
    other = Classifier.configured({"model": "by_hnad"})
    with pytest.raises(StrategyError, match="Did you mean 'by_hand'"):
        other.decide(lookahead.walk(1, 140))


def test_a_model_of_other_features_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = model("classifier_strategy", FEATURES[:-1], RISES)
    monkeypatch.setattr(Classifier, "models", {"by_hand": made})
    with pytest.raises(StrategyError, match="Train it again"):
        Classifier.configured({"model": "by_hand"}).decide(lookahead.walk(1, 140))


def test_bars_before_the_first_fit_get_no_answer(named: Classifier) -> None:
    early = lookahead.walk(1, 200).with_columns(
        pl.col("timestamp") - timedelta(days=60)
    )
    assert early["timestamp"][-1] < FROM
    assert named.decide(early)["signal"].unique().to_list() == [0]
