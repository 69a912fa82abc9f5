"""Accounts of the same trading held against each other: causes, and dollars."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from trading_core import parity
from trading_core.parity import Cause, Kind, Line

pytestmark = pytest.mark.unit
D = Decimal
TEN = datetime(2013, 10, 1, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
MARKS = {"SPY": D(105)}


def bought(
    quantity: int = 10,
    price: str = "100",
    at: datetime = TEN,
    side: str = "buy",
    code: str = "",
    signal: str | None = "buy",
    fees: str = "0",
) -> list[Line]:
    """Return an account that has bought SPY at ten and marks it at 105 at eleven."""
    about = (TEN, "momentum", "SPY")
    lines = [parity.decision(*about, signal, 99.5)]
    if signal is not None:
        asked = D(quantity) if not code else None
        lines.append(parity.outcome(*about, code, asked, D(100_000)))
    cash = D(100_000) - D(fees)
    held = D(0)
    if signal is not None and not code:
        lines.append(parity.order(*about, side, D(quantity), D(quantity)))
        lines += parity.fills(*about, side, [(at, D(quantity), D(price))])
        held = D(quantity)
        cash -= held * D(price)
    worth = cash + held * MARKS["SPY"]
    return [*lines, parity.equity(TEN + HOUR, worth, cash)]


def found(actual: Sequence[Line]) -> list[tuple[str, str, Cause]]:
    """Return kind, column and cause of what differs from buying ten at 100."""
    made = parity.differences(bought(), actual)
    return [(each.line.kind.value, each.column, each.cause) for each in made]


def dollars(actual: Sequence[Line]) -> dict[Cause, Decimal]:
    made = parity.gaps(bought(), actual, MARKS)
    return {gap.cause: gap.dollars for gap in made}


def test_an_account_equals_itself_in_whatever_order_it_is_told() -> None:
    assert parity.differences(bought(), bought()[::-1]) == []
    assert parity.gaps(bought(), bought()[::-1], MARKS) == []


def test_another_signal_is_the_root_of_what_follows_from_it() -> None:
    silent = bought(signal=None)
    assert found(silent) == [
        ("decision", "signal", Cause.SIGNAL),
        ("outcome", "", Cause.FOLLOWS),
        ("order", "", Cause.FOLLOWS),
        ("fill", "", Cause.FOLLOWS),
        ("equity", "equity", Cause.FOLLOWS),
        ("equity", "cash", Cause.FOLLOWS),
    ]
    assert dollars(silent) == {Cause.SIGNAL: D(-50)}


def test_a_refusal_that_only_a_running_system_knows_is_its_surroundings() -> None:
    halted = bought(code="REDUCING_ONLY")
    assert found(halted)[0] == ("outcome", "code", Cause.ENVIRONMENT)
    assert dollars(halted) == {Cause.MISSED: D(-50)}
    small = bought(code="MAX_POSITION")
    assert found(small)[0] == ("outcome", "code", Cause.SIZE)
    assert dollars(small) == {Cause.SIZE: D(-50)}


def test_another_size_costs_what_the_missing_shares_would_have_made() -> None:
    assert found(bought(quantity=8))[:2] == [
        ("outcome", "quantity", Cause.SIZE),
        ("order", "quantity", Cause.FOLLOWS),
    ]
    assert dollars(bought(quantity=8)) == {Cause.SIZE: D(-10)}


def test_an_approved_order_that_never_was_is_missed() -> None:
    none = [line for line in bought() if line.kind not in (Kind.ORDER, Kind.FILL)]
    none[-1] = parity.equity(TEN + HOUR, D(100_000), D(100_000))
    assert [each for each in found(none) if each[2] is not Cause.FOLLOWS] == [
        ("order", "", Cause.MISSED)
    ]
    assert dollars(none) == {Cause.MISSED: D(-50)}


def test_a_worse_price_is_price_and_at_another_time_it_is_timing() -> None:
    assert found(bought(price="100.25"))[0] == ("fill", "price", Cause.PRICE)
    assert dollars(bought(price="100.25")) == {Cause.PRICE: D("-2.50")}
    late = bought(price="100.25", at=TEN + timedelta(minutes=4))
    assert found(late)[:2] == [
        ("fill", "time", Cause.TIMING),
        ("fill", "price", Cause.TIMING),
    ]
    assert dollars(late) == {Cause.TIMING: D("-2.50")}


def test_what_no_execution_explains_is_cost() -> None:
    assert found(bought(fees="0.07")) == [
        ("equity", "equity", Cause.COST),
        ("equity", "cash", Cause.COST),
    ]
    assert dollars(bought(fees="0.07")) == {Cause.COST: D("-0.07")}


def test_more_shares_at_a_worse_price_later_are_told_apart_and_add_up() -> None:
    mixed = bought(quantity=12, price="101", at=TEN + HOUR / 2, fees="0.03")
    assert dollars(mixed) == {
        Cause.SIZE: D(10),
        Cause.TIMING: D(-12),
        Cause.COST: D("-0.03"),
    }
    gap = mixed[-1].values["equity"], bought()[-1].values["equity"]
    assert isinstance(gap[0], Decimal) and isinstance(gap[1], Decimal)
    assert sum(dollars(mixed).values()) == gap[0] - gap[1]


def test_an_account_that_tells_a_line_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        parity.differences(bought(), [*bought(), bought()[0]])
    without: Any = [line for line in bought() if line.kind is not Kind.EQUITY]
    with pytest.raises(ValueError, match="without an equity"):
        parity.gaps(bought(), without, MARKS)


def test_what_only_one_account_tells_of_a_line_is_not_compared() -> None:
    quiet = [
        (
            replace(line, values={"code": "", "quantity": D(10)})
            if line.kind is Kind.OUTCOME
            else line
        )
        for line in bought()
    ]
    assert found(quiet) == []
