"""What a file of bars must look like, and what is said when it does not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import PurePath

import polars as pl

from trading_core import bars
from trading_core.calendar import NEW_YORK, Calendar, Timeframe
from trading_ingestion.domain.intake import with_ends
from trading_system.errors import Invalid

SAID_AT_MOST = 20
"""Problems that a refusal lists; it says how many more there are."""

_LENGTHS = {timeframe.length: timeframe for timeframe in Timeframe}


@dataclass(frozen=True, slots=True)
class FileOfBars:
    """The session bars of a file (with `bar_end`), and what was done to get them.

    `outside` are the rows that lie in no session; `restamped` those whose clock-hour
    stamp 09:00 became the session's open.
    """

    timeframe: Timeframe
    session_bars: pl.DataFrame
    restamped: int
    outside: int


def parse(name: str, content: bytes) -> pl.DataFrame:
    """Return the rows of a CSV or Parquet file; refuse what is not bars, row by row."""
    kind = PurePath(name).suffix.lower()
    if kind in (".csv", ".txt"):
        return _checked(name, _typed(name, _csv(name, content)), first_row=2)
    if kind in (".parquet", ".pq"):
        return _checked(name, _conformed(name, _parquet(name, content)), first_row=1)
    raise Invalid(
        f"{name}: the format {kind or 'without a suffix'} is not read.",
        remedy="Use .csv or .parquet.",
    )


def session_bars(
    name: str, rows: pl.DataFrame, calendar: Calendar, timeframe: Timeframe | None
) -> FileOfBars:
    """Return the file's bars as session bars: hours from anything shorter."""
    given = timeframe or _timeframe(name, rows)
    _require_covered(name, rows, calendar)
    if given is Timeframe.ONE_DAY:
        return _days(rows, calendar)
    if given is not Timeframe.ONE_HOUR:
        hours = bars.resample(rows, Timeframe.ONE_HOUR, calendar)
        inside = bars.resample(rows, given, calendar).height
        return FileOfBars(
            Timeframe.ONE_HOUR,
            with_ends(hours, Timeframe.ONE_HOUR, calendar),
            restamped=0,
            outside=rows.height - inside,
        )
    stamped = bars.restamp_clock_hours(rows, calendar)
    moved = int((stamped["timestamp"] != rows["timestamp"]).sum())
    twice = stamped.filter(stamped.select("symbol", "timestamp").is_duplicated())
    if not twice.is_empty():
        symbol, stamp = twice.row(0)[:2]
        raise Invalid(
            f"{name}: {symbol} has two bars for the opening hour of {stamp:%Y-%m-%d}, "
            "one stamped on the clock hour and one with the session's open.",
            remedy="Keep one of them.",
        )
    kept = with_ends(stamped, Timeframe.ONE_HOUR, calendar)
    return FileOfBars(
        Timeframe.ONE_HOUR, kept, restamped=moved, outside=rows.height - kept.height
    )


def _csv(name: str, content: bytes) -> pl.DataFrame:
    try:
        frame = pl.read_csv(content, infer_schema=False, truncate_ragged_lines=False)
    except pl.exceptions.PolarsError as error:
        raise Invalid(f"{name} is not a CSV file: {_line(error)}") from error
    return frame.rename({column: column.strip().lower() for column in frame.columns})


def _parquet(name: str, content: bytes) -> pl.DataFrame:
    try:
        return pl.read_parquet(BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Invalid(f"{name} is not a Parquet file: {_line(error)}") from error


def _line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]


