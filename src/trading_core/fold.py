"""Strategies that remember: a typed state, carried from bar to bar.

The state at a bar is folded over the last `memory` bars of its symbol, from a state
that knows nothing. So it depends on those bars alone: where the history begins, and
what comes later, changes nothing, and a window of a trading day gives the state that a
backtest over years has there.

A step is a plain function of numbers. Where there is much to do it is compiled with
Numba, which is loaded for that and not before; a trading day of a few symbols runs it
as it is, with the same numbers.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar

import polars as pl

from trading_core.folding import Floats, Step, begins, folded
from trading_core.strategy import P, Strategy

S = TypeVar("S", bound=tuple[float, ...])


class Fold(Strategy[P], Generic[P, S]):
    """Base of strategies with a state: a `NamedTuple` of floats, and a step.

    The fields of the state are indicators like others: rules compare them.
    """

    @abstractmethod
    def memory(self) -> int:
        """Bars that the state is folded over, the decided one included."""

    @abstractmethod
    def initial(self) -> S:
        """The state that knows nothing yet."""

    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """Columns of a bar that a step reads, in their order; no number is NaN."""

    @abstractmethod
    def step(self) -> Step:
        """The function from state, inputs and constants to the next state.

        Defined at the top of the module, of numbers and tuples only, so that it can be
        compiled.
        """

    def constants(self) -> tuple[float, ...]:
        """Parameters that a step reads, in their order."""
        return ()

    def derived(self) -> tuple[str, ...]:
        return tuple(self.initial()._fields)  # type: ignore[attr-defined]

    def derive(self, bars: pl.DataFrame) -> Mapping[str, Floats]:
        inputs = bars.select(pl.col(name).cast(pl.Float64) for name in self.inputs())
        states = folded(
            self.step(),
            self.initial(),
            inputs.fill_null(float("nan")).to_numpy(order="c"),
            begins(bars["symbol"]),
            self.memory(),
            self.history,
            self.constants(),
        )
        return {name: states[:, n] for n, name in enumerate(self.derived())}
