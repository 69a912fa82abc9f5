"""On which terms a column trades: its money, its costs, and when orders are sized."""

from dataclasses import dataclass
from math import isfinite
from typing import Literal

from trading_core.money import BadNumber


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of every column; rates are shares, 0.0005 for 5 basis points.

    `fee_rate` is of the notional and `fee_per_share` in dollars, on either side;
    `slippage` makes the price worse. An order is sized `at` the close of its decision,
    as the account of `simulate` sizes it, or at the price of its `"fill"`, fees
    included, as most backtest libraries do; the latter never adds to a position.
    """

    cash: float = 100_000.0
    fee_rate: float = 0.0
    fee_per_share: float = 0.0
    slippage: float = 0.0
    fractional: bool = False
    at: Literal["decision", "fill"] = "decision"

    def __post_init__(self) -> None:
        if not (isfinite(self.cash) and self.cash > 0):
            raise BadNumber(f"cash is {self.cash}: it must be above zero.")
        if not (isfinite(self.fee_per_share) and self.fee_per_share >= 0):
            raise BadNumber(f"fee_per_share is {self.fee_per_share}: it must be >= 0.")
        for name in ("fee_rate", "slippage"):
            rate = getattr(self, name)
            if not 0 <= rate < 1:
                raise BadNumber(f"{name} is {rate}: 0.0005 is 5 basis points.")
        if self.at not in ("decision", "fill"):
            raise ValueError(f"at is {self.at!r}: it must be decision or fill.")
