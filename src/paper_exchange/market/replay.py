"""A market that repeats the bars of a Parquet or CSV file."""

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from paper_exchange import instants
from paper_exchange.errors import StartRefused
from paper_exchange.instants import MINUTE, SECOND
from paper_exchange.market.points import longer_tape, minute_tape
from paper_exchange.market.source import DayTape, Integers, Listing
from paper_exchange.sessions import Sessions, TradingDay
from trading_core import bars

LENGTHS = {60, 300, 900, 1800, 3600, 86_400}
LEAD = 5 * MINUTE
FUNDS = {"SPY", "QQQ", "IWM", "DIA"}


def read(path: Path) -> pl.DataFrame:
    """Return the bars of a file; what is wrong with it is said with row and remedy."""
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            frame = pl.read_parquet(path)
        elif path.suffix.lower() == ".csv":
            frame = pl.read_csv(path, try_parse_dates=True, infer_schema_length=10_000)
            stamp = frame.schema.get("timestamp")
            if isinstance(stamp, pl.Datetime) and stamp.time_zone is None:
                frame = frame.with_columns(
                    pl.col("timestamp").dt.replace_time_zone("UTC")
                )
        else:
            raise StartRefused(f"{path} is neither .parquet nor .csv: convert it.")
    except FileNotFoundError:
        raise StartRefused(f"{path} does not exist: name a file of bars.") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StartRefused(f"{path} cannot be read: {error}") from error
    try:
        _, problems = bars.validate(frame)
    except bars.NotBars as error:
        raise StartRefused(f"{path}: {error}") from error
    problems = [problem for problem in problems if problem.rule != "unsorted"]
    if problems:
        raise StartRefused(_complaint(path, frame, problems))
    if frame.is_empty():
        raise StartRefused(f"{path} holds no bars: name a file that has some.")
    return bars.conform(frame).sort("symbol", "timestamp")


def _complaint(path: Path, frame: pl.DataFrame, problems: list[bars.BarProblem]) -> str:
    """Return the first problem with its row in the file, counted from 1."""
    first = problems[0]
    rows = (
        frame.with_row_index("row", offset=1)
        .filter(
            pl.col("symbol").eq_missing(pl.lit(first.symbol))
            & pl.col("timestamp").eq_missing(pl.lit(first.timestamp))
        )["row"]
        .to_list()
    )
    row = rows[-1] if first.rule == "duplicate" else rows[0]
    more = f" {len(problems) - 1} more problems follow." if len(problems) > 1 else ""
    return (
        f"{path}, row {row}, column {first.column}: {first.message}{more} "
        "Remove or repair these rows and start again."
    )


def span(frame: pl.DataFrame) -> tuple[date, date]:
    """Return the first and the last New York date of some bars."""
    first, last = frame["timestamp"].min(), frame["timestamp"].max()
    assert isinstance(first, datetime) and isinstance(last, datetime)
    zone = instants.NEW_YORK
    return first.astimezone(zone).date(), last.astimezone(zone).date()


class ReplayedMarket:
    """Bars of a file, each walked from open through its extremes to its close.

    A bar that begins before a session's open and reaches into it starts at the open, as
    files stamped on the clock hour mean it: 09:00 holds 09:30 to 10:00.
    """

    def __init__(
        self,
        path: Path,
        frame: pl.DataFrame,
        sessions: Sessions,
        first: date | None = None,
        last: date | None = None,
    ) -> None:
        self._seconds = _length(path, frame)
        self._frames: dict[str, dict[str, np.ndarray]] = {}
        self.sessions = sessions
        for (symbol,), rows in frame.group_by("symbol", maintain_order=True):
            columns = {name: rows[name].to_numpy() for name in bars.PRICES}
            columns["volume"] = rows["volume"].round().cast(pl.Int64).to_numpy()
            columns["start"] = rows["timestamp"].dt.epoch("ns").to_numpy()
            self._frames[str(symbol)] = columns
        begins, ends = span(frame)
        days = sessions.between(max(first or begins, begins), min(last or ends, ends))
        if not days:
            raise StartRefused(
                f"{path} holds {begins} to {ends}, which has no session from {first} "
                f"to {last}: choose --from and --to inside it."
            )
        self.start = days[0].open - LEAD
        self.end = days[-1].close + LEAD
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        self.name = f"replay of {path.name}, sha256 {digest}"
        self.listings = [
            Listing(symbol, symbol, "ARCA" if symbol in FUNDS else "NYSE")
            for symbol in sorted(self._frames)
        ]

    def day(self, symbol: str, day: TradingDay) -> DayTape | None:
        """Return the bars of a symbol on a day."""
        columns = self._frames.get(symbol)
        if columns is None:
            return None
        midnight = instants.new_york_midnight(day.day + timedelta(days=1))
        stamps: Integers = columns["start"]
        first, last = np.searchsorted(stamps, (day.midnight, midnight))
        if self._seconds == 86_400:
            first, last = self._daily_row(stamps, day)
        if first == last:
            return None
        rows = slice(int(first), int(last))
        open, high, low, close = (columns[name][rows] for name in bars.PRICES)
        volume, start = columns["volume"][rows], stamps[rows]
        if self._seconds == 60:
            return minute_tape(day, start, open, high, low, close, volume)
        if self._seconds == 86_400:
            start, end = np.array([day.open]), np.array([day.close])
        else:
            end = start + self._seconds * SECOND
            end = np.where((start < day.close) & (end > day.close), day.close, end)
            start = np.where((start < day.open) & (end > day.open), day.open, start)
        return longer_tape(day, start, end, open, high, low, close, volume)

    def _daily_row(self, stamps: Integers, day: TradingDay) -> tuple[int, int]:
        """Return the row of a day, stamped with midnight in New York or in UTC."""
        utc = instants.from_datetime(datetime.combine(day.day, time(), UTC))
        for stamp in (day.midnight, utc):
            index = int(np.searchsorted(stamps, stamp))
            if index < len(stamps) and stamps[index] == stamp:
                return index, index + 1
        return 0, 0


def _length(path: Path, frame: pl.DataFrame) -> int:
    """Return the length of the bars in seconds: the smallest step of one symbol."""
    steps = frame.select(
        pl.col("timestamp").diff().over("symbol").dt.total_seconds().alias("step")
    )["step"]
    step = steps.drop_nulls().filter(steps.drop_nulls() > 0).min()
    if step is None:
        return 86_400
    assert isinstance(step, int)
    if step > 43_200:
        return 86_400
    if step not in LENGTHS:
        known = ", ".join(str(length // 60) for length in sorted(LENGTHS))
        raise StartRefused(
            f"{path}: two bars of a symbol are {step} s apart, but bars must be of "
            f"{known} minutes. Resample the file first."
        )
    return step
