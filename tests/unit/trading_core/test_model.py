"""Models are data: the same answers as the library that trained them, and no later."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from models_by_hand import FROM, fit, model, stump

from trading_core import lookahead
from trading_core.model import Model, Tree
from trading_core.strategy import StrategyError
from trading_strategy.strategies.classifier import Classifier
from trading_strategy.strategies.momentum import Momentum
from trading_system import model_training
from trading_system.errors import Conflict, Invalid

pytestmark = pytest.mark.unit


def test_trees_answer_as_the_library_that_grew_them() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    random = np.random.default_rng(3)
    rows = random.normal(size=(400, 3))
    label = (rows[:, 0] * rows[:, 1] + random.normal(size=400) > 0).astype(int)
    grown = ensemble.GradientBoostingClassifier(n_estimators=12, random_state=1)
    grown.fit(rows, label)
    ours = fit(
        *(model_training._tree(each.tree_) for each in grown.estimators_.ravel())
    )
    share = label.mean()
    ours = ours.model_copy(
        update={"base": float(np.log(share / (1 - share))), "rate": 0.1}
    )
    expected = grown.predict_proba(rows)[:, 1]
    assert np.abs(ours.probabilities(rows) - expected).max() < 1e-12


def test_a_row_with_a_missing_feature_has_no_answer() -> None:
    ours = fit(stump(0, 0.0, -1.0, 1.0))
    answers = ours.probabilities(np.array([[1.0], [np.nan], [-1.0]]))
    assert answers[0] == pytest.approx(1 / (1 + np.exp(-1)))
    assert np.isnan(answers[1]) and answers[2] < 0.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "This is no model: the file"),
        ("{}", "This is no model: name: Field required"),
    ],
)
def test_a_file_that_is_no_model_says_where(text: str, said: str) -> None:
    with pytest.raises(StrategyError, match=said):
        Model.loaded(text)


def test_a_fit_that_knows_what_it_answers_is_refused() -> None:
    good = model("s", ("f",), fit(stump(0, 0.0, 0.0, 1.0)))
    late = good.model_dump_json().replace(
        '"trained_until":"2012-12-01', '"trained_until":"2013-12-01'
    )
    with pytest.raises(StrategyError, match="knows bars that it is asked about"):
        Model.loaded(late)


def test_a_tree_that_goes_round_is_refused() -> None:
    with pytest.raises(ValueError, match="node 0 has no children after it"):
        Tree(feature=(0,), threshold=(0.0,), left=(0,), right=(0,), value=(0.0,))


@pytest.fixture(scope="module")
def trained() -> tuple[pl.DataFrame, Model]:
    pytest.importorskip("sklearn")
    bars = lookahead.walk(2, 900)
    strategy = Classifier.configured({"horizon": 5})
    days = timedelta(days=12)
    made = model_training.train(
        strategy, bars, "x", days, days / 2, settings={"n_estimators": 4}
    )
    return bars, made


def test_each_fit_is_trained_before_it_answers_without_the_labels_of_its_test(
    trained: tuple[pl.DataFrame, Model],
) -> None:
    bars, made = trained
    times = bars["timestamp"].unique().sort()
    assert len(made.fits) > 2
    for each in made.fits:
        # Five bars before the first answer, whose labels look into it, are left out.
        first = times.search_sorted(each.valid_from)
        assert each.trained_until == times[int(first) - 6]
        assert each.scores is None or each.scores.rows > 0
    assert made.training.purged_bars == 5
    assert len(made.training.data_hash) == 64 and made.training.symbols


def test_the_same_training_gives_the_same_model(
    trained: tuple[pl.DataFrame, Model],
) -> None:
    bars, made = trained
    days = timedelta(days=12)
    strategy = Classifier.configured({"horizon": 5})
    again = model_training.train(
        strategy, bars, "x", days, days / 2, settings={"n_estimators": 4}
    )
    assert again.hash == made.hash
    assert Model.loaded(made.model_dump_json()).hash == made.hash


def test_a_trained_strategy_does_not_look_ahead(
    trained: tuple[pl.DataFrame, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    bars, made = trained
    monkeypatch.setattr(Classifier, "models", {"x": made})
    strategy = Classifier.configured({"model": "x", "horizon": 5, "buy_above": 0.51})
    lookahead.require_no_lookahead(strategy, bars, cuts=3)
    warm = strategy.decide(bars).filter(pl.col("signal") != 0)
    assert not warm.is_empty()
    assert warm["timestamp"].min() >= made.fits[0].valid_from


def test_what_cannot_be_trained_says_why(tmp_path) -> None:
    day = timedelta(days=1)
    with pytest.raises(Invalid, match="asks no model"):
        model_training.train(
            Momentum.configured({}), lookahead.walk(1, 50), "x", day, day
        )
    with pytest.raises(Invalid, match="hold no window"):
        model_training.train(
            Classifier.configured({}), lookahead.walk(1, 50), "x", 90 * day, day
        )
    with pytest.raises(Invalid, match="at least 200 of both kinds"):
        model_training.train(
            Classifier.configured({}), lookahead.walk(1, 400), "x", 6 * day, day
        )
    made = model("s", ("f",), fit(stump(0, 0.0, 0.0, 1.0), valid_from=FROM))
    model_training.write(made, tmp_path)
    with pytest.raises(Conflict, match="is there already"):
        model_training.write(made, tmp_path)
