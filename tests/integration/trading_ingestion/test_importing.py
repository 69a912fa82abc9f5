"""Files of bars are taken in whole, once, or refused with the row and the remedy."""

import os
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import text

from trading_core.calendar import NEW_YORK, Timeframe
from trading_ingestion import operations
from trading_ingestion.repository import IngestionTransaction
from trading_system.database import Database
from trading_system.errors import Invalid

pytestmark = pytest.mark.integration

NOW = datetime(2024, 7, 10, tzinfo=UTC)
HEADER = "symbol,timestamp,open,high,low,close,volume\n"


def hours(hour: int, *days: int, first_at_nine: bool = False) -> pl.DataFrame:
    rows = []
    for day in days:
        for start in range(9, hour):
            minute = 30 if start == 9 and not first_at_nine else 0
            stamp = datetime(2024, 6, day, start, minute, tzinfo=NEW_YORK)
            rows.append(("SPY", stamp.astimezone(UTC), 10.0, 11.0, 9.0, 10.5, 100.0))
    names = HEADER.strip().split(",")
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(
        pl.col("timestamp").cast(pl.Datetime("us", "UTC"))
    )


def as_parquet(frame: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def stored(database):
    with database.read_only() as tx:
        return tx.session.execute(
            text(
                "select timeframe, feed, timestamp, bar_end, open, volume"
                " from data_ingestion.market_data order by timestamp"
            )
        ).all()


def test_a_file_of_hours_is_stored_under_a_feed_of_its_own(database):
    result = operations.import_file(
        database, "a.parquet", as_parquet(hours(16, 3)), NOW
    )

    assert (result.rows, result.symbols, result.timeframe) == (7, ["SPY"], "1Hour")
    rows = stored(database)
    assert {(row.timeframe, row.feed) for row in rows} == {("1Hour", "import")}
    assert rows[0].timestamp == datetime(2024, 6, 3, 9, 30, tzinfo=NEW_YORK)
    assert rows[0].bar_end == datetime(2024, 6, 3, 10, tzinfo=NEW_YORK)


def test_the_same_file_again_changes_nothing(database):
    content = as_parquet(hours(16, 3))
    first = operations.import_file(database, "a.parquet", content, NOW)
    second = operations.import_file(database, "copy.parquet", content, NOW)

    assert (first.rows, second.rows) == (7, 0)
    assert second.content_hash == first.content_hash
    assert len(stored(database)) == 7
    with database.read_only() as tx:
        assert len(tx.imports.all()) == 1


def test_opening_hours_on_the_clock_are_stamped_with_the_open(database):
    content = as_parquet(hours(16, 3, 4, first_at_nine=True))

    result = operations.import_file(database, "a.parquet", content, NOW)

    assert (result.rows, result.restamped, result.problems) == (14, 2, 0)
    opens = [r.timestamp.astimezone(NEW_YORK) for r in stored(database)]
    assert [(o.hour, o.minute) for o in opens[:2]] == [(9, 30), (10, 0)]


def test_minutes_become_session_hours_and_extended_hours_are_left(database):
    start = datetime(2024, 6, 3, 8, tzinfo=NEW_YORK).astimezone(UTC)
    names = HEADER.strip().split(",")
    rows = [
        ("SPY", start + timedelta(minutes=n), 10.0, 11.0, 9.0, 10.5, 1.0)
        for n in range(3 * 60)
    ]
    frame = pl.DataFrame(rows, schema=names, orient="row")

    result = operations.import_file(database, "m.parquet", as_parquet(frame), NOW)

    assert [(r.timestamp.minute, r.volume) for r in stored(database)] == [
        (30, 30.0),
        (0, 60.0),
    ]
    assert (result.rows, result.problems, result.timeframe) == (2, 90, "1Hour")


def test_days_are_stamped_with_their_session(database):
    content = (
        HEADER
        + "SPY,2024-06-03T00:00:00Z,10,11,9,10,5\n"
        + "SPY,2024-06-04T04:00:00Z,10,11,9,10,5\n"
        + "SPY,2024-06-08T00:00:00Z,10,11,9,10,5\n"
    ).encode()

    result = operations.import_file(
        database, "d.csv", content, NOW, timeframe=Timeframe.ONE_DAY
    )

    assert (result.rows, result.problems) == (2, 1)
    assert [row.timestamp.astimezone(NEW_YORK).day for row in stored(database)] == [
        3,
        4,
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            "SPY,2024-06-03T14:00:00Z,10,11,9,nan,5\n",
            "row 2, column close: nan is not a number",
        ),
        (
            "SPY,2024-06-03T14:00:00Z,10,11,9,ten,5\n",
            "row 2, column close: 'ten' is not a number",
        ),
        (
            "SPY,2024-06-03T14:00:00Z,10,11,9,,5\n",
            "row 2, column close: has no value",
        ),
        (
            "SPY,2024-06-03T14:00:00Z,10,11,9,10,5\n" * 2,
            "row 3, column timestamp: 2024-06-03 14:00:00+00:00 was given before",
        ),
        (
            "SPY,2024-06-03 14:00:00,10,11,9,10,5\n",
            "row 2, column timestamp: '2024-06-03 14:00:00' is not a time with",
        ),
        (
            "SPY,2024-06-03T14:00:00Z,10,9,9,10,5\n",
            "row 2, column high: 9.0 is below another price of its bar",
        ),
        (
            "SPY,2024-06-03T14:00:00Z,10,11,0,10,5\n",
            "row 2, column low: 0.0 is not above 0",
        ),
        ("", "holds no bars"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_stored(database, rows, said):
    with pytest.raises(Invalid) as refusal:
        operations.import_file(database, "bad.csv", (HEADER + rows).encode(), NOW)

    assert said in str(refusal.value)
    assert "bad.csv" in str(refusal.value)
    assert stored(database) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda frame: frame.drop("volume", "low"),
            "missing: low, volume; found: symbol, timestamp, open, high, close",
        ),
        (
            lambda frame: frame.with_columns(
                pl.col("timestamp").dt.replace_time_zone(None)
            ),
            "no time zone",
        ),
        (
            lambda frame: frame.with_columns(
                pl.col("timestamp").dt.convert_time_zone("Asia/Tokyo")
            ),
            "Asia/Tokyo: convert it to UTC",
        ),
        (
            lambda frame: frame.with_columns(close=pl.lit(float("nan"))),
            "row 1, column close: nan is not a number",
        ),
        (
            lambda frame: frame.with_columns(pl.col("close").cast(pl.String)),
            "Column close holds String, not numbers",
        ),
        (lambda frame: pl.concat([frame, frame]), "was given before"),
        (
            lambda frame: frame.with_columns(
                pl.col("timestamp") + pl.duration(days=3650)
            ),
            "the calendar here reaches from",
        ),
    ],
)
def test_a_bad_parquet_file_is_refused(database, change, said):
    content = as_parquet(change(hours(16, 3)))

    with pytest.raises(Invalid) as refusal:
        operations.import_file(database, "bad.parquet", content, NOW)

    assert said in str(refusal.value)
    assert stored(database) == []


