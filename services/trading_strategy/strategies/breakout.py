"""Buy a new high, sell when the price has fallen back by a few average ranges."""

import polars as pl
from pydantic import Field

from trading_core.strategy import Condition, Parameters, Rules, Strategy


class BreakoutParameters(Parameters):
    """What a new high is, and how far below the high the stop hangs."""

    channel_period: int = Field(
        50, ge=2, le=5000, description="Bars whose highest high must be broken."
    )
    atr_period: int = Field(
        20, ge=1, le=5000, description="Bars over which the true range is averaged."
    )
    stop_ranges: float = Field(
        3.0, gt=0, description="Average true ranges from the high to the stop."
    )


class Breakout(Strategy[BreakoutParameters], name="breakout_strategy"):
    """Donchian's channel to enter, a chandelier stop to leave.

    The stop hangs below the highest high of the channel and falls only when that does:
    it needs to know no entry, and the same bars give the same stop to whoever looks.
    """

    def warmup(self) -> int:
        return max(self.parameters.channel_period, self.parameters.atr_period) + 1

    def indicators(self) -> dict[str, pl.Expr]:
        channel, period = self.parameters.channel_period, self.parameters.atr_period
        before = pl.col("close").shift(1)
        true_range = pl.max_horizontal("high", before) - pl.min_horizontal(
            "low", before
        )
        return {
            "close_now": pl.col("close"),
            "channel_high": pl.col("high").rolling_max(channel).shift(1),
            "atr": pl.when(before.is_not_null()).then(true_range).rolling_mean(period),
            "stop": pl.col("high").rolling_max(channel)
            - self.parameters.stop_ranges * pl.col("atr"),
        }

    def rules(self) -> Rules:
        return Rules(
            buy=(Condition("close_now", ">", "channel_high"),),
            sell=(Condition("close_now", "<", "stop"),),
        )

    def score(self) -> pl.Expr:
        return (pl.col("close") - pl.col("channel_high")) / pl.col("atr")
