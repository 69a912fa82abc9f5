"""Hold every symbol in equal parts: the benchmark for strategies that choose."""

import polars as pl
from pydantic import Field

from trading_core.strategy import Condition, Parameters, Rules, Strategy


class EqualWeightParameters(Parameters):
    """How much of equity all symbols take together."""

    max_position_size: float = Field(
        1.0, gt=0, le=1, description="Share of equity that all positions take together."
    )


class EqualWeight(Strategy[EqualWeightParameters], name="equal_weight_strategy"):
    """Ask for an equal part of every symbol that has a bar (DeMiguel et al., 2009).

    What has fallen below nine tenths of its part is bought again; what has risen above
    it is kept, because a sale is a sale of all.
    """

    def indicators(self) -> dict[str, pl.Expr]:
        return {"price": pl.col("close")}

    def across(self) -> dict[str, pl.Expr]:
        return {"symbols": pl.len()}

    def rules(self) -> Rules:
        return Rules(buy=(Condition("price", ">", 0.0),))

    def legs(self) -> dict[str, pl.Expr]:
        return {"weight": (1 / pl.col("symbols")).round(6)}
