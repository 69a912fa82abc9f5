"""The bar frame: what is refused, what is dropped and said, what is built."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_core import bars
from trading_core.calendar import Calendar, OutsideCalendar, xnys_sessions

pytestmark = pytest.mark.unit
OCTOBER = Calendar(xnys_sessions(date(2013, 10, 1), date(2013, 10, 31)))
OPEN = datetime(2013, 10, 1, 13, 30, tzinfo=UTC)
DATA = Path(__file__).parents[4] / "shared" / "data"


def row(
    minutes: int = 0, symbol: str | None = "SPY", **values: Any
) -> dict[str, object]:
    prices = {"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 100.0}
    return {
        "symbol": symbol,
        "timestamp": OPEN + timedelta(minutes=minutes),
        **prices,
        **values,
    }


def frame(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=bars.SCHEMA)


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("close", float("nan"), "not_a_number"),
        ("open", float("inf"), "infinite"),
        ("low", -1.0, "not_positive"),
        ("open", 0.0, "not_positive"),
        ("volume", -5.0, "negative"),
        ("high", 10.2, "inconsistent"),
        ("low", 10.1, "inconsistent"),
        ("close", None, "missing"),
        ("symbol", None, "missing"),
    ],
)
def test_a_bad_value_takes_its_row_out_and_is_named(
    column: str, value: Any, rule: str
) -> None:
    good, problems = bars.validate(frame(row(), row(30, **{column: value})))
    assert good["timestamp"].to_list() == [OPEN]
    assert (column, rule) in {(p.column, p.rule) for p in problems}
    named = next(p for p in problems if p.rule == rule and p.column == column)
    assert named.timestamp == OPEN + timedelta(minutes=30)
    assert named.symbol == (None if column == "symbol" else "SPY")
    assert named.value == ("" if value is None else str(value))


def test_a_value_that_is_no_number_is_said_once() -> None:
    for value in (float("nan"), float("inf")):
        for column in bars.PRICES:
            wrong: dict[str, Any] = {column: value}
            _, problems = bars.validate(frame(row(**wrong)))
            assert len(problems) == 1, column


def test_of_two_bars_at_one_time_the_first_is_kept() -> None:
    good, problems = bars.validate(frame(row(close=10.1), row(close=10.2)))
    assert good["close"].to_list() == [10.1]
    assert [p.rule for p in problems] == ["duplicate"]


def test_bars_out_of_order_are_sorted_and_told() -> None:
    good, problems = bars.validate(frame(row(30), row(0)))
    assert good["timestamp"].is_sorted()
    assert [p.rule for p in problems] == ["unsorted"]


def test_good_bars_pass_unchanged() -> None:
    given_ = frame(row(), row(30), row(symbol="TLT"))
    good, problems = bars.validate(given_)
    assert good.equals(given_)
    assert problems == []


def test_a_missing_column_is_named() -> None:
    with pytest.raises(bars.NotBars, match="missing: volume"):
        bars.validate(frame(row()).drop("volume"))


def test_naive_times_are_refused() -> None:
    naive = frame(row()).with_columns(pl.col("timestamp").dt.replace_time_zone(None))
    with pytest.raises(bars.NotBars, match="no time zone"):
        bars.validate(naive)


def test_times_in_another_zone_are_refused() -> None:
    local = frame(row()).with_columns(
        pl.col("timestamp").dt.convert_time_zone("America/New_York")
    )
    with pytest.raises(bars.NotBars, match="America/New_York"):
        bars.validate(local)


def test_text_where_numbers_belong_is_refused() -> None:
    with pytest.raises(bars.NotBars, match="close holds String"):
        bars.validate(frame(row()).with_columns(pl.col("close").cast(pl.String)))


def test_integers_and_other_zones_spelling_utc_are_taken() -> None:
    other = frame(row()).with_columns(
        pl.col("volume").cast(pl.Int64),
        pl.col("timestamp").dt.convert_time_zone("Etc/UTC").dt.cast_time_unit("ns"),
    )
    assert bars.conform(other).schema == bars.SCHEMA


def test_an_empty_frame_is_valid() -> None:
    good, problems = bars.validate(frame())
    assert good.is_empty() and problems == []


def test_missing_bars_are_found_against_the_calendar() -> None:
    hours = frame(row(), row(30), row(90))
    until = OPEN + timedelta(hours=2, minutes=30)
    found = bars.missing(hours, OCTOBER, "1Hour", OPEN, until, ["SPY", "TLT"])
    ten, eleven = OPEN + timedelta(minutes=30), OPEN + timedelta(minutes=90)
    assert found.select("symbol", "timestamp").rows() == [
        ("TLT", OPEN),
        ("TLT", ten),
        ("TLT", eleven),
    ]


def test_session_hours_are_built_from_half_hours_without_what_lies_outside() -> None:
    halves = frame(
        row(-30, high=99.0),  # before the open
        row(0, open=10.0, high=12.0, low=9.0, close=11.0, volume=1.0),
        row(30, open=11.0, high=13.0, low=10.0, close=12.0, volume=2.0),
        row(60, open=12.0, high=12.5, low=8.0, close=9.0, volume=3.0),
        row(390, high=99.0),  # after the close
    )
    built = bars.resample(halves, "1Hour", OCTOBER)
    assert built.rows() == [
        ("SPY", OPEN, 10.0, 12.0, 9.0, 11.0, 1.0),
        ("SPY", OPEN + timedelta(minutes=30), 11.0, 13.0, 8.0, 9.0, 5.0),
    ]


def test_bars_of_a_day_outside_the_calendar_are_not_dropped_in_silence() -> None:
    with pytest.raises(OutsideCalendar):
        bars.resample(frame(row(), row(60 * 24 * 40)), "1Hour", OCTOBER)


def test_the_clock_hour_of_the_open_is_restamped() -> None:
    stamped = frame(row(-30), row(30), row(90))
    assert bars.restamp_clock_hours(stamped, OCTOBER)["timestamp"].to_list() == [
        OPEN,
        OPEN + timedelta(minutes=30),
        OPEN + timedelta(minutes=90),
    ]


def test_a_split_divides_prices_and_multiplies_volume_up_to_its_date() -> None:
    factors = pl.DataFrame(
        {
            "symbol": ["SPY"],
            "until": [date(2013, 10, 1)],
            "price_factor": [0.5],
            "split_factor": [0.25],
        }
    )
    two_days = frame(row(), row(24 * 60))
    before, after = bars.adjust(two_days, factors).rows(named=True)
    assert (before["close"], before["volume"]) == (10.5 * 0.125, 400.0)
    assert (after["close"], after["volume"]) == (10.5, 100.0)


def test_bars_of_a_symbol_without_factors_stay_as_they_are() -> None:
    factors = pl.DataFrame(
        schema={
            "symbol": pl.String,
            "until": pl.Date,
            "price_factor": pl.Float64,
            "split_factor": pl.Float64,
        }
    )
    assert bars.adjust(frame(row()), factors).equals(frame(row()))


def test_a_rising_bar_goes_low_first_and_a_falling_one_high_first() -> None:
    end = OPEN + timedelta(hours=1)
    rising = bars.path(10, 12, 9, 11, OPEN, end, volume=400)
    falling = bars.path(11, 12, 9, 10, OPEN, end)
    assert [point.price for point in rising] == [10, 9, 12, 11]
    assert [point.price for point in falling] == [11, 12, 9, 10]
    assert [point.time - OPEN for point in rising] == [
        timedelta(minutes=minutes) for minutes in (0, 20, 40, 59)
    ]
    assert {point.volume for point in rising} == {100}


@given(
    prices=st.lists(st.floats(0.01, 1e5), min_size=4, max_size=4),
    seconds=st.integers(1, 86_400),
)
def test_a_path_stays_inside_its_bar(prices: list[float], seconds: int) -> None:
    low, first, last, high = sorted(prices)
    end = OPEN + timedelta(seconds=seconds)
    points = bars.path(first, high, low, last, OPEN, end)
    assert points[0].time == OPEN and points[0].price == first
    assert points[-1].price == last and points[-1].time < end
    assert {low, high} <= {point.price for point in points}
    assert all(low <= point.price <= high for point in points)
    times = [point.time for point in points]
    assert times == sorted(set(times))


@pytest.mark.skipif(
    not DATA.is_dir(), reason="needs the market data beside the project"
)
def test_real_minutes_build_the_real_hours() -> None:
    minutes, problems = bars.validate(
        pl.read_parquet(DATA / "bars_minute_2013_10.parquet")
    )
    assert problems == []
    hours = bars.restamp_clock_hours(
        bars.conform(pl.read_parquet(DATA / "bars_hour_2010_2018.parquet")), OCTOBER
    )
    built = bars.resample(minutes, "1Hour", OCTOBER)
    both = built.join(hours, on=["symbol", "timestamp"], suffix="_real")
    assert both.height == 84
    # The source filters trades differently for minutes and hours: the same shares, and
    # first and last prices a few cents apart.
    assert both["volume"].equals(both["volume_real"].rename("volume"))
    for name in ("open", "close"):
        assert (
            both.select((pl.col(name) - pl.col(f"{name}_real")).abs().max()).item()
            < 0.035
        )
