"""The bar frame, and the way a price takes through a bar.

A frame of bars has the columns of `SCHEMA`; the timestamp is the **start** of the bar
in UTC. Prices are float64 dollars a share, volume is float64 shares. What is wrong with
rows is told as `BarProblem`s, row by row; a frame that is not a frame of bars at all is
refused with `NotBars`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import polars as pl

from trading_core.calendar import NEW_YORK, Calendar, Interval, Timeframe, require_aware

PRICES = ("open", "high", "low", "close")
TIME = pl.Datetime("us", "UTC")
SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "timestamp": TIME,
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume": pl.Float64(),
    }
)
NUMBERS = (*PRICES, "volume")


class NotBars(ValueError):
    """The frame lacks a column of bars, or one has the wrong type."""


class PricePoint(NamedTuple):
    """A price that was traded at an instant, and the shares traded with it."""

    time: datetime
    price: float
    volume: float


def path(
    open: float,
    high: float,
    low: float,
    close: float,
    start: datetime,
    end: datetime,
    volume: float = 0.0,
) -> tuple[PricePoint, PricePoint, PricePoint, PricePoint]:
    """Return the four price points of a bar, in the order they are taken to trade.

    A bar that rose or stood still went open, low, high, close; one that fell went
    open, high, low, close. The points stand at the bar's start, one third, two thirds,
    and one sixtieth before its end; each carries a quarter of the volume.
    """
    start, end = require_aware(start), require_aware(end)
    if not start < end:
        raise ValueError(f"A bar must end after its start: {start} to {end}.")
    length = end - start
    second, third = (low, high) if close >= open else (high, low)
    share = volume / 4
    return (
        PricePoint(start, open, share),
        PricePoint(start + length / 3, second, share),
        PricePoint(start + length * 2 / 3, third, share),
        PricePoint(end - length / 60, close, share),
    )


@dataclass(frozen=True, slots=True)
class BarProblem:
    """What is wrong with one bar: which rule it breaks, where, and the value found."""

    symbol: str | None
    timestamp: datetime | None
    column: str
    value: str
    rule: str
    message: str


class Rule(NamedTuple):
    """A test that marks bad rows, and what it says about them."""

    name: str
    column: str
    is_bad: pl.Expr
    message: str


def _rules() -> list[Rule]:
    rules = [
        Rule("missing", "symbol", pl.col("symbol").is_null(), "has no symbol"),
        Rule("missing", "timestamp", pl.col("timestamp").is_null(), "has no time"),
    ]
    for name in NUMBERS:
        column = pl.col(name)
        rules += [
            Rule("missing", name, column.is_null(), "has no value"),
            Rule("not_a_number", name, column.is_nan(), "is not a number"),
            Rule("infinite", name, column.is_infinite(), "is infinite"),
        ]
    for name in PRICES:
        rules.append(Rule("not_positive", name, pl.col(name) <= 0, "is not above 0"))
    rules.append(Rule("negative", "volume", pl.col("volume") < 0, "is below 0"))
    # What is no number is said once, by its own rule.
    comparable = pl.all_horizontal(pl.col(name).is_finite() for name in PRICES)
    body_high = pl.max_horizontal("open", "close", "low")
    body_low = pl.min_horizontal("open", "close", "high")
    rules += [
        Rule(
            "inconsistent",
            "high",
            comparable & (pl.col("high") < body_high),
            "is below another price of its bar",
        ),
        Rule(
            "inconsistent",
            "low",
            comparable & (pl.col("low") > body_low),
            "is above another price of its bar",
        ),
        Rule(
            "duplicate",
            "timestamp",
            pl.col("_earlier") > 0,
            "was given before; the first one is kept",
        ),
    ]
    return rules


RULES = tuple(_rules())


def conform(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with exactly the columns and types of `SCHEMA`.

    Integers and narrower floats become float64, other time units microseconds. A
    missing column, a naive time and text where numbers belong are refused, and so are
    bars of two feeds or lengths: they are no one series.
    """
    for name in ("feed", "timeframe"):
        if name in frame.columns and frame[name].n_unique() > 1:
            found = ", ".join(map(str, frame[name].unique().sort().to_list()))
            first = frame.filter(pl.col(name) != pl.col(name).first()).row(
                0, named=True
            )
            raise NotBars(
                f"Column {name} mixes {found}, the first at {first.get('symbol')} "
                f"{first.get('timestamp')}: choose one of them."
            )
    missing = [name for name in SCHEMA if name not in frame.columns]
    if missing:
        raise NotBars(
            f"Bars need the columns {', '.join(SCHEMA)}; "
            f"missing: {', '.join(missing)}; found: {', '.join(frame.columns)}."
        )
    timestamp = frame.schema["timestamp"]
    if not isinstance(timestamp, pl.Datetime):
        raise NotBars(f"Column timestamp holds {timestamp}, not times.")
    if timestamp.time_zone is None:
        raise NotBars("Column timestamp has no time zone: bars are stamped in UTC.")
    if timestamp.time_zone not in ("UTC", "Etc/UTC", "Z", "+00:00"):
        raise NotBars(
            f"Column timestamp is in {timestamp.time_zone}: convert it to UTC first."
        )
    for name in NUMBERS:
        dtype = frame.schema[name]
        if not (dtype.is_numeric() or dtype == pl.Null):
            raise NotBars(f"Column {name} holds {dtype}, not numbers.")
    return frame.select(
        pl.col("symbol").cast(pl.String),
        pl.col("timestamp").dt.convert_time_zone("UTC").dt.cast_time_unit("us"),
        *(pl.col(name).cast(pl.Float64) for name in NUMBERS),
    )