@pytest.mark.parametrize("name", ["bars.csv", "bars.parquet"])
def test_what_is_not_the_format_it_claims_is_refused(database, name):
    with pytest.raises(Invalid, match=name):
        operations.import_file(database, name, b"\x00\x01PAR?", NOW)


def test_a_format_that_is_not_read_is_refused(database):
    with pytest.raises(Invalid, match=r"\.csv or \.parquet"):
        operations.import_file(database, "bars.xlsx", b"", NOW)


def test_many_bad_rows_are_counted_and_the_first_are_named(database):
    rows = "".join(f"SPY,2024-06-03T14:{n:02}:00Z,x,11,9,10,5\n" for n in range(50))

    with pytest.raises(Invalid) as refusal:
        operations.import_file(database, "bad.csv", (HEADER + rows).encode(), NOW)

    assert "and 30 more" in str(refusal.value)


def test_a_session_with_its_opening_hour_twice_is_refused(database):
    both = pl.concat([hours(16, 3), hours(10, 3, first_at_nine=True)])

    with pytest.raises(Invalid, match="two bars for the opening hour"):
        operations.import_file(database, "a.parquet", as_parquet(both), NOW)


SAMPLE = os.environ.get("TRADING_TEST_BARS")


@pytest.mark.skipif(not SAMPLE, reason="TRADING_TEST_BARS names no file of real bars")
def test_years_of_real_hours_come_in_whole(url, database):
    from trading_core.calendar import xnys_sessions

    path = Path(SAMPLE or "")
    sessions = xnys_sessions(datetime(2010, 1, 1).date(), datetime(2019, 1, 1).date())
    owner = Database.connect(url, IngestionTransaction)
    with owner.transaction() as tx:
        tx.session.execute(
            text("insert into shared.sessions values (:day, :open, :close)"),
            [{"day": s.day, "open": s.open, "close": s.close} for s in sessions],
        )
    owner.close()

    result = operations.import_file(database, path.name, path.read_bytes(), NOW)

    assert result.rows + result.problems == pl.read_parquet(path).height
    assert result.restamped > 6000
