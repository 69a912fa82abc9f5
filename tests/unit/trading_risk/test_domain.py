"""Limits, loss days, books, halts and value at risk, by hand-worked numbers."""

from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from trading_core.limits import LimitType
from trading_core.money import BadNumber
from trading_risk.domain.books import Books, Holding, OpenOrder
from trading_risk.domain.checks import NOT_CONFIGURED
from trading_risk.domain.limits import (
    SEED,
    UNITS,
    OperationalLimit,
    market_limits,
    objection,
    operational,
)
from trading_risk.domain.losses import LossDay
from trading_risk.domain.trading_state import halts_further
from trading_risk.domain.value_at_risk import daily_results, value_at_risk

pytestmark = pytest.mark.unit

MONDAY, TUESDAY = date(2024, 3, 4), date(2024, 3, 5)


def row(limit_type: str, value: str, scope: str = "account", of: str = "") -> Any:
    return SimpleNamespace(
        limit_type=limit_type, limit_value=Decimal(value), scope=scope, scope_id=of
    )


def test_every_limit_that_checks_ask_for_is_seeded_and_possible() -> None:
    assert set(SEED) == {*LimitType, *OperationalLimit} == set(UNITS)
    for limit_type, value in SEED.items():
        assert objection(limit_type, "account", "", value) is None


@pytest.mark.parametrize(
    ("limit_type", "scope", "scope_id", "value"),
    [
        ("max_position_size", "account", "", "1.01"),
        ("max_position_size", "account", "", "-0.1"),
        ("max_position_size", "account", "", "NaN"),
        ("max_position_size", "account", "AAPL", "0.1"),
        ("max_position_size", "symbol", "", "0.1"),
        ("max_position_size", "sector", "tech", "0.1"),
        ("max_gross_exposure", "account", "", "4.1"),
        ("max_orders_per_day", "account", "", "1.5"),
        ("allow_short", "account", "", "2"),
        ("max_anything", "account", "", "1"),
    ],
)
def test_a_limit_that_cannot_be_is_objected_to(
    limit_type: str, scope: str, scope_id: str, value: str
) -> None:
    assert objection(limit_type, scope, scope_id, Decimal(value))


def test_the_tighter_limit_of_all_scopes_holds() -> None:
    rows = [
        row("price_collar", "0.03"),
        row("price_collar", "0.01", "symbol", "AAPL"),
        row("price_collar", "0.02", "strategy", "momentum"),
        row("max_position_size", "0.1"),
    ]
    kind = OperationalLimit.PRICE_COLLAR
    assert operational(rows, kind, "momentum", "AAPL") == Decimal("0.01")
    assert operational(rows, kind, "momentum", "MSFT") == Decimal("0.02")
    assert operational(rows, kind, "other", "MSFT") == Decimal("0.03")
    assert operational([], kind) == NOT_CONFIGURED
    assert len(market_limits(rows).rows) == 1


def test_a_limit_that_is_no_number_is_an_error_and_no_limit() -> None:
    with pytest.raises(BadNumber):
        operational([row("price_collar", "NaN")], OperationalLimit.PRICE_COLLAR)
    with pytest.raises(BadNumber):
        market_limits([row("max_drawdown", "NaN")])


def test_a_loss_day_counts_from_the_last_equity_of_the_day_before() -> None:
    monday = LossDay.first(MONDAY, Decimal(1000), Decimal(1000))
    monday = monday.marked(Decimal(1100)).marked(Decimal(1050))
    assert monday.loss == Decimal("-0.05")
    tuesday = monday.on(TUESDAY).marked(Decimal(1029))
    assert tuesday.loss == Decimal("0.02")
    assert tuesday.drawdown == 1 - Decimal(1029) / Decimal(1100)
    assert tuesday.on(MONDAY) is tuesday
    assert tuesday.forgiven().drawdown == 0


@pytest.mark.parametrize(
    ("level", "by", "current", "current_by", "changes"),
    [
        (1, "ada", None, "", True),
        (1, "ada", 0, "risk", True),
        (2, "ada", 1, "ada", True),
        (1, "ada", 1, "ada", False),
        (1, "ada", 2, "ada", False),
        (1, "ada", 1, "breaker", True),
        (1, "breaker", 1, "ada", False),
        (1, "breaker", 1, "breaker", False),
        (1, "ada", 3, "breaker", False),
    ],
)
def test_a_halt_never_loosens_and_a_person_takes_over_from_a_breaker(
    level: int, by: str, current: int | None, current_by: str, changes: bool
) -> None:
    assert halts_further(level, by, current, current_by) is changes


def order(side: str, quantity: int, strategy: str = "a", reduces: bool = False) -> Any:
    price = Decimal(10)
    return OpenOrder(uuid4(), strategy, "AAPL", side, Decimal(quantity), price, reduces)


def test_books_add_up_by_hand() -> None:
    books = Books(
        holdings=(
            Holding("", "", Decimal(0), Decimal(10_000)),
            Holding("a", "AAPL", Decimal(40), Decimal(-400)),
            Holding("b", "AAPL", Decimal(10), Decimal(-100)),
            Holding("b", "XOM", Decimal(-5), Decimal(500)),
            Holding("a", "MSFT", Decimal(0), Decimal(50)),
        ),
        orders=(order("buy", 7), order("sell", 3, "b", reduces=True)),
    )
    prices = {"AAPL": Decimal(12), "XOM": Decimal(90)}
    assert books.cash == 10_050
    assert books.positions == {"AAPL": Decimal(50), "XOM": Decimal(-5)}
    assert books.equity(prices) == 10_050 + 600 - 450
    assert books.long_value(prices) == 600
    assert books.short_value(prices) == -450
    # The purchase adds to exposure, the sale that reduces does not.
    assert books.gross(prices) == 600 + 450 + 70
    assert books.committed(prices) == 70
    assert books.worst("AAPL", "buy") == 57
    assert books.worst("AAPL", "sell") == 47
    assert books.worst("AAPL", "sell", "b") == 7
    assert books.profit("a", prices) == -400 + 50 + 40 * 12
    assert books.profit("b", prices) == -100 + 500 + 120 - 450
    assert books.strategies == ["a", "b"]


def test_a_position_without_a_price_is_an_error_and_not_worth_zero() -> None:
    books = Books((Holding("a", "AAPL", Decimal(1), Decimal(-1)),), ())
    with pytest.raises(LookupError, match="AAPL"):
        books.equity({})


def test_value_at_risk_is_a_loss_that_happened() -> None:
    results = [float(number) for number in range(-50, 50)]
    # 5 % of 99 steps is the fifth place from the worst: -50, -49, -48, -47, -46.
    assert value_at_risk(results) == 46.0
    assert value_at_risk(results[:49]) is None
    assert value_at_risk([1.0] * 60) == 0.0


def test_daily_results_are_todays_positions_on_past_days() -> None:
    values = {"LONG": Decimal(1000), "SHORT": Decimal(-500)}
    closes = {"LONG": [100.0, 110.0, 99.0], "SHORT": [50.0, 50.0, 45.0]}
    assert daily_results(values, closes) == pytest.approx([100.0, -50.0])
    assert daily_results(values, {"LONG": [1.0, 2.0]}) == []
    assert daily_results({}, closes) == []
