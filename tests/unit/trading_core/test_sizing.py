"""Targets and the orders that lead to them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_core.money import BadNumber, Side
from trading_core.sizing import order_quantity, target_quantity

pytestmark = pytest.mark.unit
D = Decimal


def test_a_target_is_a_share_of_equity_in_whole_shares_rounded_down() -> None:
    # 10 % of 100,000 at 231.38: 43.2 shares.
    assert target_quantity(D(100_000), D("231.38"), 0.1) == 43


def test_fractions_are_kept_to_nine_places_when_on() -> None:
    assert target_quantity(D(100), D(3), 0.1, fractional=True) == D("3.333333333")


def test_a_share_that_is_too_dear_is_not_bought() -> None:
    assert target_quantity(D(1000), D(101), 0.1) == 0
    assert target_quantity(D(-5), D(101), 0.1) == 0


@pytest.mark.parametrize(
    ("equity", "price", "share"),
    [
        (D("NaN"), D(1), 0.1),
        (D(1), D(0), 0.1),
        (D(1), D("-1"), 0.1),
        (D(1), D("NaN"), 0.1),
        (D(1), D(1), 0.0),
        (D(1), D(1), 1.1),
        (D(1), D(1), float("nan")),
    ],
)
def test_numbers_that_cannot_be_are_refused(
    equity: Decimal, price: Decimal, share: float
) -> None:
    with pytest.raises(BadNumber):
        target_quantity(equity, price, share)


@pytest.mark.parametrize(
    ("side", "held", "allow_short", "quantity"),
    [
        ("buy", 0, False, 100),
        ("buy", 40, False, 60),
        ("buy", 100, False, 0),
        ("buy", 95, False, 0),  # lacks less than a tenth: at target
        ("buy", 130, False, 0),
        ("buy", -30, True, 30),  # close the short first
        ("sell", 70, False, 70),
        ("sell", 70, True, 70),  # close the long first
        ("sell", 0, False, 0),
        ("sell", 0, True, 100),
        ("sell", -40, True, 60),
        ("sell", -100, True, 0),
    ],
)
def test_an_order_goes_from_what_is_held_to_the_target(
    side: Side, held: int, allow_short: bool, quantity: int
) -> None:
    assert order_quantity(side, D(100), D(held), allow_short) == quantity


@given(
    st.decimals(1, 10**7, places=2),
    st.decimals("0.01", 10**4, places=2),
    st.floats(0.001, 1),
)
def test_a_target_never_costs_more_than_its_share(
    equity: Decimal, price: Decimal, share: float
) -> None:
    quantity = target_quantity(equity, price, share)
    assert 0 <= quantity * price <= equity * D(repr(share))
    assert (quantity + 1) * price > equity * D(repr(share))
