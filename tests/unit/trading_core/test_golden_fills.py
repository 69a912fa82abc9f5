"""Fills on real minutes, worked out by hand from the broker's rules.

SPY on 2013-10-07 from 09:30, every order placed at the open. What was read off the
minutes (open, high, low, close):

    09:30  167.43 167.52 167.41 167.44        09:35  167.49 167.58 167.49 167.55
    09:31  167.47 167.47 167.31 167.37        09:36  167.55 167.56 167.42 167.43
    09:32  167.37 167.37 167.25 167.28        ...
    09:33  167.29 167.43 167.28 167.42        09:41  167.47 167.62 167.45 167.58
    09:34  167.42 167.53 167.41 167.50
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from trading_core import bars
from trading_core.matching import FillModel, OrderType, RestingOrder, match
from trading_core.money import Side

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(
        not DATA.is_dir(), reason="needs the market data beside the project"
    ),
]
NEW_YORK = ZoneInfo("America/New_York")
OPEN = datetime(2013, 10, 7, 9, 30, tzinfo=NEW_YORK).astimezone(UTC)
WHOLE = FillModel("whole")
D = Decimal


def first_fill(order: RestingOrder) -> tuple[str, Decimal] | None:
    """Return New York time and price of the order's fill in its first half hour."""
    minutes = (
        bars.conform(pl.read_parquet(DATA / "bars_minute_2013_10.parquet"))
        .filter(
            (pl.col("symbol") == "SPY")
            & pl.col("timestamp").is_between(OPEN, OPEN + timedelta(minutes=30))
        )
        .sort("timestamp")
    )
    for row in minutes.iter_rows(named=True):
        start = row["timestamp"]
        end = start + timedelta(minutes=1)
        points = bars.path(
            row["open"], row["high"], row["low"], row["close"], start, end
        )
        for quote in WHOLE.quotes(points):
            result = match(order, quote, WHOLE)
            if result.fills:
                time = quote.time.astimezone(NEW_YORK).strftime("%H:%M:%S")
                return time, result.fills[0].price
            assert result.order is not None
            order = result.order
    return None


@pytest.mark.parametrize(
    ("side", "kind", "prices", "time", "price"),
    [
        # At the first trade.
        ("buy", "market", {}, "09:30:00", "167.43"),
        # 09:31 stops a cent above; 09:32 falls, so its low comes at two thirds.
        ("buy", "limit", {"limit_price": "167.30"}, "09:32:40", "167.30"),
        # 09:35 reaches 167.58 only; 09:41 rises, its high comes at two thirds.
        ("sell", "limit", {"limit_price": "167.60"}, "09:41:40", "167.60"),
        # Marketable from the start: better than its limit.
        ("buy", "limit", {"limit_price": "167.50"}, "09:30:00", "167.43"),
        # A stop is elected where the fall passes it.
        ("sell", "stop", {"stop_price": "167.30"}, "09:32:40", "167.30"),
        ("buy", "stop", {"stop_price": "167.56"}, "09:35:40", "167.56"),
        # 167.45 was passed by the jump from 09:30's close to 09:31's open at 167.47,
        # but 09:30 itself went to 167.52 after its low: elected on that way up.
        ("buy", "stop", {"stop_price": "167.45"}, "09:30:40", "167.45"),
        # Elected at 167.30 in the fall of 09:32; the limit above waits for 09:33.
        (
            "sell",
            "stop_limit",
            {"stop_price": "167.30", "limit_price": "167.40"},
            "09:33:40",
            "167.40",
        ),
        # Best price 167.52 in 09:30: the stop stands at 167.32 when 09:31 falls.
        ("sell", "trailing_stop", {"trail_price": "0.20"}, "09:31:40", "167.32"),
        # Lowest price 167.25 in 09:32: the stop at 167.50 is passed in 09:34.
        ("buy", "trailing_stop", {"trail_price": "0.25"}, "09:34:40", "167.50"),
    ],
)
def test_a_fill_is_where_the_hand_puts_it(
    side: Side, kind: str, prices: dict[str, str], time: str, price: str
) -> None:
    values: dict[str, Any] = {name: D(value) for name, value in prices.items()}
    order = RestingOrder("SPY", side, OrderType(kind), D(10), **values)
    assert first_fill(order) == (time, D(price))


def test_a_limit_that_is_never_reached_never_fills() -> None:
    order = RestingOrder("SPY", "buy", OrderType.LIMIT, D(10), limit_price=D("167.24"))
    assert first_fill(order) is None
