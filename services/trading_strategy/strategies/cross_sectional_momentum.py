"""Hold the strongest of all symbols, whatever the market does."""

import polars as pl
from pydantic import Field

from trading_core.strategy import Condition, Parameters, Rules, Strategy


class CrossSectionalMomentumParameters(Parameters):
    """How strength is measured, and how many are held."""

    lookback_period: int = Field(130, ge=1, le=5000, description="Bars to look back.")
    skip_period: int = Field(
        7,
        ge=0,
        le=5000,
        description="Newest bars left out, which tend to turn around.",
    )
    hold: int = Field(3, ge=1, description="Symbols to hold.")
    keep: int = Field(
        5, ge=1, description="Rank down to which a symbol that is held is kept."
    )


class CrossSectionalMomentum(
    Strategy[CrossSectionalMomentumParameters], name="cross_sectional_momentum_strategy"
):
    """Rank all symbols of a bar by their return (Jegadeesh and Titman, 1993).

    A symbol is bought within the first `hold` ranks and sold below rank `keep`: the gap
    between the two spares the trades of a symbol that wavers at the edge.
    """

    def warmup(self) -> int:
        return self.parameters.lookback_period + 1

    def indicators(self) -> dict[str, pl.Expr]:
        lookback, skip = self.parameters.lookback_period, self.parameters.skip_period
        close = pl.col("close")
        return {
            "strength": close.shift(min(skip, lookback - 1)) / close.shift(lookback) - 1
        }

    def across(self) -> dict[str, pl.Expr]:
        # Symbols of equal strength stand in the order of their names.
        return {"rank": pl.col("strength").rank("ordinal", descending=True)}

    def rules(self) -> Rules:
        parameters = self.parameters
        return Rules(
            buy=(Condition("rank", "<=", float(parameters.hold), "hold"),),
            sell=(
                Condition(
                    "rank", ">", float(max(parameters.keep, parameters.hold)), "keep"
                ),
            ),
        )
