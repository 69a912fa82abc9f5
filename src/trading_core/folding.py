"""Folds a typed state over the last rows of each symbol.

A step is a plain function of numbers. Where there is much to do it is compiled with
Numba, which is loaded for that and not before.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

Step = Callable[[Any, Any, Any], Any]
"""The state after a bar, from the state before it, the bar's inputs and constants."""

WORTH_COMPILING = 500_000
"""Steps below which compiling (a second or two) takes longer than it saves: more than a
trading day's bar of hundreds of symbols needs."""


def begins(symbols: pl.Series) -> Integers:
    """Return for each row of a sorted column the row at which its symbol begins."""
    if symbols.is_empty():
        return np.zeros(0, np.int64)
    first = (symbols != symbols.shift(1)).fill_null(True).to_numpy()
    return np.maximum.accumulate(np.where(first, np.arange(first.size), 0))


def folded(
    step: Step,
    initial: tuple[float, ...],
    inputs: Floats,
    begun: Integers,
    memory: int,
    history: int,
    constants: tuple[float, ...] = (),
) -> Floats:
    """Return the state at each row: folded over the last `memory` rows of its symbol.

    Rows before a symbol's `history` are NaN; `begun` is the row where it begins. The
    result has a column for each field of the state.
    """
    rows = np.arange(begun.size)
    wanted = rows[rows - begun >= history - 1]
    states = np.full((begun.size, len(initial)), np.nan)
    if wanted.size * memory > WORTH_COMPILING:
        _machine(step)(initial, inputs, wanted, begun, memory, constants, states)
        return states
    values = inputs.tolist()
    for row in wanted.tolist():
        state = initial
        for place in range(max(row - memory + 1, int(begun[row])), row + 1):
            state = step(state, values[place], constants)
        states[row] = state
    return states


@cache
def _machine(step: Step) -> Callable[..., None]:
    """Return the loop over rows, compiled with a step in it."""
    from numba import njit

    one = njit(error_model="numpy")(step)

    # Not kept on disk: a cache does not tell apart what step is inside.
    @njit(nogil=True, error_model="numpy")
    def run(
        initial: Any,
        inputs: Floats,
        wanted: Integers,
        begun: Integers,
        memory: int,
        constants: Any,
        states: Floats,
    ) -> None:
        for number in range(wanted.size):
            row = wanted[number]
            state = initial
            for place in range(max(row - memory + 1, begun[row]), row + 1):
                state = one(state, inputs[place], constants)
            for field in range(states.shape[1]):
                states[row, field] = state[field]

    return run
