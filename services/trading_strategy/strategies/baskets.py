"""Trade each member of a basket against the others when it parts from them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, field_validator, model_validator

from trading_core import pairs
from trading_core.comparison import DEAD_BAND
from trading_core.strategy import Parameters, Strategy


class BasketParameters(Parameters):
    """Who belongs to the basket, and how far is far."""

    allow_short: bool = Field(
        True, description="Whether a sell signal may open a short position."
    )
    basket: str = Field(
        "JPM BAC WFC C", description="Symbols of the basket, separated by spaces."
    )
    fit_period: int = Field(
        130, ge=20, le=5000, description="Common bars that a member is fitted on."
    )
    entry_deviations: float = Field(
        2.0, gt=0, description="Standard deviations from the others at which to enter."
    )
    exit_deviations: float = Field(
        0.5, ge=0, description="Standard deviations at which to leave."
    )
    max_half_life: float = Field(
        65.0, gt=0, description="Bars within which half of a deviation must be gone."
    )
    holding_period: int = Field(
        65, ge=1, le=2500, description="Bars after which a member is left."
    )
    gaps: int = Field(
        10, ge=0, description="Bars without a counterpart that a fit may span."
    )

    @field_validator("basket")
    @classmethod
    def _of_three(cls, value: str) -> str:
        symbols = value.split()
        if len(symbols) < 3 or len(set(symbols)) < len(symbols):
            raise ValueError("name three symbols or more, each once")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> "BasketParameters":
        if not self.exit_deviations < self.entry_deviations:
            raise ValueError("exit_deviations must be below entry_deviations")
        return self


class Baskets(Strategy[BasketParameters], name="basket_strategy"):
    """Buy the members that fell behind their basket, sell those that ran ahead of it.

    A member's log price is fitted on the mean log price of the others (Avellaneda and
    Lee, 2010, with the basket itself for their sector fund). What members ask for
    together is one position: behind and ahead balance over time, not at each bar.
    """

    compares_symbols = True

    def warmup(self) -> int:
        parameters = self.parameters
        return (
            parameters.fit_period + parameters.gaps + 2 * parameters.holding_period + 1
        )

    def derived(self) -> tuple[str, ...]:
        return pairs.RELATION

    def derive(self, bars: pl.DataFrame) -> Mapping[str, npt.NDArray[Any]]:
        given = self.parameters
        legs = pairs.common_bars(bars, tuple(given.basket.split()))
        whole = pairs.is_whole(legs, given.fit_period, given.gaps)
        prices = np.stack([leg.log_close for leg in legs])
        columns = {name: np.full(bars.height, np.nan) for name in pairs.RELATION}
        for number, leg in enumerate(legs):
            others = np.delete(prices, number, axis=0).mean(axis=0)
            fit = pairs.rolling_fit(leg.log_close, others, given.fit_period)
            z = fit.z_score
            is_far = np.abs(z) >= given.entry_deviations - DEAD_BAND
            opens = whole & is_far & (fit.half_life <= given.max_half_life)
            position = pairs.held(
                np.where(opens, -np.sign(z), 0).astype(np.int64),
                {1: z >= -given.exit_deviations, -1: z <= given.exit_deviations},
                legs,
                given.holding_period,
            )
            part = np.full(z.size, 1 / len(legs))
            found = pairs.relation(bars, [leg], fit, position, (part,), (1,))
            for name, values in found.items():
                columns[name][leg.place] = values[leg.place]
        return columns

    def side(self) -> pl.Expr:
        return pairs.side_of_leg()

    def legs(self) -> dict[str, pl.Expr]:
        members = self.parameters.basket.split()
        is_member = pl.col("symbol").is_in(members)
        group = pl.when(is_member).then(pl.lit(self.parameters.basket))
        return pairs.terms_of_leg(group)

    def score(self) -> pl.Expr:
        return pl.col("z_score").abs()

    def explanation(self) -> pl.Expr:
        spread = pl.format("{} against {}", "symbol", "group")
        return pairs.told(pl.col("group"), spread)
