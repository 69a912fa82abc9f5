"""Bars written a column at a time are byte for byte those written one by one."""

from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from paper_exchange.instants import HOUR, MINUTE, rfc3339
from paper_exchange.market import bars
from paper_exchange.market.bars import Bars
from paper_exchange.market.companies import COMPANIES
from paper_exchange.market.generated import GeneratedMarket
from paper_exchange.market.market import Market
from paper_exchange.sessions import Sessions
from trading_core.calendar import NEW_YORK
from trading_core.matching import ALPACA_PAPER

pytestmark = pytest.mark.unit

prices = st.one_of(
    st.integers(1, 10**7).map(lambda number: number / 100),
    st.floats(1e-12, 1e18, allow_nan=False),
)
minutes = st.integers(0, 2**63 // MINUTE - 1).map(lambda number: number * MINUTE)


def column(draw: st.DrawFn, values: st.SearchStrategy[float], count: int) -> np.ndarray:
    return draw(arrays.arrays(np.float64, count, elements=values))


@st.composite
def columns(draw: st.DrawFn) -> Bars:
    labels = sorted(draw(st.lists(minutes, min_size=1, max_size=12, unique=True)))
    count = len(labels)
    shares = st.lists(st.integers(0, 2**62), min_size=count, max_size=count)
    open_, high, low, close, average = (column(draw, prices, count) for _ in range(5))
    return Bars(
        np.array(labels, np.int64),
        open_,
        high,
        low,
        close,
        np.array(draw(shares), np.int64),
        np.array(draw(shares), np.int64),
        average,
    )


# A busy machine draws slowly, which says nothing of what is drawn.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(columns(), st.integers(0, 12))
def test_columns_of_any_numbers_are_written_as_their_rows_are(
    made: Bars, cut: int
) -> None:
    rows, texts = [row for _, row in made.rows()], made.texts()
    assert orjson.dumps(texts[:]) == orjson.dumps(rows)
    assert orjson.dumps(texts[:cut] + texts[cut:]) == orjson.dumps(rows)
    assert orjson.dumps(made.reversed().texts()[:]) == orjson.dumps(rows[::-1])
    assert [row["t"] for row in rows] == [rfc3339(int(label)) for label in made.label]


@pytest.mark.parametrize("name", ["1Min", "5Min", "59Min", "1Hour", "4Hour"])
@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_of_every_part_of_a_market_are_the_same_either_way(
    sessions: Sessions, name: str, newest_first: bool
) -> None:
    source = GeneratedMarket(7, sessions, sessions.days[0].open, COMPANIES)
    market = Market(source, ALPACA_PAPER)
    now = sessions.days[12].open + 2 * HOUR + 7
    frame = bars.timeframe(name)
    for start, end, size in (
        (0, now, 10**6),
        (sessions.days[3].open + 90 * MINUTE, sessions.days[9].close - 1, 700),
        (sessions.days[11].open, now + HOUR, 17),
        (now, now - HOUR, 5),
    ):
        wanted = (market, "KO", frame, start, end, now, newest_first)
        plain = list(islice(bars.rows(*wanted), size))
        labels, texts = [], []
        for some, theirs in bars.encoded(*wanted):
            texts += theirs[: size - len(labels)]
            labels += some[: size - len(labels)]
        assert labels == [label for label, _ in plain]
        assert orjson.dumps(texts) == orjson.dumps([row for _, row in plain])
        assert bool(plain) == (start < end)


ALLOWED = (
    [f"{count}{unit}" for unit in ("Min", "T") for count in range(1, 60)]
    + [f"{count}{unit}" for unit in ("Hour", "H") for count in range(1, 24)]
    + ["1Day", "1D", "1Week", "1W"]
    + [f"{count}{unit}" for unit in ("Month", "M") for count in (1, 2, 3, 4, 6, 12)]
)
COUNTS, UNITS = range(0, 70), ("Min", "T", "Hour", "H", "Day", "D", "Week", "W")
NAMED = {f"{count}{unit}" for count in COUNTS for unit in (*UNITS, "Month", "M")}


def test_a_timeframe_is_what_the_broker_allows_and_nothing_else() -> None:
    for name in ALLOWED:
        bars.timeframe(name)
    for name in (
        NAMED | {"", "Min", "1min", "1Hours", "-1Day", "1 Day", "1Year"}
    ) - set(ALLOWED):
        with pytest.raises(ValueError, match="invalid timeframe"):
            bars.timeframe(name)


@pytest.mark.parametrize("name", ["1Week", "1Month", "2Month", "3Month", "12Month"])
def test_weeks_and_months_are_made_of_their_days(sessions: Sessions, name: str) -> None:
    source = GeneratedMarket(7, sessions, sessions.days[0].open, COMPANIES)
    market = Market(source, ALPACA_PAPER)
    now = sessions.days[-5].open + HOUR
    frame = bars.timeframe(name)
    days = bars.rows(market, "KO", bars.timeframe("1Day"), 0, now, now, False)
    groups: dict[date, list[dict[str, Any]]] = {}
    for _, day in days:
        first = date.fromisoformat(day["t"][:10])
        if name == "1Week":
            first -= timedelta(days=first.weekday())
        else:
            months = frame.count
            first = first.replace(month=(first.month - 1) // months * months + 1, day=1)
        groups.setdefault(first, []).append(day)
    found = [row for _, row in bars.rows(market, "KO", frame, 0, now, now, False)]
    begins = [datetime.combine(first, time(), NEW_YORK) for first in groups]
    assert [datetime.fromisoformat(row["t"]) for row in found] == begins
    for row, of in zip(found, groups.values(), strict=True):
        assert (row["o"], row["c"]) == (of[0]["o"], of[-1]["c"])
        assert row["h"] == max(day["h"] for day in of)
        assert row["l"] == min(day["l"] for day in of)
        assert row["v"] == sum(day["v"] for day in of)
