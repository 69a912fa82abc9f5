from decimal import Decimal

import pytest

from trading_system.contracts.system import IdentityView
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


def test_a_figure_is_the_same_wherever_it_is_shown() -> None:
    same = books.figures("equity", {"the account": D("5.001"), "the portfolio": D(5)})
    other = books.figures("equity", {"the account": D("5.01"), "the portfolio": D(5)})
    never = books.figures("equity", {"the account": D(5), "the portfolio": None})
    assert (same.state, same.found) == (State.PASS, "5.00")
    assert other.state is never.state is State.FAIL
    assert other.found == "5.01 by the account, 5.00 by the portfolio"
    assert never.found == "5.00 by the account, none by the portfolio"


def test_what_breaks_an_identity_is_named_with_its_remedy() -> None:
    seen = IdentityView(
        name="an order for every approval",
        counted=7,
        broken=3,
        examples=["a", "b"],
        remedy="Look.",
    )
    found = books.identity(seen)
    assert (found.state, found.remedy) == (State.FAIL, "Look.")
    assert found.found == "3 of 7 break it: a, b, …"
    well = seen.model_copy(update={"broken": 0, "examples": []})
    assert books.identity(well).found == "holds for 7"
