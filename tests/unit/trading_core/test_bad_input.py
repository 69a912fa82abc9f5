"""Bad bars and bad strategies are refused with bar, column and remedy."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from trading_core import bars as bar_frame
from trading_core import lookahead
from trading_core.calendar import Calendar, xnys_sessions
from trading_core.simulation import Setup, simulate
from trading_core.simulation.columns import backtest_columns
from trading_core.strategy import Parameters, Strategy, StrategyError
from trading_strategy.strategies.momentum import Momentum

pytestmark = pytest.mark.unit
CALENDAR = Calendar(xnys_sessions(date(2013, 10, 1), date(2013, 10, 31)))
AT = datetime(2013, 10, 1, 15, tzinfo=UTC)


def day() -> pl.DataFrame:
    """Return the bars of a session."""
    session = CALENDAR.sessions_between(date(2013, 10, 1), date(2013, 10, 1))[0]
    times = [start for start, _ in CALENDAR.bars(session, "1Hour")]
    prices = dict.fromkeys(bar_frame.PRICES, 100.0)
    return pl.DataFrame(
        {"symbol": "SPY", "timestamp": times, **prices, "volume": 1e6}
    ).select(*bar_frame.SCHEMA)


def with_value(column: str, value: float) -> pl.DataFrame:
    changed = pl.when(pl.col("timestamp") == AT).then(value).otherwise(pl.col(column))
    return day().with_columns(changed.alias(column))


BAD: list[tuple[str, Callable[[], pl.DataFrame], tuple[str, ...]]] = [
    ("unsorted", lambda: day().reverse(), ("sorted by symbol and time",)),
    (
        "duplicated",
        lambda: pl.concat([day().head(1), day()]),
        ("SPY 2013-10-01 13:30",),
    ),
    ("NaN", lambda: with_value("close", float("nan")), ("SPY", "15:00", "close nan")),
    ("infinite", lambda: with_value("high", np.inf), ("15:00", "high inf")),
    ("negative", lambda: with_value("low", -1.0), ("15:00", "low -1.0", "above 0")),
    ("no volume", lambda: with_value("volume", -5.0), ("15:00", "volume -5.0")),
    ("high below low", lambda: with_value("high", 99.0), ("15:00", "high 99.0")),
    (
        "mixed feeds",
        lambda: pl.concat([day().with_columns(feed=pl.lit(f)) for f in ("iex", "sip")]),
        ("feed", "iex, sip", "SPY", "choose one"),
    ),
    (
        "New York's zone",
        lambda: day().with_columns(
            pl.col("timestamp").dt.convert_time_zone("America/New_York")
        ),
        ("timestamp", "America/New_York", "convert it to UTC"),
    ),
    (
        "no zone",
        lambda: day().with_columns(pl.col("timestamp").dt.replace_time_zone(None)),
        ("timestamp", "no time zone"),
    ),
    ("no column", lambda: day().drop("open"), ("missing: open",)),
    ("text", lambda: day().with_columns(close=pl.lit("dear")), ("close",)),
]


@pytest.mark.parametrize(
    ("frame", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_bars_are_refused_with_bar_and_column(
    frame: Callable[[], pl.DataFrame], said: tuple[str, ...]
) -> None:
    strategy = Momentum.configured({"lookback_period": 2})
    for run in (
        lambda: simulate(strategy, frame(), CALENDAR, Setup()),
        lambda: backtest_columns(strategy, frame()),
    ):
        with pytest.raises(ValueError) as refused:
            run()
        for word in said:
            assert word in str(refused.value)


def test_times_that_are_local_but_called_utc_are_no_bars_of_a_session() -> None:
    # 09:30 New York, stamped as 09:30 UTC.
    local = day().with_columns(pl.col("timestamp") - timedelta(hours=4))
    with pytest.raises(ValueError, match="no 1Hour bars of a session"):
        simulate(Momentum.configured({}), local, CALENDAR, Setup())


def test_a_gap_is_no_error_and_an_order_waits_for_the_next_bar() -> None:
    gapped = day().filter(pl.col("timestamp") != AT)
    result = simulate(
        Momentum.configured({"lookback_period": 1}), gapped, CALENDAR, Setup()
    )
    assert result.decisions.height == gapped.height


class Odd(Strategy[Parameters], name="odd"):
    """What a strategy must not hand back."""


def _derives(names: tuple[str, ...], values: dict[str, Any]) -> type[Strategy[Any]]:
    class Derives(Strategy[Parameters], name="derives"):
        def derived(self) -> tuple[str, ...]:
            return names

        def derive(self, bars: pl.DataFrame) -> dict[str, Any]:
            return values

    return Derives


def _signals(work: Callable[[pl.LazyFrame], Any]) -> type[Strategy[Any]]:
    class Signals(Strategy[Parameters], name="signals"):
        def signals(self, bars: pl.LazyFrame) -> pl.LazyFrame:
            return work(bars)  # type: ignore[no-any-return]

    return Signals


ZERO = pl.lit(0).alias("signal")
WRONG: list[tuple[str, type[Strategy[Any]], str]] = [
    ("no frame", _signals(lambda bars: None), "returned NoneType instead"),
    ("no signal", _signals(lambda bars: bars), "left out the column signal"),
    (
        "no close",
        _signals(lambda bars: bars.drop("close").with_columns(ZERO)),
        "left out the column close",
    ),
    (
        "fewer bars",
        _signals(
            lambda bars: bars.filter(pl.col("timestamp") != AT).with_columns(ZERO)
        ),
        "left out the bar of SPY at 2013-10-01 15:00",
    ),
    (
        "bars twice",
        _signals(lambda bars: pl.concat([bars, bars]).with_columns(ZERO)),
        "gave the bar of SPY at 2013-10-01 13:30",
    ),
    (
        "other bars",
        _signals(
            lambda bars: bars.with_columns(pl.col("timestamp").dt.offset_by("1m"), ZERO)
        ),
        "left out the bar of SPY at 2013-10-01 13:30",
    ),
    (
        "another signal",
        _signals(lambda bars: bars.with_columns(signal=pl.lit(2))),
        "must be -1, 0 or 1, found 2 for SPY at 2013-10-01 13:30",
    ),
    (
        "another indicator",
        _derives(("one",), {"two": np.zeros(7)}),
        "returned two instead of one",
    ),
    (
        "too few values",
        _derives(("one",), {"one": np.zeros(3)}),
        "3 values of one for 7",
    ),
]


@pytest.mark.parametrize(
    ("kind", "said"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_a_strategy_that_returns_what_it_must_not_is_refused(
    kind: type[Strategy[Any]], said: str
) -> None:
    with pytest.raises(StrategyError, match=said):
        kind(Parameters()).decide(day())


class Cheat(Strategy[Parameters], name="cheat"):
    """Buy before a rise."""

    def indicators(self) -> dict[str, pl.Expr]:
        return {"tomorrow": pl.col("close").shift(-1)}


def test_a_cheat_is_refused_with_bar_and_column() -> None:
    with pytest.raises(lookahead.LookAhead) as refused:
        lookahead.require_no_lookahead(Cheat(Parameters()), lookahead.walk(1, 30))
    assert "cheat looks ahead" in str(refused.value)
    assert "tomorrow of WALK0 at 2013-01-02" in str(refused.value)
