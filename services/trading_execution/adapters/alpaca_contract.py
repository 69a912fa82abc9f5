"""Alpaca's answers held against what they looked like when this was written."""

import json
from importlib.resources import files

from trading_execution.adapters import alpaca_forms as forms
from trading_execution.adapters.alpaca import AlpacaBroker
from trading_execution.domain.contract import Examined, Shape, faults_of

SHAPES = "shapes.json"


def shapes() -> list[Shape]:
    """Return the stored shape of every endpoint that is read."""
    stored = files("trading_execution.adapters").joinpath(SHAPES).read_text("utf-8")
    return [
        Shape(name=name, **{**kept, "stops": tuple(kept["stops"])})
        for name, kept in json.loads(stored).items()
    ]


class AlpacaContract:
    """Looks at one answer of each endpoint; none of the calls changes anything."""

    def __init__(self, broker: AlpacaBroker) -> None:
        self._broker = broker

    def examine(self) -> list[Examined]:
        """Return how each endpoint answers now."""
        return [self._twice(shape) for shape in shapes()]

    def _twice(self, shape: Shape) -> Examined:
        """Look again at what is not as it was: one answer may have been damaged."""
        first = self._look(shape)
        return self._look(shape) if first.faults else first

    def _look(self, shape: Shape) -> Examined:
        try:
            body = self._broker.answer(shape.path, shape.query, shape.status)
        except forms.NotUnderstood as error:
            return Examined(shape, (str(error),))
        return Examined(shape, faults_of(shape, body))