def validate(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[BarProblem]]:
    """Return the good bars, sorted by symbol and time, and what is wrong with others.

    A frame out of order is told as one problem and sorted; every other problem takes
    its row out. Of rows with the same symbol and time, the first is kept.
    """
    bars = conform(frame)
    problems = []
    if not _is_sorted(bars):
        problems.append(
            BarProblem(
                None,
                None,
                "timestamp",
                "",
                "unsorted",
                "The bars were not sorted by symbol and timestamp; they are now.",
            )
        )
    marked = bars.with_columns(
        pl.int_range(pl.len()).over("symbol", "timestamp").alias("_earlier")
    ).with_columns(
        rule.is_bad.fill_null(False).alias(f"_rule_{position}")
        for position, rule in enumerate(RULES)
    )
    any_bad = pl.any_horizontal(pl.col(r"^_rule_\d+$"))
    for row in marked.filter(any_bad).iter_rows(named=True):
        for position, rule in enumerate(RULES):
            if row[f"_rule_{position}"]:
                problems.append(_problem(row, rule))
    good = marked.filter(~any_bad).select(SCHEMA.names()).sort("symbol", "timestamp")
    return good, problems


def _problem(row: dict[str, object], rule: Rule) -> BarProblem:
    symbol, timestamp = row["symbol"], row["timestamp"]
    value = "" if row[rule.column] is None else str(row[rule.column])
    return BarProblem(
        symbol=symbol if isinstance(symbol, str) else None,
        timestamp=timestamp if isinstance(timestamp, datetime) else None,
        column=rule.column,
        value=value,
        rule=rule.name,
        message=f"Bar {symbol} {timestamp}: {rule.column} {value} {rule.message}.",
    )


def complaint(problems: Sequence[BarProblem]) -> str:
    """Return what is wrong and what to do about it, a wrong row before the order."""
    if not problems:
        return "There are no bars."
    worst = min(problems, key=lambda problem: problem.rule == "unsorted")
    if worst.rule == "unsorted":
        return f"{worst.message.split(';')[0]}: sort them."
    return f"{worst.message} Correct the row, or leave it out."


def _is_sorted(bars: pl.DataFrame) -> bool:
    key = bars.select("symbol", "timestamp")
    return key.equals(key.sort("symbol", "timestamp", maintain_order=True))


def expected(
    calendar: Calendar, timeframe: Timeframe | str, after: datetime, until: datetime
) -> pl.DataFrame:
    """Return start and end of every session bar that ends in (after, until]."""
    return _intervals(list(calendar.bars_between(after, until, timeframe)))


def missing(
    frame: pl.DataFrame,
    calendar: Calendar,
    timeframe: Timeframe | str,
    after: datetime,
    until: datetime,
    symbols: list[str] | None = None,
) -> pl.DataFrame:
    """Return symbol, timestamp and end of session bars that the frame does not have.

    Counts bars that end in (after, until], for the given symbols or the frame's own.
    """
    names = sorted(frame["symbol"].unique()) if symbols is None else sorted(symbols)
    wanted = pl.DataFrame({"symbol": names}, schema={"symbol": pl.String}).join(
        expected(calendar, timeframe, after, until), how="cross"
    )
    return wanted.join(
        frame.select("symbol", "timestamp"), on=["symbol", "timestamp"], how="anti"
    ).sort("symbol", "timestamp")


