"""Price points stand where the shared path of a bar has them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper_exchange import instants
from paper_exchange.market.points import longer_tape, through
from paper_exchange.sessions import TradingDay
from trading_core.bars import path

pytestmark = pytest.mark.unit

START = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
cents = st.integers(100, 100_000).map(lambda number: number / 100)


@settings(deadline=None)
@given(cents, cents, cents, cents, st.sampled_from([1, 5, 15, 30, 60, 390]))
def test_the_points_of_a_bar_are_those_of_the_engine(
    one: float, two: float, three: float, four: float, minutes: int
) -> None:
    low, open_, close, high = sorted((one, two, three, four))
    for opening, closing in ((open_, close), (close, open_)):
        end = START + timedelta(minutes=minutes)
        expected = path(opening, high, low, closing, START, end)
        times, prices = through(
            np.array([instants.from_datetime(START)]),
            np.array([instants.from_datetime(end)]),
            *(np.array([price]) for price in (opening, high, low, closing)),
        )
        assert [instants.to_datetime(int(time)) for time in times] == [
            point.time for point in expected
        ]
        assert prices.tolist() == [point.price for point in expected]


@settings(deadline=None)
@given(st.integers(0, 10**9))
def test_the_minutes_of_an_hour_keep_its_volume_to_the_share(volume: int) -> None:
    opens = instants.from_datetime(START)
    day = TradingDay(0, START.date(), opens - 9 * instants.HOUR, opens, opens * 2)
    price = np.array([10.0])
    made = longer_tape(
        day,
        np.array([opens]),
        np.array([opens + instants.HOUR]),
        price,
        price,
        price,
        price,
        np.array([volume]),
    )
    assert made.volume.sum() == volume
    assert made.points.volume.tolist() == [volume / 4] * 4
