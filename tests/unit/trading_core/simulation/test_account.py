"""The compiled account against `simulate`: the same orders, fills, fees and equity."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_core import bars
from trading_core.calendar import Calendar, xnys_sessions
from trading_core.ledger import round_trips
from trading_core.limits import ACCOUNT_SEED, Limits, LimitType
from trading_core.matching import ALPACA_PAPER, REALISTIC, FillModel
from trading_core.money import BadNumber
from trading_core.simulation import CorporateAction, Setup, simulate
from trading_core.simulation.account import AccountBacktest, backtest_account
from trading_core.strategy import Condition, Parameters, Rules, Strategy

pytestmark = pytest.mark.unit
D = Decimal
CALENDAR = Calendar(xnys_sessions(date(2013, 11, 20), date(2013, 12, 31)))
WHOLE = FillModel("whole")
MODELS = {
    "whole": WHOLE,
    "realistic": REALISTIC,
    "fees": replace(WHOLE, fees=True),
    "thin": replace(REALISTIC, participation=D("0.0207")),
    "dear": replace(WHOLE, borrow_rate=D("0.37"), margin_rate=D("0.29")),
    "late": replace(WHOLE, participation=D("0.02"), latency=timedelta(minutes=5)),
    "wide": replace(WHOLE, half_spread_bps=D("12.5"), slippage_bps=D("0.75")),
}


class LevelParameters(Parameters):
    """Prices at which to act."""

    above: float = 100.0
    below: float = 90.0


class Level(Strategy[LevelParameters], name="level"):
    """Buy above one price, sell below another."""

    def rules(self) -> Rules:
        return Rules(
            buy=(Condition("close", ">", self.parameters.above),),
            sell=(Condition("close", "<", self.parameters.below),),
        )


def market(
    seed: int, sessions: int, symbols: int, centre: float, gaps: float = 0.0
) -> pl.DataFrame:
    """Return a random market; some bars are missing, and prices are on their tick."""
    random = np.random.default_rng(seed)
    digits = 2 if centre > 3 else 4
    rows = []
    for number in range(symbols):
        price = centre
        for session in CALENDAR.sessions[:sessions]:
            for start, _ in CALENDAR.bars(session, "1Hour"):
                low, one, two, high = np.maximum(
                    np.sort(
                        np.round(price * np.exp(random.normal(0, 0.03, 4)), digits)
                    ),
                    0.0001,
                )
                open_, close = (one, two) if random.random() < 0.5 else (two, one)
                volume = float(random.integers(0, 5000))
                if random.random() >= gaps:
                    rows.append((f"S{number}", start, open_, high, low, close, volume))
                price = min(max(close, centre * 0.7), centre * 1.3)
    return pl.DataFrame(rows, schema=bars.SCHEMA, orient="row")


def same(strategy: Strategy[Any], frame: pl.DataFrame, setup: Setup) -> AccountBacktest:
    slow = simulate(strategy, frame, CALENDAR, setup)
    fast = backtest_account(strategy, frame, CALENDAR, setup)
    assert fast.orders.rows() == [
        (
            order.symbol,
            order.side,
            int(order.quantity),
            float(order.decision_price),
            order.placed_at,
            order.status.value,
            int(order.filled),
        )
        for order in slow.orders
    ]
    assert fast.fills.drop("order").rows() == [
        (e.symbol, e.side, int(e.quantity), float(e.price), e.time)
        for e in slow.executions
    ]
    columns = ("timestamp", "equity", "cash", "gross")
    assert fast.equity.rows() == slow.equity.select(columns).rows()
    codes = Counter(o.evaluation.code for o in slow.outcomes if o.evaluation.code)
    assert fast.refusals == dict(codes)
    return fast


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10**6),
    model=st.sampled_from(sorted(MODELS)),
    share=st.sampled_from([0.05, 0.1, 0.333, 1.0]),
    allow_short=st.booleans(),
    centre=st.sampled_from([95.0, 1.02, 0.4, 2500.0]),
    gaps=st.sampled_from([0.0, 0.1, 0.4]),
    changes=st.dictionaries(
        st.sampled_from(list(LimitType)),
        st.sampled_from(["0", "0.02", "0.1", "1", "2", "10"]),
        max_size=4,
    ),
)
def test_a_compiled_account_does_what_the_decimal_account_does(
    seed: int,
    model: str,
    share: float,
    allow_short: bool,
    centre: float,
    gaps: float,
    changes: dict[LimitType, str],
) -> None:
    frame = market(seed, sessions=7, symbols=4, centre=centre, gaps=gaps)
    strategy = Level.configured(
        {
            "above": centre * 1.03,
            "below": centre * 0.97,
            "max_position_size": share,
            "allow_short": allow_short,
        }
    )
    limits = {**ACCOUNT_SEED, **{kind: D(value) for kind, value in changes.items()}}
    own = {"level": {"max_drawdown": D("0.04")}} if seed % 2 else None
    setup = Setup(
        cash=D("25000.01"), model=MODELS[model], limits=Limits.of(limits, own)
    )
    same(strategy, frame, setup)


FREE = Limits.of({kind: D(10) for kind in LimitType})


def test_all_that_can_happen_to_an_order_happened() -> None:
    frame = market(4, sessions=12, symbols=6, centre=95.0)
    strategy = Level.configured({"allow_short": True, "max_position_size": 0.2})
    result = same(strategy, frame, Setup(model=MODELS["thin"], limits=FREE))
    assert set(result.orders["status"]) >= {"filled", "expired"}
    assert set(result.orders["side"]) == {"buy", "sell"}
    assert result.fills.height > result.orders.height
    trips = round_trips(result.executions())
    assert {trip.side for trip in trips} == {"buy", "sell"}


def test_bars_before_the_first_trading_day_only_warm_up() -> None:
    frame = market(6, sessions=8, symbols=3, centre=95.0)
    day = CALENDAR.sessions[5]
    result = same(Level.configured({}), frame, Setup(model=WHOLE, trade_from=day.open))
    assert result.equity["timestamp"][0] > day.open
    late = Setup(model=WHOLE, trade_from=CALENDAR.sessions[9].open)
    with pytest.raises(ValueError, match="No bar starts at"):
        backtest_account(Level.configured({}), frame, CALENDAR, late)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": ALPACA_PAPER}, "random fills of alpaca-paper"),
        ({"fractional": True}, "parts of shares"),
        (
            {"actions": (CorporateAction("S0", date(2013, 11, 21), split=D(2)),)},
            "corporate actions",
        ),
        ({"cash": D("100.00001")}, "cash is 100.00001"),
        ({"limits": Limits.of({kind: D(11) for kind in LimitType})}, "at most 10"),
        ({"model": replace(WHOLE, slippage_bps=D("0.00001"))}, "slippage_bps"),
    ],
)
def test_what_whole_numbers_do_not_hold_is_refused(
    change: dict[str, Any], said: str
) -> None:
    frame = market(1, sessions=2, symbols=1, centre=95.0)
    with pytest.raises((ValueError, BadNumber), match=said):
        setup = replace(Setup(model=WHOLE, limits=FREE), **change)
        backtest_account(Level.configured({}), frame, CALENDAR, setup)


@pytest.mark.parametrize("column", ["close", "volume"])
def test_bars_finer_than_a_tick_are_refused(column: str) -> None:
    frame = market(1, sessions=2, symbols=1, centre=95.0)
    fine = frame.with_columns(pl.col(column) - 0.00001).with_columns(
        low=pl.min_horizontal("low", "close"), volume=pl.col("volume").abs()
    )
    with pytest.raises(ValueError, match="hundredths of a cent"):
        backtest_account(Level.configured({}), fine, CALENDAR, Setup(model=WHOLE))


def test_bars_off_the_calendar_are_refused() -> None:
    frame = market(1, sessions=2, symbols=2, centre=95.0)
    moved = frame.with_columns(pl.col("timestamp").dt.offset_by("-30m"))
    with pytest.raises(ValueError, match="restamp_clock_hours"):
        backtest_account(Level.configured({}), moved, CALENDAR, Setup(model=WHOLE))
