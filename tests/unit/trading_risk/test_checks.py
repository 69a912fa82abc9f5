"""The checks that exist only live: what passes, what is refused, and exits."""

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_core.limits import ACCOUNT_SEED, MARKET_CHECKS, Limits, evaluate
from trading_risk.domain import CHECKS, OPERATIONAL_CHECKS, LiveProposal
from trading_risk.domain.checks import NOT_CONFIGURED

pytestmark = pytest.mark.unit

LIMITS = Limits.of(ACCOUNT_SEED)

ENTRY = LiveProposal(
    strategy="momentum",
    symbol="AAPL",
    side="buy",
    quantity=Decimal(10),
    price=Decimal(100),
    equity=Decimal(100_000),
    buying_power=Decimal(100_000),
    gross_exposure=Decimal(0),
    held=Decimal(0),
    max_position_size=Decimal("0.1"),
    is_session_open=True,
    trading_state="ACTIVE",
    is_kill_file_present=False,
    may_trade=True,
    is_expired=False,
    is_parked=False,
    symbol_lock="",
    strategy_halt="",
    books_state="clean",
    books_age=Decimal(10),
    max_books_age=Decimal(1200),
    event_lag=Decimal(1),
    max_event_lag=Decimal(120),
    reference_price=Decimal(100),
    price_collar=Decimal("0.03"),
)
EXIT = replace(ENTRY, side="sell", held=Decimal(10))

# What is wrong, the refusal, and whether an exit is refused too.
WRONG: list[tuple[dict[str, Any], str, bool]] = [
    ({"trading_state": "REDUCING"}, "REDUCING_ONLY", False),
    ({"trading_state": "HALTED"}, "TRADING_HALTED", True),
    ({"trading_state": "active"}, "TRADING_HALTED", True),
    ({"trading_state": ""}, "TRADING_HALTED", True),
    ({"is_kill_file_present": True}, "KILL_FILE", False),
    ({"may_trade": False}, "LATE_BAR", True),
    ({"is_expired": True}, "STALE_SIGNAL", True),
    ({"is_parked": True}, "SYMBOL_PARKED", True),
    ({"symbol_lock": "earnings tonight"}, "SYMBOL_LOCKED", False),
    ({"event_lag": Decimal("120.1")}, "EVENT_LAG", False),
    ({"max_event_lag": NOT_CONFIGURED}, "NO_LIMIT_CONFIGURED", False),
    ({"books_state": "AAPL differs"}, "BOOKS_NOT_CLEAN", False),
    ({"books_age": Decimal(1201)}, "BOOKS_OLD", False),
    ({"max_books_age": NOT_CONFIGURED}, "NO_LIMIT_CONFIGURED", False),
    ({"strategy_halt": "its breaker has tripped"}, "STRATEGY_HALTED", False),
    ({"reference_price": Decimal(0)}, "NO_REFERENCE_PRICE", False),
    ({"reference_price": Decimal(104)}, "PRICE_COLLAR", False),
    ({"price_collar": NOT_CONFIGURED}, "NO_LIMIT_CONFIGURED", False),
]


def test_what_is_in_order_is_approved() -> None:
    for proposal in (ENTRY, EXIT):
        evaluation = evaluate(proposal, LIMITS, CHECKS)
        assert evaluation.approved, evaluation.detail
        assert len(evaluation.results) == len(CHECKS)


@pytest.mark.parametrize(("wrong", "code", "exits_too"), WRONG)
def test_what_is_wrong_refuses_entries_and_lets_exits_pass_where_it_may(
    wrong: dict[str, Any], code: str, exits_too: bool
) -> None:
    entry = evaluate(replace(ENTRY, **wrong), LIMITS, CHECKS)
    assert (entry.approved, entry.code) == (False, code)
    assert evaluate(replace(EXIT, **wrong), LIMITS, CHECKS).approved is not exits_too


def test_a_limit_is_kept_to_the_last_digit() -> None:
    edge = replace(ENTRY, event_lag=Decimal(120), reference_price=Decimal(100))
    assert evaluate(edge, LIMITS, CHECKS).approved


def test_what_nobody_said_refuses() -> None:
    said = {f.name for f in fields(LiveProposal)} - {"trading_state", "may_trade"}
    market = {each: getattr(ENTRY, each) for each in said if each in _MARKET}
    silent = LiveProposal(**market)
    failed = {
        each.name
        for each in evaluate(silent, LIMITS, OPERATIONAL_CHECKS).results
        if not each.passed
    }
    assert failed == {check.__name__ for check in OPERATIONAL_CHECKS}


_MARKET = {
    "strategy",
    "symbol",
    "side",
    "quantity",
    "price",
    "equity",
    "buying_power",
    "gross_exposure",
    "held",
    "max_position_size",
    "is_session_open",
}

NUMBERS = [
    f.name for f in fields(LiveProposal) if isinstance(getattr(ENTRY, f.name), Decimal)
]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_refuses_wherever_it_stands(
    name: str, value: str
) -> None:
    broken = replace(ENTRY, **{name: Decimal(value)})
    assert not evaluate(broken, LIMITS, CHECKS).approved


@given(
    quantity=st.decimals(allow_nan=True, allow_infinity=True),
    equity=st.decimals(allow_nan=True, allow_infinity=True),
    held=st.decimals(min_value=-1000, max_value=1000),
)
def test_nothing_is_approved_beyond_the_limits(
    quantity: Decimal, equity: Decimal, held: Decimal
) -> None:
    proposal = replace(ENTRY, quantity=quantity, equity=equity, held=held)
    evaluation = evaluate(proposal, LIMITS, CHECKS)
    if evaluation.approved and not proposal.is_reducing:
        after = abs(held) + evaluation.quantity
        assert after * proposal.price <= equity * Decimal("0.1") * Decimal("1.0000001")


def test_names_and_order_of_checks_are_unique_and_halts_come_first() -> None:
    names = [check.__name__ for check in CHECKS]
    assert len(names) == len(set(names))
    assert names[0] == "trading_is_allowed"
    assert CHECKS[len(OPERATIONAL_CHECKS) :] == MARKET_CHECKS
