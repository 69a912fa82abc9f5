"""Buy when a fitted classifier thinks that a rise is likely."""

import polars as pl
from pydantic import Field

from trading_core import indicators
from trading_core.model import Fitted
from trading_core.strategy import Condition, Parameters, Rules

CLOSE = pl.col("close")


class ClassifierParameters(Parameters):
    """Which model is asked, what it foretells, and how sure it must be."""

    model: str = Field(
        "", description="Name of the model, as `trading model list` shows it."
    )
    horizon: int = Field(
        7, ge=1, le=500, description="Bars ahead that a model is trained to foretell."
    )
    least_move: float = Field(
        0.0, description="Return over the horizon that counts as a rise in training."
    )
    buy_above: float = Field(
        0.55, gt=0, lt=1, description="Probability of a rise above which to buy."
    )
    sell_below: float = Field(
        0.5, gt=0, lt=1, description="Probability of a rise below which to sell."
    )


class Classifier(Fitted[ClassifierParameters], name="classifier_strategy"):
    """Boosted trees on returns, range and volume of the last weeks.

    The model is trained by walking forward (`trading model train classifier_strategy`)
    and asked only about bars after its training. Its hash stands in every decision.
    """

    def warmup(self) -> int:
        return 131

    def indicators(self) -> dict[str, pl.Expr]:
        change = CLOSE / CLOSE.shift(1) - 1
        volume = pl.col("volume")
        mean = volume.rolling_mean(35)
        return {
            "return_1": change,
            "return_7": CLOSE / CLOSE.shift(7) - 1,
            "return_35": CLOSE / CLOSE.shift(35) - 1,
            "return_130": CLOSE / CLOSE.shift(130) - 1,
            "volatility": change.rolling_std(35),
            "z_score": indicators.z_score(CLOSE, 35),
            "stochastic": indicators.stochastic(14),
            "volume_ratio": pl.when(mean > 0).then(volume / mean),
        }

    def label(self) -> pl.Expr:
        later = CLOSE.shift(-self.parameters.horizon)
        return later / CLOSE - 1 > self.parameters.least_move

    def horizon(self) -> int:
        return self.parameters.horizon

    def rules(self) -> Rules:
        shown = self.model_shown()
        given = self.parameters
        return Rules(
            buy=(
                Condition("probability", ">", given.buy_above, f"buy_above of {shown}"),
            ),
            sell=(
                Condition(
                    "probability", "<", given.sell_below, f"sell_below of {shown}"
                ),
            ),
        )
