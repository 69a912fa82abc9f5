"""Signals of a strategy without its explanations, number for number as it decides.

Strategies whose signals are their rules are read column by column in a compiled loop,
each indicator computed once for however many strategies name it. Others (their own
`signals`, comparisons across symbols) are asked as they are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from trading_core.comparison import DEAD_BAND
from trading_core.simulation.compiled import compiled
from trading_core.strategy import RESERVED, Condition, Rules, Strategy, StrategyError

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Marks = npt.NDArray[np.int8]
"""A signal a bar: 1 buy, -1 sell, 0 neither."""

OPERATORS = {">": 0, ">=": 1, "<": 2, "<=": 3}


class Signals:
    """The signals of several strategies over the columns of a frame of bars."""

    def __init__(self, strategies: Sequence[Strategy[Any]], bars: pl.DataFrame) -> None:
        self._asked: dict[int, Marks] = {}
        self._read: dict[int, _Rules] = {}
        self._indicators: dict[_Key, _Indicator] = {}
        for place, strategy in enumerate(strategies):
            if _is_read_by_column(strategy):
                self._read[place] = self._rules_of(strategy)
            else:
                self._asked[place] = asked(strategy, bars)

    def _rules_of(self, strategy: Strategy[Any]) -> "_Rules":
        named: dict[str, str] = {}
        for name, expression in strategy.indicators().items():
            if name in RESERVED:
                raise StrategyError(
                    f"{strategy.name}: indicator {name} hides a bar column."
                )
            roots = dict.fromkeys(expression.meta.root_names())
            reads = tuple((root, named[root]) for root in roots if root in named)
            indicator = self._indicators.setdefault(
                (expression.meta.serialize(), reads),
                _Indicator(str(len(self._indicators)), expression, reads),
            )
            named[name] = indicator.column
        return _Rules(strategy.rules(), strategy.history, named)

    def of(self, bars: pl.DataFrame, place: slice) -> "ColumnSignals":
        """Return the signals over a column: the bars of one symbol and their place."""
        indicators = self._indicators.values()
        values = bars.with_columns(
            each.value.alias(each.column) for each in indicators if not each.reads
        )
        for each in indicators:
            if each.reads:
                known = values.with_columns(
                    pl.col(column).alias(name) for name, column in each.reads
                )
                value = known.with_columns(_=each.value)["_"]
                values = values.with_columns(value.alias(each.column))
        return ColumnSignals(
            self._read, values, {n: marks[place] for n, marks in self._asked.items()}
        )


class ColumnSignals:
    """The signals of several strategies over one column, computed when asked for."""

    def __init__(
        self,
        read: Mapping[int, "_Rules"],
        values: pl.DataFrame,
        given: Mapping[int, Marks],
    ) -> None:
        self._read = read
        self._values = values
        self._given = given

    def __getitem__(self, strategy: int) -> Marks:
        if strategy in self._given:
            return self._given[strategy]
        rules = self._read[strategy]
        buys = self._side(rules.rules.buy, rules.named)
        sells = self._side(rules.rules.sell, rules.named)
        marks = buys.view(np.int8) - sells.view(np.int8)
        marks[: max(rules.warmup - 1, 0)] = 0
        return marks

    def _side(
        self, conditions: Sequence[Condition], named: Mapping[str, str]
    ) -> Booleans:
        held = (np.ones if conditions else np.zeros)(self._values.height, np.bool_)
        for condition in conditions:
            right = condition.right
            narrow(
                self._numbers(condition.left, named),
                OPERATORS[condition.operator],
                (
                    self._numbers(right, named)
                    if isinstance(right, str)
                    else np.broadcast_to(np.float64(right), held.size)
                ),
                DEAD_BAND,
                held,
            )
        return held

    def _numbers(self, name: str, named: Mapping[str, str]) -> Floats:
        return self._values[named.get(name, name)].to_numpy()


def asked(strategy: Strategy[Any], bars: pl.DataFrame) -> Marks:
    """Return the signals of every bar, of whatever strategy, by asking it.

    Signals of several legs are refused: each column trades by itself, and knows sides
    only.
    """
    if set(strategy.legs()) - {"reduce_only"}:
        raise StrategyError(
            f"{strategy.name} asks for parts of a position or for several legs, which "
            "a column has not: backtest it with `simulate`, `trading backtest run`."
        )
    frame = strategy.asked(bars.lazy()).select("signal", "reduce_only").collect()
    marks = frame["signal"].to_numpy()
    if marks.size != bars.height or not np.isin(marks, (-1, 0, 1)).all():
        strategy.decide(bars)  # refuses them, with the bar
    if strategy.parameters.allow_short and frame["reduce_only"].any():
        raise StrategyError(
            f"{strategy.name} closes only, with allow_short: a column cannot close a "
            "position without turning it. Backtest it with `simulate`, `trading "
            "backtest run`."
        )
    return marks


@dataclass(frozen=True, slots=True)
class _Indicator:
    """An expression, its column, and the columns it reads by the names it knows."""

    column: str
    expression: pl.Expr
    reads: tuple[tuple[str, str], ...]

    @property
    def value(self) -> pl.Expr:
        """Its numbers, NaN where there is none: the compiled loop knows no nulls."""
        return self.expression.cast(pl.Float64).fill_null(math.nan)


_Key = tuple[bytes, tuple[tuple[str, str], ...]]


class _Rules(NamedTuple):
    rules: Rules
    warmup: int
    named: Mapping[str, str]


def _is_read_by_column(strategy: Strategy[Any]) -> bool:
    kind = type(strategy)
    return (
        kind.signals is Strategy.signals
        and kind.with_indicators is Strategy.with_indicators
        and kind.side is Strategy.side
        and not (strategy.across() or strategy.derived() or strategy.legs())
        and strategy.parameters.exits is None
    )


@compiled
def narrow(
    left: Floats, operator: int, right: Floats, dead_band: float, held: Booleans
) -> None:
    """Take out of `held` the bars at which a comparison fails, as `comparison.holds`.

    A bar without a number, NaN here, fails.
    """
    for bar in range(held.size):
        one, other = left[bar], right[bar]
        band = dead_band * max(abs(one), abs(other), 1.0)
        gap = one - other
        if operator == 0:
            passed = gap > band
        elif operator == 1:
            passed = gap >= -band
        elif operator == 2:
            passed = gap < -band
        else:
            passed = gap <= band
        held[bar] &= passed and abs(one) < np.inf and abs(other) < np.inf
