"""Legs of one position: parts, closings, and all or none."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from trading_core.calendar import Calendar, xnys_sessions
from trading_core.limits import ACCOUNT_SEED, Limits, LimitType, together
from trading_core.matching import FillModel
from trading_core.simulation import Setup, simulate
from trading_core.simulation.account import backtest_account
from trading_core.simulation.columns import backtest_columns
from trading_core.sizing import order_quantity
from trading_core.strategy import Parameters, Strategy, StrategyError

pytestmark = pytest.mark.unit
D = Decimal
CALENDAR = Calendar(xnys_sessions(date(2013, 10, 1), date(2013, 10, 31)))
TIMES = [
    start
    for session in CALENDAR.sessions_between(date(2013, 10, 1), date(2013, 10, 1))
    for start, _ in CALENDAR.bars(session, "1Hour")
]
OPEN = {
    **ACCOUNT_SEED,
    LimitType.ALLOW_SHORT: D(1),
    LimitType.MAX_POSITION_SIZE: D(1),
    LimitType.MAX_ORDER_NOTIONAL: D(1),
}


class TwoLegsParameters(Parameters):
    """Half of equity, long and short."""

    max_position_size: float = 0.5
    allow_short: bool = True


class TwoLegs(Strategy[TwoLegsParameters], name="two_legs"):
    """Buy A against half as much of B at a volume of 2; close both at one of 1."""

    def side(self) -> pl.Expr:
        sign = pl.when(pl.col("symbol") == "A").then(1).otherwise(-1)
        volume = pl.col("volume")
        return pl.when(volume == 2e6).then(sign).when(volume == 1e6).then(-sign)

    def legs(self) -> dict[str, pl.Expr]:
        return {
            "weight": pl.when(pl.col("symbol") == "A").then(1.0).otherwise(0.5),
            "reduce_only": pl.col("volume") == 1e6,
            "group": pl.lit("A/B"),
        }


def bars(*volumes: float) -> pl.DataFrame:
    times = TIMES[: len(volumes)]
    prices = dict.fromkeys(("open", "high", "low", "close"), 100.0)
    return pl.concat(
        pl.DataFrame(
            {"symbol": symbol, "timestamp": times, **prices, "volume": volumes}
        ).select("symbol", "timestamp", "open", "high", "low", "close", "volume")
        for symbol in ("A", "B")
    )


SETUP = Setup(model=FillModel("whole"), limits=Limits.of(OPEN))
VOLUMES = (0.0, 2e6, 2e6, 1e6, 1e6, 0.0)


def test_legs_get_their_parts_and_close_without_turning() -> None:
    result = simulate(TwoLegs.configured({}), bars(*VOLUMES), CALENDAR, SETUP)
    orders = [(o.symbol, o.side, o.quantity) for o in result.orders]
    assert orders == [
        ("A", "buy", 500),
        ("B", "sell", 250),
        ("A", "sell", 500),
        ("B", "buy", 250),
    ]


def test_when_one_leg_is_refused_none_is_placed() -> None:
    limits = Limits.of({**OPEN, LimitType.ALLOW_SHORT: D(0)})
    strategy = TwoLegs.configured({})
    result = simulate(strategy, bars(*VOLUMES), CALENDAR, replace(SETUP, limits=limits))
    assert result.orders == () or not result.orders
    codes = [(o.symbol, o.evaluation.code) for o in result.outcomes[:2]]
    assert codes == [("A", "LEG_REFUSED"), ("B", "SHORT_NOT_ALLOWED")]
    assert "the leg B is refused: SHORT_NOT_ALLOWED" in (
        result.outcomes[0].evaluation.detail
    )


def test_legs_that_only_exceed_a_limit_together_are_both_refused() -> None:
    # 50 % and 25 % of equity: each alone is within it, both are not.
    limits = Limits.of({**OPEN, LimitType.MAX_GROSS_EXPOSURE: D("0.5")})
    strategy = TwoLegs.configured({})
    result = simulate(strategy, bars(*VOLUMES), CALENDAR, replace(SETUP, limits=limits))
    assert not result.orders
    for outcome in result.outcomes[:2]:
        assert (outcome.evaluation.code, outcome.evaluation.detail) == (
            "LEG_REFUSED",
            "the leg B is refused: MAX_GROSS",
        )


def test_a_leg_that_was_refused_leaves_no_trace_on_the_books() -> None:
    # Two legs never fit, and nothing of the one that was tried counts afterwards.
    limits = Limits.of({**OPEN, LimitType.MAX_ORDERS_PER_DAY: D(1)})
    strategy = TwoLegs.configured({})
    result = simulate(strategy, bars(*VOLUMES), CALENDAR, replace(SETUP, limits=limits))
    refused = [o.evaluation for o in result.outcomes if o.symbol == "A"]
    counted = [
        check.value
        for evaluation in refused
        for check in evaluation.results
        if check.name == "orders_of_the_day_are_few"
    ]
    assert not result.orders and set(counted) == {D(1)}


def test_legs_stand_where_the_first_of_them_does() -> None:
    asked = [("A", "x"), ("B", None), ("C", "y"), ("D", "x"), ("E", None), ("F", "y")]
    found = together(asked, lambda each: each[1])
    assert ["".join(name for name, _ in unit) for unit in found] == [
        "AD",
        "B",
        "CF",
        "E",
    ]


def test_columns_and_the_compiled_account_refuse_legs_and_say_what_takes_them() -> None:
    strategy = TwoLegs.configured({})
    with pytest.raises(StrategyError, match="backtest it with `simulate`"):
        backtest_columns(strategy, bars(*VOLUMES))
    with pytest.raises(StrategyError, match="backtest it with `simulate`"):
        backtest_account(strategy, bars(*VOLUMES), CALENDAR, SETUP)


@pytest.mark.parametrize(
    ("side", "held", "expected"),
    [
        ("buy", -30, 30),
        ("buy", 30, 0),
        ("buy", 0, 0),
        ("sell", 30, 30),
        ("sell", -3, 0),
    ],
)
def test_reduce_only_closes_and_opens_nothing(
    side: str, held: int, expected: int
) -> None:
    quantity = order_quantity(side, D(100), D(held), True, True)
    assert quantity == expected