def _intervals(intervals: list[Interval]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "timestamp": [start for start, _ in intervals],
            "end": [end for _, end in intervals],
        },
        schema={"timestamp": TIME, "end": TIME},
    )


def resample(
    frame: pl.DataFrame, timeframe: Timeframe | str, calendar: Calendar
) -> pl.DataFrame:
    """Return session bars built from shorter ones; what lies outside sessions is left.

    A source bar belongs to the session bar in which it starts. A session bar in which
    nothing traded is absent, as it is at the broker. Bars of days that the calendar
    does not cover are an error.
    """
    if frame.is_empty():
        return SCHEMA.to_frame()
    first = frame["timestamp"].min()
    last = frame["timestamp"].max()
    assert isinstance(first, datetime) and isinstance(last, datetime)
    days = [instant.astimezone(NEW_YORK).date() for instant in (first, last)]
    for day in days:
        calendar.session_on(day)
    sessions = calendar.sessions_between(*days)
    intervals = _intervals(
        [bar for session in sessions for bar in calendar.bars(session, timeframe)]
    ).rename({"timestamp": "start"})
    return (
        frame.sort("timestamp")
        .join_asof(
            intervals.sort("start"),
            left_on="timestamp",
            right_on="start",
            strategy="backward",
        )
        .filter(pl.col("timestamp") < pl.col("end"))
        .group_by("symbol", "start")
        .agg(
            pl.col("open").sort_by("timestamp").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").sort_by("timestamp").last(),
            pl.col("volume").sum(),
        )
        .rename({"start": "timestamp"})
        .select(SCHEMA.names())
        .sort("symbol", "timestamp")
    )


def restamp_clock_hours(frame: pl.DataFrame, calendar: Calendar) -> pl.DataFrame:
    """Return hourly bars with the first bar of each session stamped with its open.

    For imports whose bar of the opening hour is stamped 09:00 New York although it
    holds 09:30-10:00 only. Others keep their stamps.
    """
    opens = [session.open for session in calendar.sessions]
    hours = [open_.replace(minute=0, second=0, microsecond=0) for open_ in opens]
    stamps = pl.DataFrame(
        {"timestamp": hours, "_open": opens}, schema={"timestamp": TIME, "_open": TIME}
    )
    return (
        frame.join(stamps, on="timestamp", how="left")
        .with_columns(pl.coalesce("_open", "timestamp").alias("timestamp"))
        .drop("_open")
    )


def content_hash(frame: pl.DataFrame) -> str:
    """Return a hash of the bars' content, whatever order or library wrote them."""
    ordered = conform(frame).sort("symbol", "timestamp")
    digest = hashlib.sha256("\0".join(ordered["symbol"].to_list()).encode())
    for name in ("timestamp", *NUMBERS):
        column = ordered[name].to_physical() if name == "timestamp" else ordered[name]
        digest.update(
            column.to_numpy().astype("<i8" if name == "timestamp" else "<f8").tobytes()
        )
    return digest.hexdigest()


def adjust(frame: pl.DataFrame, factors: pl.DataFrame) -> pl.DataFrame:
    """Return bars adjusted for splits and dividends.

    `factors` has symbol, until (date), price_factor (dividends) and split_factor: they
    hold for bars whose New York date is not later than `until` and later than the
    row before. Bars after the last row stay as they are. Prices are multiplied by both
    factors, the volume is divided by the split factor.
    """
    table = (
        factors.select(
            pl.col("symbol").cast(pl.String),
            pl.col("until").cast(pl.Date),
            pl.col("price_factor").cast(pl.Float64),
            pl.col("split_factor").cast(pl.Float64),
        )
        .sort("until")
        .unique(["symbol", "until"], keep="last", maintain_order=True)
    )
    day = pl.col("timestamp").dt.convert_time_zone(str(NEW_YORK)).dt.date()
    split = pl.col("split_factor").fill_null(1.0)
    both = pl.col("price_factor").fill_null(1.0) * split
    return (
        frame.with_columns(day.alias("_day"))
        .sort("_day", maintain_order=True)
        .join_asof(
            table,
            left_on="_day",
            right_on="until",
            by="symbol",
            strategy="forward",
            check_sortedness=False,
        )
        .with_columns(
            *(pl.col(name) * both for name in PRICES), pl.col("volume") / split
        )
        .select(frame.columns)
        .sort("symbol", "timestamp")
    )
