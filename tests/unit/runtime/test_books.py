from decimal import Decimal

import pytest

from trading_system.runtime import books
from trading_system.runtime.finding import State

pytestmark = pytest.mark.unit

D = Decimal


def test_the_same_positions_agree_and_none_is_the_same_as_nothing() -> None:
    ours = {"AAPL": D("10.000000000"), "MSFT": D(0)}
    found = books.positions(ours, {"AAPL": D(10)})
    assert (found.state, found.found) == (State.PASS, "1 agree with the broker")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"AAPL": D(10)}, {"AAPL": D(9)}),
        ({"AAPL": D(10)}, {}),
        ({}, {"AAPL": D(10)}),
        ({"AAPL": D(10)}, {"AAPL": D(-10)}),
    ],
)
def test_a_difference_names_the_symbol_and_both_sides(
    ours: dict[str, Decimal], theirs: dict[str, Decimal]
) -> None:
    found = books.positions(ours, theirs)
    assert found.state is State.FAIL
    assert found.found.startswith(f"AAPL {ours.get('AAPL', 0)} here")


def test_cash_is_compared_to_the_cent() -> None:
    assert books.cash_balance(D("100.001"), D("100")).state is State.PASS
    assert books.cash_balance(D("100.01"), D("100")).state is State.FAIL
