"""The compiled reading of a strategy's rules: conditions in, a signal a bar out.

The comparison is that of `comparison.holds`, number for number.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from trading_core.comparison import DEAD_BAND
from trading_core.simulation.compiled import compiled
from trading_core.strategy import Rules

Floats = npt.NDArray[np.float64]
Signals = npt.NDArray[np.int8]

OPERATORS = {">": 0, ">=": 1, "<": 2, "<=": 3}
CONSTANT = -1

CONDITION = np.dtype(
    [
        ("side", np.int8),
        ("left", np.int64),
        ("operator", np.int8),
        ("right", np.int64),
        ("number", np.float64),
    ]
)
"""A condition by the positions of its columns; `right` is -1 where `number` counts."""


def encode(rules: Rules, rows: dict[str, int]) -> npt.NDArray[Any]:
    """Return the conditions of rules; `rows` has the row of each indicator."""
    encoded = np.zeros(len(rules.buy) + len(rules.sell), CONDITION)
    for place, (side, condition) in enumerate(rules.sides()):
        right = condition.right
        encoded[place] = (
            1 if side == "buy" else -1,
            rows[condition.left],
            OPERATORS[condition.operator],
            rows[right] if isinstance(right, str) else CONSTANT,
            0.0 if isinstance(right, str) else right,
        )
    return encoded


@compiled
def read_rules(
    conditions: npt.NDArray[Any], values: Floats, warmup: int, signals: Signals
) -> None:
    """Write the signal of each bar: 1 where only the buy side holds, -1 only the sell.

    `values` has a row an indicator and a column a bar; NaN where there is no number.
    Bars before `warmup` have signal 0.
    """
    buys = sells = False
    for each in conditions:
        buys = buys or each["side"] > 0
        sells = sells or each["side"] < 0
    for bar in range(signals.size):
        signals[bar] = 0
        if bar + 1 < warmup:
            continue
        buy, sell = buys, sells
        for each in conditions:
            if each["side"] > 0 and buy:
                buy = _holds(each, values, bar)
            elif each["side"] < 0 and sell:
                sell = _holds(each, values, bar)
        signals[bar] = np.int8(buy) - np.int8(sell)


@compiled
def _holds(condition: Any, values: Floats, bar: int) -> bool:
    left = values[condition["left"], bar]
    if condition["right"] < 0:
        right = condition["number"]
    else:
        right = values[condition["right"], bar]
    if not (np.isfinite(left) and np.isfinite(right)):
        return False
    band = DEAD_BAND * max(abs(left), abs(right), 1.0)
    gap = left - right
    operator = condition["operator"]
    if operator == 0:
        return bool(gap > band)
    if operator == 1:
        return bool(gap >= -band)
    if operator == 2:
        return bool(gap < -band)
    return bool(gap <= band)
