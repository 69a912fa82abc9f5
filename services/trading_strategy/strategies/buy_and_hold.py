"""Buy everything and keep it: what every other strategy is measured against."""

import polars as pl

from trading_core.strategy import Condition, Parameters, Rules, Strategy


class BuyAndHoldParameters(Parameters):
    """Nothing to choose but the size of a position."""


class BuyAndHold(Strategy[BuyAndHoldParameters], name="buy_and_hold_strategy"):
    """Ask for the full position at every bar; at target there is nothing to trade."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {"price": pl.col("close")}

    def rules(self) -> Rules:
        return Rules(buy=(Condition("price", ">", 0.0),))
