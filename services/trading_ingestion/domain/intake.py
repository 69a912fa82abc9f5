"""From bars as the feed sent them to session bars that may be stored."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from trading_core import bars
from trading_core.calendar import Calendar, Timeframe
from trading_ingestion.domain.finding import Finding, Verdict

SOURCE = Timeframe.THIRTY_MINUTES
"""Session hours are built from half hours: the broker's own 09:00 hour mixes the
pre-market with the open."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What came of a frame: its good rows, the session bars, what was wrong.

    `session_bars` has the columns of a bar and `bar_end`.
    """

    received: pl.DataFrame
    session_bars: pl.DataFrame
    findings: tuple[Finding, ...]


def take_in(received: pl.DataFrame, timeframe: Timeframe, calendar: Calendar) -> Intake:
    """Validate bars of the feed and build session bars from them.

    A session bar that would contain a bad source bar is left out: half an hour of
    trading is not an hour.
    """
    good, problems = bars.validate(received.sort("symbol", "timestamp"))
    built = with_ends(bars.resample(good, timeframe, calendar), timeframe, calendar)
    spoilt = _spoilt(problems, timeframe, calendar)
    if spoilt:
        rows = pl.DataFrame(
            spoilt, schema={"symbol": pl.String, "timestamp": bars.TIME}, orient="row"
        )
        built = built.join(rows, on=["symbol", "timestamp"], how="anti")
    return Intake(good, built, tuple(problems_found(problems)))


def with_ends(
    frame: pl.DataFrame, timeframe: Timeframe, calendar: Calendar
) -> pl.DataFrame:
    """Return the bars with their `bar_end`; rows that start no session bar are left."""
    first, last = frame["timestamp"].min(), frame["timestamp"].max()
    if not (isinstance(first, datetime) and isinstance(last, datetime)):
        return frame.with_columns(bar_end=pl.lit(None, bars.TIME))
    ends = bars.expected(calendar, timeframe, first, last + timedelta(days=1))
    return frame.join(
        ends.rename({"end": "bar_end"}), on="timestamp", how="inner"
    ).sort("symbol", "timestamp")


def problems_found(problems: Iterable[bars.BarProblem]) -> list[Finding]:
    """Return the problems as findings, one for each bar and rule."""
    messages: dict[tuple[str, str | None, datetime | None], list[str]]
    messages = defaultdict(list)
    for problem in problems:
        key = (problem.rule, problem.symbol, problem.timestamp)
        messages[key].append(problem.message)
    return [
        Finding(
            rule,
            Verdict.WARNING if rule == "duplicate" else Verdict.FAILED,
            " ".join(said),
            symbol,
            timestamp,
        )
        for (rule, symbol, timestamp), said in messages.items()
    ]


def missing_symbols(
    symbols: Sequence[str], session_bars: pl.DataFrame, bar_start: datetime
) -> list[str]:
    """Return the symbols that have no bar with this start."""
    present = session_bars.filter(pl.col("timestamp") == bar_start)["symbol"]
    return sorted(set(symbols) - set(present))


def _spoilt(
    problems: Iterable[bars.BarProblem], timeframe: Timeframe, calendar: Calendar
) -> list[tuple[str, datetime]]:
    found = set()
    for problem in problems:
        if problem.rule == "duplicate" or not (problem.symbol and problem.timestamp):
            continue
        session = calendar.session_at(problem.timestamp)
        for start, end in calendar.bars(session, timeframe) if session else ():
            if start <= problem.timestamp < end:
                found.add((problem.symbol, start))
    return sorted(found)
