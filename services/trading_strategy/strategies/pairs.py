"""Trade two symbols that belong together against each other when they part."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, field_validator, model_validator

from trading_core import pairs
from trading_core.comparison import DEAD_BAND
from trading_core.strategy import Parameters, Strategy

SMALLEST_RATIO, LARGEST_RATIO = 0.2, 5.0
"""Hedge ratios outside of which one leg is too small to hedge the other."""


class PairsParameters(Parameters):
    """Which pairs, how they are fitted, and when they are traded."""

    allow_short: bool = Field(
        True, description="Whether a sell signal may open a short position."
    )
    pairs: str = Field(
        "KO/PEP", description="Pairs with a slash, separated by spaces: KO/PEP XOM/CVX."
    )
    fit_period: int = Field(
        260, ge=20, le=5000, description="Common bars that a pair is fitted on."
    )
    entry_deviations: float = Field(
        2.0, gt=0, description="Standard deviations of the spread at which to enter."
    )
    exit_deviations: float = Field(
        0.0, ge=0, description="Standard deviations at which to leave."
    )
    stop_deviations: float = Field(
        4.0, gt=0, description="Standard deviations at which a pair is given up."
    )
    significance: float = Field(
        0.05, description="Level of the cointegration test: 0.01, 0.05 or 0.1."
    )
    max_half_life: float = Field(
        65.0, gt=0, description="Bars within which half of a deviation must be gone."
    )
    holding_period: int = Field(
        130, ge=1, le=2500, description="Bars after which a pair is left."
    )
    gaps: int = Field(
        10, ge=0, description="Bars without a counterpart that a fit may span."
    )

    @field_validator("pairs")
    @classmethod
    def _of_two_each(cls, value: str) -> str:
        named = [pair.split("/") for pair in value.split()]
        wrong = [pair for pair in named if len(pair) != 2 or not all(pair)]
        if wrong or not named:
            raise ValueError("name pairs as KO/PEP, separated by spaces")
        symbols = [symbol for pair in named for symbol in pair]
        if twice := {symbol for symbol in symbols if symbols.count(symbol) > 1}:
            raise ValueError(
                f"{', '.join(sorted(twice))} is named twice: a symbol has one position"
            )
        return value

    @model_validator(mode="after")
    def _in_order(self) -> "PairsParameters":
        if not self.exit_deviations < self.entry_deviations < self.stop_deviations:
            raise ValueError("exit, entry and stop deviations must rise in this order")
        pairs.critical_value(self.significance, self.fit_period)
        return self

    @property
    def legs(self) -> list[tuple[str, str]]:
        """The pairs, first and second symbol each."""
        return [(a, b) for a, _, b in (p.partition("/") for p in self.pairs.split())]


class Pairs(Strategy[PairsParameters], name="pairs_strategy"):
    """Buy the spread of a cointegrated pair when it is low, sell it when it is high.

    The spread is the residual of the first symbol's log price on the second's (Engle
    and Granger, 1987), fitted anew at each bar on the bars before. It is entered where
    the pair passes the cointegration test and heals fast enough, and left at its mean,
    at the stop, or after the holding period. Both legs are one position.
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
        columns = {name: np.full(bars.height, np.nan) for name in pairs.RELATION}
        for pair in self.parameters.legs:
            legs = pairs.common_bars(bars, pair)
            for name, values in self._relation(bars, legs).items():
                known = ~np.isnan(values)
                columns[name][known] = values[known]
        return columns

    def _relation(
        self, bars: pl.DataFrame, legs: list[pairs.Leg]
    ) -> Mapping[str, npt.NDArray[Any]]:
        given = self.parameters
        first, second = (leg.log_close for leg in legs)
        fit = pairs.rolling_fit(first, second, given.fit_period)
        z, ratio = fit.z_score, fit.hedge_ratio
        critical = pairs.critical_value(given.significance, given.fit_period)
        may_open = pairs.is_whole(legs, given.fit_period, given.gaps)
        may_open &= (fit.statistic < critical) & (fit.half_life <= given.max_half_life)
        may_open &= (ratio > SMALLEST_RATIO) & (ratio < LARGEST_RATIO)
        far = np.abs(z)
        may_open &= far >= given.entry_deviations - DEAD_BAND
        may_open &= far < given.stop_deviations
        position = pairs.held(
            np.where(may_open, -np.sign(z), 0).astype(np.int64),
            {
                1: (z >= -given.exit_deviations) | (z <= -given.stop_deviations),
                -1: (z <= given.exit_deviations) | (z >= given.stop_deviations),
            },
            legs,
            given.holding_period,
        )
        # A dollar of the first is hedged by `ratio` dollars of the second.
        larger = np.maximum(ratio, 1)
        weights = (1 / larger, ratio / larger)
        return pairs.relation(bars, legs, fit, position, weights, (1, -1))

    def side(self) -> pl.Expr:
        return pairs.side_of_leg()

    def legs(self) -> dict[str, pl.Expr]:
        names = {s: f"{a}/{b}" for a, b in self.parameters.legs for s in (a, b)}
        group = pl.col("symbol").replace_strict(names, default=None)
        return pairs.terms_of_leg(group)

    def score(self) -> pl.Expr:
        return pl.col("z_score").abs()

    def explanation(self) -> pl.Expr:
        return pairs.told(pl.col("group"), pl.col("group"))
