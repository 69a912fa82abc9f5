"""What may leave, under which name, what silence means, and how books are compared."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_execution.domain.allotment import allot
from trading_execution.domain.client_id import client_order_id, is_ours
from trading_execution.domain.comparison import (
    Action,
    compare_books,
    compare_cash,
    compare_positions,
    summary,
)
from trading_execution.domain.leaving import is_late, may_leave, state_in_force
from trading_execution.domain.lookup import Next, Patience, Silence, after_silence
from trading_system.vocabulary import Severity, TradingMode, TradingState

pytestmark = pytest.mark.unit

SIGNAL = UUID("11111111-1111-5111-8111-111111111111")
LONG = timedelta(hours=1)


def name(**changes: object) -> str:
    values: dict[str, object] = {
        "mode": TradingMode.PAPER,
        "account_id": "PA1",
        "signal_id": SIGNAL,
        "leg": 0,
        "generation": 0,
        "salt": "x",
    }
    return client_order_id(**values | changes)  # type: ignore[arg-type]


def test_the_same_leg_of_the_same_signal_always_has_the_same_name() -> None:
    assert name() == name()
    assert len(name()) == 31
    assert name().startswith("ts1p-")
    assert is_ours(name())


@pytest.mark.parametrize(
    "change",
    [
        {"mode": TradingMode.LIVE},
        {"account_id": "PA2"},
        {"signal_id": UUID(int=1)},
        {"leg": 1},
        {"generation": 1},
        {"salt": "y"},
    ],
)
def test_whatever_makes_it_another_order_gives_another_name(
    change: dict[str, object],
) -> None:
    assert name(**change) != name()


@pytest.mark.parametrize("other", ["", "by-hand", "ts1", str(SIGNAL)])
def test_names_of_others_are_not_ours(other: str) -> None:
    assert not is_ours(other)


@pytest.mark.parametrize("recorded", [None, "", "HALTED", "active", "PAUSED"])
def test_a_state_that_is_missing_or_unclear_is_halted(recorded: str | None) -> None:
    assert state_in_force(recorded, kill_file=False) is TradingState.HALTED


def test_a_kill_file_wins_over_an_active_state() -> None:
    assert state_in_force("ACTIVE", kill_file=False) is TradingState.ACTIVE
    assert state_in_force("ACTIVE", kill_file=True) is TradingState.HALTED


@pytest.mark.parametrize(
    ("state", "reduces", "tag", "leaves"),
    [
        (TradingState.ACTIVE, False, "", True),
        (TradingState.REDUCING, False, "", False),
        (TradingState.REDUCING, True, "", True),
        (TradingState.HALTED, True, "", False),
        (TradingState.HALTED, True, "flatten", True),
    ],
)
def test_the_state_decides_what_may_leave(
    state: TradingState, reduces: bool, tag: str, leaves: bool
) -> None:
    assert may_leave(state, reduces=reduces, tag=tag) is leaves


def test_an_order_is_late_after_its_last_instant() -> None:
    last = datetime(2026, 9, 14, 15, tzinfo=UTC)
    assert not is_late(last, last)
    assert is_late(last, last + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("silence", "following"),
    [
        (Silence(2, LONG, True, False), Next.WAIT),
        (Silence(9, timedelta(seconds=59), True, False), Next.WAIT),
        (Silence(3, timedelta(seconds=60), True, False), Next.SEND_AGAIN),
        (Silence(3, timedelta(seconds=60), False, False), Next.WAIT),
        (Silence(9, timedelta(minutes=10), False, False), Next.EXPIRE),
        (Silence(3, timedelta(seconds=60), True, True), Next.REJECT),
        (Silence(2, LONG, False, True), Next.WAIT),
    ],
)
def test_silence_is_answered_with_patience(silence: Silence, following: Next) -> None:
    assert after_silence(silence, Patience()) is following


def test_positions_that_differ_are_named_one_by_one() -> None:
    ours = {"AAPL": Decimal(10), "MSFT": Decimal(5)}
    broker = {"AAPL": Decimal(10), "NVDA": Decimal(1)}
    found = compare_positions(ours, broker)
    assert [(f.symbol, f.ours, f.broker) for f in found] == [
        ("MSFT", "5", "0"),
        ("NVDA", "0", "1"),
    ]
    assert {f.action for f in found} == {Action.HOLD_SYMBOL}
    assert summary(found) == "position: 2"
    assert compare_positions(ours, ours) == []


@pytest.mark.parametrize(
    ("gap", "severity"),
    [
        ("0", None),
        ("0.009", None),
        ("0.5", Severity.INFO),
        ("9", Severity.INFO),
        ("11", Severity.WARNING),
        ("501", Severity.CRITICAL),
    ],
)
def test_cash_is_measured_in_dollars_and_in_shares_of_equity(
    gap: str, severity: Severity | None
) -> None:
    found = compare_cash(Decimal(1000), Decimal(1000) + Decimal(gap), Decimal(100_000))
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_positions_that_leave_the_ledger_are_a_defect() -> None:
    held = {"AAPL": Decimal(10)}
    assert compare_books(held, held, held) == []
    [found] = compare_books(held, held, {"AAPL": Decimal(9)})
    assert (found.action, found.severity) == (Action.HOLD_ACCOUNT, Severity.CRITICAL)


@given(
    amount=st.decimals("-1000000", "1000000", places=4),
    shares=st.dictionaries(
        st.text("abcdef", min_size=1, max_size=3),
        st.decimals("0.001", "100000", places=3),
        min_size=1,
        max_size=6,
    ),
)
def test_what_is_divided_adds_up_exactly(
    amount: Decimal, shares: dict[str, Decimal]
) -> None:
    parts = allot(amount, shares, Decimal("0.01"))
    assert set(parts) == set(shares)
    assert sum(parts.values()) == amount


def test_nothing_is_divided_over_books_that_cancel_out() -> None:
    assert allot(Decimal(1), {}, Decimal(1)) == {}
    opposed = {"a": Decimal(5), "b": Decimal(-5)}
    assert allot(Decimal(1), opposed, Decimal(1)) == {}
