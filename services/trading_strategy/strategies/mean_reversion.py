"""Buy what has fallen far below its mean, sell when it is back there."""

import polars as pl
from pydantic import Field

from trading_core.strategy import Condition, Parameters, Rules, Strategy

STILL = 1e-9
"""Share of the mean below which a deviation is rounding, and the price stood still."""


class MeanReversionParameters(Parameters):
    """How the mean is taken, and how far from it is far."""

    band_period: int = Field(20, ge=2, le=5000, description="Bars of the mean.")
    entry_deviations: float = Field(
        2.0, gt=0, description="Standard deviations below the mean at which to buy."
    )
    exit_deviations: float = Field(
        0.0, description="Standard deviations from the mean at which to sell."
    )
    rsi_period: int = Field(14, ge=2, le=5000, description="Bars of the RSI.")
    rsi_oversold: float = Field(
        30.0, gt=0, lt=100, description="RSI below which a fall counts as overdone."
    )


class MeanReversion(Strategy[MeanReversionParameters], name="mean_reversion_strategy"):
    """Bollinger's bands (20 bars, 2 deviations of the population) and Cutler's RSI.

    Cutler's RSI averages gains and losses over exactly `rsi_period` bars. Wilder's
    weighs all of the past, so that a decision would depend on where the bars begin.
    """

    def warmup(self) -> int:
        parameters = self.parameters
        return max(parameters.band_period, parameters.rsi_period + 1)

    def indicators(self) -> dict[str, pl.Expr]:
        band, period = self.parameters.band_period, self.parameters.rsi_period
        close, change = pl.col("close"), pl.col("close").diff()
        deviation = close.rolling_std(band, ddof=0)
        gain = change.clip(lower_bound=0).rolling_mean(period)
        loss = (-change).clip(lower_bound=0).rolling_mean(period)
        return {
            "mean": close.rolling_mean(band),
            "deviations": pl.when(deviation > STILL * pl.col("mean")).then(
                (close - pl.col("mean")) / deviation
            ),
            "rsi": pl.when(gain + loss > STILL * close).then(
                100 * gain / (gain + loss)
            ),
        }

    def rules(self) -> Rules:
        parameters = self.parameters
        return Rules(
            buy=(
                Condition(
                    "deviations",
                    "<=",
                    -parameters.entry_deviations,
                    "-entry_deviations",
                ),
                Condition("rsi", "<", parameters.rsi_oversold, "rsi_oversold"),
            ),
            sell=(
                Condition(
                    "deviations", ">=", parameters.exit_deviations, "exit_deviations"
                ),
            ),
        )

    def score(self) -> pl.Expr:
        return -pl.col("deviations")
