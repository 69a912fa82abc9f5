"""The compiled comparison is that of strategies, at every number there is."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_core.comparison import DEAD_BAND, Operator, holds
from trading_core.simulation.signals import OPERATORS, narrow

pytestmark = pytest.mark.unit
NEAR = st.builds(
    lambda base, bands: base + bands * DEAD_BAND * max(1.0, abs(base)),
    st.sampled_from([0.0, 1.0, -3.5, 400.0, 1e9]),
    st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0]),
)
NUMBER = st.one_of(NEAR, st.floats(), st.none())


@given(
    pairs=st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=40),
    operator=st.sampled_from(list(OPERATORS)),
)
def test_a_compiled_comparison_holds_where_the_expression_does(
    pairs: list[tuple[float | None, float | None]], operator: Operator
) -> None:
    frame = pl.DataFrame(
        pairs, schema={"left": pl.Float64, "right": pl.Float64}, orient="row"
    )
    said = frame.select(holds(pl.col("left"), operator, pl.col("right"))).to_series()
    held = np.full(frame.height, True)
    left, right = (frame[name].to_numpy() for name in ("left", "right"))
    narrow(left, OPERATORS[operator], right, DEAD_BAND, held)
    assert held.tolist() == said.to_list()
