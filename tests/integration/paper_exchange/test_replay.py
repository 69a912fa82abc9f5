"""A file of bars comes out of the exchange as it went in."""

import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trading_core import bars
from trading_core.calendar import Calendar, Session

pytestmark = pytest.mark.integration

OPENS = datetime.fromisoformat("2024-07-01T13:30:00Z")


def hours(days: int = 6) -> pl.DataFrame:
    """Hours of two symbols around Independence Day, stamped on the clock hour."""
    rows = []
    number = 0
    for day in range(days):
        midnight = OPENS.replace(hour=0, minute=0) + timedelta(days=day)
        if midnight.day == 4 or midnight.weekday() > 4:
            continue
        last = 16 if midnight.day == 3 else 19
        for symbol, base in (("ONE", 50.0), ("TWO", 200.0)):
            for hour in range(13, last + 1):
                number += 1
                open_ = base + number % 7
                close = base + (number * 3) % 8
                rows.append(
                    {
                        "symbol": symbol,
                        "timestamp": midnight + timedelta(hours=hour),
                        "open": open_,
                        "high": max(open_, close) + 0.25,
                        "low": min(open_, close) - 0.5,
                        "close": close,
                        "volume": 1000 + number,
                    }
                )
    return pl.DataFrame(rows)


def written(frame: pl.DataFrame, path: Path) -> str:
    if path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    return str(path)


def session_hours(exchange: Any, symbols: str) -> pl.DataFrame:
    """Return hours cut to the session, built from 30-minute bars over the wire."""
    rows = exchange.raw(
        "GET",
        "/v2/stocks/bars",
        params={
            "symbols": symbols,
            "timeframe": "30Min",
            "start": "2000-01-01T00:00:00Z",
            "limit": 10_000,
        },
    ).json()["bars"]
    frame = pl.DataFrame(
        [
            {
                "symbol": symbol,
                "timestamp": datetime.fromisoformat(row["t"]),
                **{
                    name: float(row[name[0]])
                    for name in ("open", "high", "low", "close", "volume")
                },
            }
            for symbol, found in rows.items()
            for row in found
        ]
    )
    calendar = Calendar(
        Session(
            date.fromisoformat(row["date"]),
            datetime.fromisoformat(f"{row['date']}T{row['open']}:00-04:00"),
            datetime.fromisoformat(f"{row['date']}T{row['close']}:00-04:00"),
        )
        for row in exchange.raw(
            "GET", "/v2/calendar", params={"start": "2013-01-01", "end": "2024-10-01"}
        ).json()
    )
    return bars.resample(bars.conform(frame), "1Hour", calendar)


@pytest.mark.parametrize("name", ["bars.parquet", "bars.csv"])
def test_session_hours_of_a_replay_are_exactly_those_of_the_file(
    start: Any, tmp_path: Path, name: str
) -> None:
    frame = hours()
    exchange = start("--replay", written(frame, tmp_path / name))
    exchange.control(advance_to="2024-07-05T20:00:00Z")
    expected = (
        bars.conform(frame)
        .with_columns(
            pl.when(pl.col("timestamp").dt.hour() == 13)
            .then(pl.col("timestamp") + pl.duration(minutes=30))
            .otherwise("timestamp")
            .alias("timestamp")
        )
        .sort("symbol", "timestamp")
    )
    assert session_hours(exchange, "ONE,TWO").equals(expected)


def test_bars_before_the_start_are_history_and_later_ones_are_unknown(
    start: Any, tmp_path: Path
) -> None:
    path = written(hours(), tmp_path / "bars.parquet")
    exchange = start("--replay", path, "--from", "2024-07-02", "--to", "2024-07-03")
    state = exchange.control()
    assert state["now"] == "2024-07-02T13:25:00Z"
    assert state["end"] == "2024-07-03T17:05:00Z"
    built = session_hours(exchange, "ONE")
    assert built.height == 7
    assert built["timestamp"].max() == OPENS.replace(hour=19, minute=0)
    exchange.control(advance_to="2024-07-05T14:00:00Z")
    state = exchange.control()
    assert (state["now"], state["at_end"]) == ("2024-07-03T17:05:00Z", True)


