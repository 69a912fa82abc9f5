"""Buy what has risen over the lookback, sell what has fallen."""

import polars as pl
from pydantic import Field

from trading_core.strategy import Condition, Parameters, Rules, Strategy


class MomentumParameters(Parameters):
    """How far back to look, and what counts as a move."""

    lookback_period: int = Field(20, ge=1, le=5000, description="Bars to look back.")
    threshold: float = Field(0.02, gt=0, description="Return that counts as a move.")


class Momentum(Strategy[MomentumParameters], name="momentum_strategy"):
    """Follow the return over the last `lookback_period` bars."""

    def warmup(self) -> int:
        return self.parameters.lookback_period + 1

    def indicators(self) -> dict[str, pl.Expr]:
        lookback = self.parameters.lookback_period
        return {"momentum": pl.col("close").pct_change(lookback)}

    def rules(self) -> Rules:
        limit = self.parameters.threshold
        return Rules(
            buy=(Condition("momentum", ">", limit, "threshold"),),
            sell=(Condition("momentum", "<", -limit, "-threshold"),),
        )