def _typed(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return text columns as times and numbers; say which rows cannot be."""
    _require_columns(name, frame)
    moment = pl.col("timestamp").str.strip_chars().str.replace(" ", "T", literal=True)
    typed = frame.with_columns(
        moment.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False),
        *(
            pl.col(column).str.strip_chars().cast(pl.Float64, strict=False)
            for column in bars.NUMBERS
        ),
    )
    said = []
    for column in ("timestamp", *bars.NUMBERS):
        what = (
            "is not a time with its zone, such as 2024-01-02T14:30:00Z"
            if column == "timestamp"
            else "is not a number"
        )
        wrong = typed[column].is_null() & frame[column].is_not_null()
        for row in wrong.arg_true():
            said.append((row, f"column {column}: {frame[column][row]!r} {what}"))
    _refuse(name, said, first_row=2)
    return bars.conform(typed)


def _conformed(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    _require_columns(name, frame)
    try:
        return bars.conform(frame)
    except bars.NotBars as error:
        raise Invalid(
            f"{name}: {error}",
            remedy="Times must be UTC with their zone, prices and volume numbers.",
        ) from error


def _require_columns(name: str, frame: pl.DataFrame) -> None:
    missing = [column for column in bars.SCHEMA if column not in frame.columns]
    if missing:
        raise Invalid(
            f"{name}: a file of bars needs the columns {', '.join(bars.SCHEMA)}; "
            f"missing: {', '.join(missing)}; found: {', '.join(frame.columns)}.",
            remedy="Rename or add them; the timestamp is the bar's start in UTC.",
        )


def _checked(name: str, frame: pl.DataFrame, first_row: int) -> pl.DataFrame:
    """Return the frame, sorted, or refuse it with the rows that break a rule."""
    if frame.is_empty():
        raise Invalid(f"{name} holds no bars.")
    frame = frame.with_columns(pl.col("symbol").str.strip_chars().str.to_uppercase())
    marked = frame.with_columns(
        pl.int_range(pl.len()).over("symbol", "timestamp").alias("_earlier")
    )
    said = []
    for rule in bars.RULES:
        bad = marked.select(rule.is_bad.fill_null(False).alias("bad"))["bad"]
        for row in bad.arg_true():
            value = frame[rule.column][row]
            shown = "" if value is None else f" {value}"
            said.append((row, f"column {rule.column}:{shown} {rule.message}"))
    _refuse(name, said, first_row)
    return frame.sort("symbol", "timestamp")


def _refuse(name: str, said: Sequence[tuple[int, str]], first_row: int) -> None:
    if not said:
        return
    lines = [
        f"{name}, row {row + first_row}, {what}"
        for row, what in sorted(said)[:SAID_AT_MOST]
    ]
    more = len(said) - len(lines)
    if more:
        lines.append(f"and {more} more")
    raise Invalid(
        ". ".join(lines) + ".",
        remedy="Correct or remove these rows; nothing of the file was stored.",
        problems=lines,
    )


def _timeframe(name: str, rows: pl.DataFrame) -> Timeframe:
    """Return the step that bars of one symbol and day usually have."""
    steps = (
        rows.lazy()
        .sort("symbol", "timestamp")
        .select(pl.col("timestamp").diff().over("symbol").alias("step"))
        .drop_nulls()
        .collect()["step"]
    )
    counted: Counter[timedelta] = Counter(steps)
    usual = counted.most_common(1)[0][0] if counted else timedelta(0)
    if usual >= timedelta(days=1):
        return Timeframe.ONE_DAY
    if usual not in _LENGTHS:
        raise Invalid(
            f"{name}: its bars are usually {usual} apart, which is no timeframe known.",
            remedy=f"Say which it is: one of {', '.join(Timeframe)}.",
        )
    return _LENGTHS[usual]


def _require_covered(name: str, rows: pl.DataFrame, calendar: Calendar) -> None:
    first, last = rows["timestamp"].min(), rows["timestamp"].max()
    assert isinstance(first, datetime) and isinstance(last, datetime)
    days = [moment.astimezone(NEW_YORK).date() for moment in (first, last)]
    if days[0] < calendar.first_day or days[1] > calendar.last_day:
        raise Invalid(
            f"{name} holds bars from {days[0]} to {days[1]}; the calendar here "
            f"reaches from {calendar.first_day} to {calendar.last_day}.",
            remedy="Leave out the days beyond it.",
        )


def _days(rows: pl.DataFrame, calendar: Calendar) -> FileOfBars:
    """Return daily bars stamped with their session's open, however they were stamped.

    A stamp of midnight UTC means that date; any other its date in New York.
    """
    stamp = pl.col("timestamp")
    midnight = stamp.dt.time() == pl.time(0, 0, 0)
    day = (
        pl.when(midnight)
        .then(stamp.dt.date())
        .otherwise(stamp.dt.convert_time_zone(str(NEW_YORK)).dt.date())
    )
    sessions = pl.DataFrame(
        [(session.day, session.open, session.close) for session in calendar.sessions],
        schema={"_day": pl.Date, "_open": bars.TIME, "bar_end": bars.TIME},
        orient="row",
    )
    kept = (
        rows.with_columns(day.alias("_day"))
        .join(sessions, on="_day", how="inner")
        .with_columns(timestamp="_open")
        .select(*bars.SCHEMA.names(), "bar_end")
        .sort("symbol", "timestamp")
    )
    return FileOfBars(
        Timeframe.ONE_DAY, kept, restamped=0, outside=rows.height - kept.height
    )
