"""Models whose trees a test can read, for strategies that ask one."""

from datetime import UTC, datetime

from trading_core.model import Fit, Model, Training, Tree

BEFORE, FROM = datetime(2012, 12, 1, tzinfo=UTC), datetime(2012, 12, 31, tzinfo=UTC)


def stump(feature: int, threshold: float, low: float, high: float) -> Tree:
    """Return a tree of one question: `low` where the feature is at most that."""
    return Tree(
        feature=(feature, -1, -1),
        threshold=(threshold, 0.0, 0.0),
        left=(1, 0, 0),
        right=(2, 0, 0),
        value=(0.0, low, high),
    )


def fit(*trees: Tree, valid_from: datetime = FROM) -> Fit:
    return Fit(
        trained_from=BEFORE,
        trained_until=BEFORE,
        valid_from=valid_from,
        rows=1000,
        base=0.0,
        rate=1.0,
        trees=trees,
    )


def model(
    strategy: str, features: tuple[str, ...], *fits: Fit, name: str = "by_hand"
) -> Model:
    training = Training(
        data_hash="0" * 64,
        symbols=("SPY",),
        first=BEFORE,
        last=BEFORE,
        train_days=1,
        test_days=1,
        purged_bars=1,
        settings={},
        parameters={},
        library="none",
    )
    return Model(
        name=name,
        strategy=strategy,
        features=features,
        label="of a test",
        training=training,
        fits=fits,
    )


def model_of_stumps(strategy: str, features: tuple[str, ...]) -> Model:
    """Return a model that asks its first feature whether it is above zero."""
    return model(strategy, features, fit(stump(0, 0.0, -0.5, 0.5)))
