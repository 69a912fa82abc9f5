"""Trains the models that strategies ask: by walking forward, and in no other way."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from trading_core import bars as bar_frame
from trading_core.model import Fit, Fitted, Model, Scores, Training, Tree
from trading_core.simulation.walk_forward import Window, windows
from trading_core.strategy import Strategy, StrategyError
from trading_system.errors import Conflict, Invalid
from trading_system.plugins import MODEL_SUFFIX

FEWEST_ROWS = 200
"""Rows below which a training says nothing."""

SETTINGS: dict[str, Any] = {
    "n_estimators": 60,
    "learning_rate": 0.05,
    "max_depth": 2,
    "min_samples_leaf": 50,
    "subsample": 0.5,
}
"""Small trees, few of them, each on half of the rows: returns are mostly noise."""


def train(
    strategy: Strategy[Any],
    bars: pl.DataFrame,
    name: str,
    train: timedelta,
    test: timedelta,
    anchored: bool = False,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
) -> Model:
    """Return a model of a strategy with a fit for each step of a walk forward.

    Each fit is trained on the bars of its window, without the last ones before its test
    whose labels reach into it, and scored on the test. The last fit has seen all but
    those, and no test yet: it answers the bars from the end of the last test on.
    """
    if not isinstance(strategy, Fitted):
        raise Invalid(f"{strategy.name} asks no model: it extends no `Fitted`.")
    try:
        through = windows(bars, train, test, anchored)
        rows = _rows(strategy, bars)
    except (ValueError, StrategyError) as error:
        raise Invalid(str(error)) from error
    features = tuple(strategy.indicators())
    chosen = SETTINGS | (settings or {})
    last = through[-1]
    begin = through[0].train_from if anchored else last.until - train
    final = Window(begin, last.until, last.until + test)
    fits = []
    for window in (*through, final):
        fits.append(_fit(rows, features, window, strategy.horizon(), chosen, seed))
    times = bars["timestamp"]
    return Model(
        name=name,
        strategy=strategy.name,
        features=features,
        label=f"of the {strategy.horizon()} bars after a bar",
        training=Training(
            data_hash=bar_frame.content_hash(bars),
            symbols=tuple(sorted(bars["symbol"].unique())),
            first=times.min(),  # type: ignore[arg-type]
            last=times.max(),  # type: ignore[arg-type]
            train_days=train.days,
            test_days=test.days,
            purged_bars=strategy.horizon(),
            settings={**chosen, "seed": seed, "anchored": anchored},
            parameters=strategy.parameters.model_dump(mode="json", exclude={"model"}),
            library=_library(),
        ),
        fits=tuple(fits),
    )


def write(model: Model, folder: Path) -> Path:
    """Write the file of a model and return its path; none is written over."""
    path = folder / f"{model.name}{MODEL_SUFFIX}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(model.model_dump_json() + "\n")
    except FileExistsError as error:
        raise Conflict(
            f"{path} is there already: decisions name it by its hash. Give the new "
            "model another name."
        ) from error
    return path


def _rows(strategy: Fitted[Any], bars: pl.DataFrame) -> pl.DataFrame:
    """Return time, place before the symbol's end, features and label of each bar."""
    features = list(strategy.indicators())
    ordered = bars.lazy().sort("symbol", "timestamp")
    known = strategy._with(ordered, "symbol", strategy.indicators())
    seen = pl.int_range(1, pl.len() + 1).over("symbol")
    left = (pl.len() - pl.int_range(pl.len())).over("symbol")
    return (
        known.with_columns(
            strategy.label().over("symbol").alias("_label"), _seen=seen, _left=left
        )
        .filter((pl.col("_seen") >= strategy.warmup()))
        .filter(pl.all_horizontal(pl.col(name).is_finite() for name in features))
        .select("symbol", "timestamp", "_left", *features, "_label")
        .collect()
    )


def _fit(
    rows: pl.DataFrame,
    features: Sequence[str],
    window: Window,
    purged: int,
    settings: dict[str, Any],
    seed: int,
) -> Fit:
    from sklearn.ensemble import GradientBoostingClassifier

    before = rows.filter(
        pl.col("timestamp").is_between(
            window.train_from, window.test_from, closed="left"
        )
    )
    # A label looks at the bars after its own: those of the last ones are of the test.
    kept = before.filter(
        pl.int_range(pl.len(), 0, -1).over("symbol") > purged,
        pl.col("_label").is_not_null(),
    )
    label = kept["_label"].cast(pl.Int64).to_numpy()
    if kept.height < FEWEST_ROWS or label.min() == label.max():
        raise Invalid(
            f"From {window.train_from} to {window.test_from} there are {kept.height} "
            f"rows to train on, {label.sum()} of them with a rise: at least "
            f"{FEWEST_ROWS} of both kinds are needed."
        )
    classifier = GradientBoostingClassifier(random_state=seed, **settings)
    classifier.fit(kept.select(features).to_numpy(), label)
    share = float(label.mean())
    fit = Fit(
        trained_from=kept["timestamp"].min(),  # type: ignore[arg-type]
        trained_until=kept["timestamp"].max(),  # type: ignore[arg-type]
        valid_from=window.test_from,
        rows=kept.height,
        base=float(np.log(share / (1 - share))),
        rate=float(settings["learning_rate"]),
        trees=tuple(_tree(each.tree_) for each in classifier.estimators_.ravel()),
    )
    test = rows.filter(
        pl.col("timestamp").is_between(window.test_from, window.until, closed="left"),
        pl.col("_left") > purged,
    )
    scores = _scores(fit, test, features, share) if test.height else None
    return fit.model_copy(update={"scores": scores})


def _tree(tree: Any) -> Tree:
    is_leaf = tree.children_left < 0
    return Tree(
        feature=tuple(np.where(is_leaf, -1, tree.feature).tolist()),
        threshold=tuple(np.where(is_leaf, 0.0, tree.threshold).tolist()),
        left=tuple(tree.children_left.tolist()),
        right=tuple(tree.children_right.tolist()),
        value=tuple(tree.value.ravel().tolist()),
    )


def _scores(
    fit: Fit, test: pl.DataFrame, features: Sequence[str], share: float
) -> Scores:
    label = test["_label"].cast(pl.Int64).to_numpy()
    probability = fit.probabilities(test.select(features).to_numpy())
    return Scores(
        rows=test.height,
        log_loss=_log_loss(label, probability),
        log_loss_of_base_rate=_log_loss(label, np.full(label.size, share)),
        accuracy=float(((probability > 0.5) == label).mean()),
        auc=_auc(label, probability),
    )


def _log_loss(
    label: npt.NDArray[np.int64], probability: npt.NDArray[np.float64]
) -> float:
    given = np.where(label == 1, probability, 1 - probability)
    return float(-np.log(given).mean())


def _auc(
    label: npt.NDArray[np.int64], probability: npt.NDArray[np.float64]
) -> float | None:
    from sklearn.metrics import roc_auc_score

    if label.min() == label.max():
        return None
    return float(roc_auc_score(label, probability))


def _library() -> str:
    import sklearn

    return f"scikit-learn {sklearn.__version__}"
