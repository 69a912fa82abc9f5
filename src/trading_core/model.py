"""Fitted models as data: what a strategy asks, and how it was trained.

A model is a JSON file, read without running anything: boosted trees as numbers, one set
for each step of a walk forward. A bar is answered by the last set that was trained on
bars before it, so a backtest over all of history sees no model that knows its future.
The library that trained it is not needed to ask it.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from trading_core.strategy import P, Strategy, StrategyError, did_you_mean

Floats = npt.NDArray[np.float64]

SHOWN = 12
"""Digits of a model's hash that a decision shows."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Tree(_Frozen):
    """A tree of decisions: node 0 is the root, a node without children is a leaf.

    `feature` of a leaf is -1. A row goes left where its feature is at most the node's
    threshold.
    """

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]

    @model_validator(mode="after")
    def _is_a_tree(self) -> "Tree":
        count = len(self.feature)
        columns = (self.threshold, self.left, self.right, self.value)
        if not count or any(len(column) != count for column in columns):
            raise ValueError("the columns of a tree differ in length")
        for node, feature in enumerate(self.feature):
            children = (self.left[node], self.right[node])
            # Children come after their parent, so that every way ends.
            if feature >= 0 and not all(node < child < count for child in children):
                raise ValueError(f"node {node} has no children after it")
        return self

    def values(self, rows: npt.NDArray[np.float32]) -> Floats:
        """Return the value of the leaf that each row comes to."""
        feature, left = np.array(self.feature), np.array(self.left)
        threshold, right = np.array(self.threshold), np.array(self.right)
        node = np.zeros(len(rows), np.int64)
        every = np.arange(len(rows))
        while (inner := feature[node] >= 0).any():
            at = node[inner]
            goes_left = rows[every[inner], feature[at]] <= threshold[at]
            node[inner] = np.where(goes_left, left[at], right[at])
        return np.array(self.value)[node]


class Scores(_Frozen):
    """How a fit did on the bars after its training, beside a guess of the base rate."""

    rows: int
    log_loss: float
    log_loss_of_base_rate: float
    accuracy: float
    auc: float | None


class Fit(_Frozen):
    """Trees trained on bars up to `trained_until`; they answer from `valid_from`."""

    trained_from: AwareDatetime
    trained_until: AwareDatetime
    valid_from: AwareDatetime
    rows: int = Field(gt=0)
    base: float
    rate: float
    trees: tuple[Tree, ...]
    scores: Scores | None = None

    @model_validator(mode="after")
    def _knows_no_later_bar(self) -> "Fit":
        if not self.trained_until < self.valid_from:
            raise ValueError(
                f"a fit trained until {self.trained_until} answers from "
                f"{self.valid_from}: it knows bars that it is asked about"
            )
        return self

    def probabilities(self, features: Floats) -> Floats:
        """Return the probability of each row; NaN where a feature is missing."""
        # The trees were grown on single precision, and split there.
        rows = features.astype(np.float32)
        known = np.isfinite(rows).all(axis=1)
        raw = np.full(len(rows), self.base)
        for tree in self.trees:
            raw[known] += self.rate * tree.values(rows[known])
        return np.where(known, 1 / (1 + np.exp(-raw)), np.nan)


class Training(_Frozen):
    """From what and how a model was trained."""

    data_hash: str
    symbols: tuple[str, ...]
    first: AwareDatetime
    last: AwareDatetime
    train_days: int
    test_days: int
    purged_bars: int
    settings: dict[str, Any]
    parameters: dict[str, Any]
    library: str


class Model(_Frozen):
    """A model of a strategy: its features in their order, and a fit for each step."""

    name: str = Field(min_length=1)
    strategy: str
    features: tuple[str, ...]
    label: str
    training: Training
    fits: tuple[Fit, ...]

    @model_validator(mode="after")
    def _in_order(self) -> "Model":
        times = [fit.valid_from for fit in self.fits]
        if not times or times != sorted(set(times)):
            raise ValueError("the fits are not in order of time")
        for fit in self.fits:
            used = {f for tree in fit.trees for f in tree.feature}
            if used and max(used) >= len(self.features):
                raise ValueError(f"a tree asks for feature {max(used)}: there is none")
        return self

    @property
    def hash(self) -> str:
        """A hash of everything in it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @classmethod
    def loaded(cls, text: str) -> "Model":
        """Return the model of a file's text; say what is wrong with another text."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise StrategyError(
                f"This is no model: {where}: {first['msg']}."
            ) from error

    def answers(self, times: pl.Series, features: Floats) -> tuple[Floats, Floats]:
        """Return probability and place of the fit of each row, NaN before the first."""
        starts = pl.Series([fit.valid_from for fit in self.fits], dtype=times.dtype)
        number = starts.search_sorted(times, side="right").to_numpy().astype(int) - 1
        probability = np.full(len(features), np.nan)
        for place in np.unique(number[number >= 0]).tolist():
            rows = number == place
            probability[rows] = self.fits[place].probabilities(features[rows])
        return probability, np.where(number >= 0, number, np.nan)


class Fitted(Strategy[P]):
    """Base of strategies that ask a model: the features are its indicators.

    Their parameters have a `model`, the name of one of `models`, which the loader of
    strategies hands to the class; a strategy reads no file. Without a name it gives no
    signal. Rules compare `probability`.
    """

    models: ClassVar[Mapping[str, Model]] = {}

    @abstractmethod
    def label(self) -> pl.Expr:
        """Whether a bar was followed by what the model foretells; of later bars."""

    @abstractmethod
    def horizon(self) -> int:
        """Bars after a bar that its label looks at."""

    @property
    def model_name(self) -> str:
        """The model that the parameters name."""
        return str(getattr(self.parameters, "model", ""))

    @property
    def model(self) -> Model | None:
        """The model to ask; an unknown one, or one of other features, is an error."""
        name = self.model_name
        if not name:
            return None
        if name not in self.models:
            known = ", ".join(sorted(self.models)) or "none"
            raise StrategyError(
                f"{self.name}: there is no model {name!r}."
                f"{did_you_mean(name, self.models)} There are: {known}. Train one with "
                f"`trading model train {self.name}`."
            )
        model = self.models[name]
        if model.features != tuple(self.indicators()):
            raise StrategyError(
                f"{self.name}: model {name!r} was trained on "
                f"{', '.join(model.features)}; the features are "
                f"{', '.join(self.indicators())}. Train it again."
            )
        return model

    def derived(self) -> tuple[str, ...]:
        return ("probability", "fit")

    def derive(self, bars: pl.DataFrame) -> Mapping[str, Floats]:
        nothing = np.full(bars.height, np.nan)
        model = self.model
        if model is None or bars.is_empty():
            return {"probability": nothing, "fit": nothing}
        features = (
            bars.select(list(self.indicators())).fill_null(float("nan")).to_numpy()
        )
        probability, fit = model.answers(bars["timestamp"], features)
        return {"probability": probability, "fit": fit}

    def score(self) -> pl.Expr:
        return pl.col("probability")

    def model_shown(self) -> str:
        """The model and its hash, as a decision shows them."""
        model = self.model
        return f"{model.name}@{model.hash[:SHOWN]}" if model else "no model"


def model_at(model: Model, time: datetime) -> Fit | None:
    """Return the fit that answers a bar of a time, if there was one."""
    known = [fit for fit in model.fits if fit.valid_from <= time]
    return known[-1] if known else None