def test_a_clock_that_runs_into_the_end_of_the_bars_stands_there(
    start: Any, tmp_path: Path
) -> None:
    path = written(hours(), tmp_path / "bars.parquet")
    exchange = start("--replay", path, "--from", "2024-07-02", "--to", "2024-07-03")
    exchange.control(advance_to="2024-07-03T17:04:30Z")
    exchange.control(run=600)
    deadline = time.monotonic() + 30
    while not (state := exchange.control())["at_end"]:
        assert time.monotonic() < deadline, state
        time.sleep(0.02)
    assert (state["now"], state["running"]) == ("2024-07-03T17:05:00Z", False)


def test_orders_of_a_bars_end_fill_at_the_next_bars_open(
    start: Any, tmp_path: Path
) -> None:
    frame = hours()
    exchange = start("--replay", written(frame, tmp_path / "bars.parquet"))
    for number, (now, opens) in enumerate(
        (
            ("2024-07-01T14:00:00Z", "2024-07-01T14:00:00Z"),
            ("2024-07-01T20:00:00Z", "2024-07-02T13:30:00Z"),
            ("2024-07-03T17:00:00Z", "2024-07-05T13:30:00Z"),
        )
    ):
        exchange.control(advance_to=now)
        exchange.raw(
            "POST",
            "/v2/orders",
            json={
                "symbol": "ONE",
                "qty": "1",
                "side": "buy",
                "type": "market",
                "time_in_force": "day",
                "client_order_id": str(number),
            },
        )
        exchange.control(advance_to=opens)
        order = exchange.raw(
            "GET",
            "/v2/orders:by_client_order_id",
            params={"client_order_id": str(number)},
        ).json()
        stamp = datetime.fromisoformat(opens).replace(minute=0)
        expected = frame.filter(symbol="ONE", timestamp=stamp)["open"].item()
        assert order["status"] == "filled"
        assert float(order["filled_avg_price"]) == expected
        assert order["filled_at"][:19] == opens[:19]


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda frame: frame.drop("close"), "missing: close"),
        (
            lambda frame: frame.with_columns(
                pl.when(pl.int_range(pl.len()) == 3)
                .then(float("nan"))
                .otherwise("high")
                .alias("high")
            ),
            "row 4, column high",
        ),
        (lambda frame: pl.concat([frame, frame[:1]]), "row 51, column timestamp"),
        (lambda frame: frame[:0], "holds no bars"),
        (
            lambda frame: frame.with_columns(low=pl.col("high") + 1),
            "row 1, column high",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_row_column_and_a_remedy(
    start: Any, tmp_path: Path, damage: Any, complaint: str
) -> None:
    path = written(damage(hours()), tmp_path / "bars.parquet")
    with pytest.raises(AssertionError) as refused:
        start("--replay", path)
    message = str(refused.value)
    assert complaint in message and "bars.parquet" in message
    assert "Traceback" not in message


def test_files_that_are_no_files_of_bars_are_refused(
    start: Any, tmp_path: Path
) -> None:
    text = tmp_path / "bars.txt"
    text.write_text("symbol\n")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 but not really")
    good = written(hours(), tmp_path / "bars.parquet")
    for options, complaint in (
        (("--replay", str(text)), "neither .parquet nor .csv"),
        (("--replay", str(broken)), "cannot be read"),
        (("--replay", str(tmp_path / "none.parquet")), "does not exist"),
        (("--replay", good, "--from", "2030-01-01"), "choose --from and --to"),
    ):
        with pytest.raises(AssertionError, match=complaint):
            start(*options, directory=complaint[:5].strip())
