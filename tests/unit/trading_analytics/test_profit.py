"""A strategy's profit by session adds up to what it earned."""

from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_analytics.domain.profit import daily_profit
from trading_core.ledger import Execution
from trading_core.money import Side

pytestmark = pytest.mark.unit

MONDAY, TUESDAY, WEDNESDAY = (date(2026, 3, day) for day in (2, 3, 4))
DAYS = [MONDAY, TUESDAY, WEDNESDAY]


def execution(
    side: Side, quantity: int, price: str, fees: str = "0", symbol: str = "AAPL"
) -> Execution:
    time = datetime(2026, 3, 2, 15, tzinfo=UTC)
    return Execution(symbol, side, D(quantity), D(price), time, D(fees))


def test_a_position_is_marked_at_each_close_and_realized_at_its_exit() -> None:
    found = daily_profit(
        [
            (MONDAY, execution("buy", 10, "100", "0.10")),
            (WEDNESDAY, execution("sell", 10, "108", "0.20")),
        ],
        {
            MONDAY: {"AAPL": D(102)},
            TUESDAY: {"AAPL": D(99)},
            WEDNESDAY: {"AAPL": D(120)},
        },
        DAYS,
    )
    assert found == {MONDAY: D("19.90"), TUESDAY: D(-30), WEDNESDAY: D("89.80")}


def test_a_day_without_a_close_carries_the_last_one() -> None:
    found = daily_profit(
        [(MONDAY, execution("buy", 10, "100"))],
        {MONDAY: {"AAPL": D(105)}, WEDNESDAY: {"AAPL": D(106)}},
        DAYS,
    )
    assert found == {MONDAY: D(50), TUESDAY: D(0), WEDNESDAY: D(10)}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(DAYS),
            st.sampled_from(["buy", "sell"]),
            st.integers(1, 100),
            st.decimals("1", "500", places=2),
        ),
        max_size=20,
    ),
    st.lists(st.decimals("1", "500", places=2), min_size=3, max_size=3),
)
def test_the_days_add_up_to_cash_and_the_value_still_held(
    trades: list[tuple[date, Side, int, D]], closes: list[D]
) -> None:
    trades = sorted(trades, key=lambda trade: trade[0])
    executions = [
        (day, execution(side, quantity, str(price)))
        for day, side, quantity, price in trades
    ]
    marks = {day: {"AAPL": close} for day, close in zip(DAYS, closes, strict=True)}
    total = sum(daily_profit(executions, marks, DAYS).values())
    cash = sum((e.cash for _, e in executions), D(0))
    held = sum((e.signed for _, e in executions), D(0))
    assert total == cash + held * closes[-1]
