"""What can be wrong with bars that are already stored."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from trading_core import bars
from trading_core.calendar import Calendar, Timeframe
from trading_ingestion.domain.finding import Finding, Verdict

JUMP_SIGMAS = 12.0
JUMP_WINDOW = 70
"""Bars that the usual size of a move is measured over: ten sessions."""

STALE_AFTER = timedelta(minutes=20)
"""How long after it settled a bar may be away before its symbol is stale."""


def gaps(
    frame: pl.DataFrame,
    calendar: Calendar,
    timeframe: Timeframe,
    after: datetime,
    until: datetime,
    symbols: Sequence[str],
) -> list[Finding]:
    """Return the session bars that are not there, against the calendar.

    A symbol is asked only from its first stored bar on; where it has none at all, that
    is one finding.
    """
    first = dict(frame.group_by("symbol").agg(pl.col("timestamp").min()).iter_rows())
    absent = bars.missing(frame, calendar, timeframe, after, until, list(symbols))
    found = []
    for symbol in symbols:
        if symbol not in first:
            found.append(
                Finding("gap", Verdict.FAILED, f"{symbol} has no bars at all.", symbol)
            )
    for symbol, start, end in absent.iter_rows():
        if symbol in first and start > first[symbol]:
            message = (
                f"{symbol} has no bar from {start:%Y-%m-%d %H:%M} to {end:%H:%M}Z."
            )
            found.append(Finding("gap", Verdict.FAILED, message, symbol, start))
    return found


def not_session_bars(
    frame: pl.DataFrame, calendar: Calendar, timeframe: Timeframe
) -> list[Finding]:
    """Return the bars whose start is no bar's start in the calendar."""
    first, last = frame["timestamp"].min(), frame["timestamp"].max()
    if not (isinstance(first, datetime) and isinstance(last, datetime)):
        return []
    starts = bars.expected(calendar, timeframe, first, last + timedelta(days=1))
    stray = frame.join(starts, on="timestamp", how="anti")
    return [
        Finding(
            "outside_session",
            Verdict.FAILED,
            f"{symbol} has a bar at {start:%Y-%m-%d %H:%M}Z, where none starts.",
            symbol,
            start,
        )
        for symbol, start in stray.select("symbol", "timestamp").iter_rows()
    ]


def jumps(frame: pl.DataFrame) -> list[Finding]:
    """Return the moves from close to close that are far outside what is usual.

    Usual is the standard deviation of the log returns of the bars before; a move of
    more than `JUMP_SIGMAS` of them and of 2 % is told, and kept: it may be true.
    """
    change = pl.col("close").log().diff().over("symbol")
    usual = pl.col("change").shift(1).rolling_std(JUMP_WINDOW).over("symbol")
    found = (
        frame.sort("symbol", "timestamp")
        .with_columns(change.alias("change"))
        .with_columns(usual.alias("usual"))
        .filter(
            (pl.col("change").abs() > JUMP_SIGMAS * pl.col("usual"))
            & (pl.col("change").abs() > 0.02)
        )
        .select("symbol", "timestamp", "close", "change", "usual")
    )
    return [
        Finding(
            "jump",
            Verdict.WARNING,
            f"{symbol} moved {change:+.2%} (log) to {close}, {abs(change) / usual:.0f} "
            "times its usual move.",
            symbol,
            start,
        )
        for symbol, start, close, change, usual in found.iter_rows()
    ]


def stale(
    newest: dict[str, datetime | None],
    calendar: Calendar,
    timeframe: Timeframe,
    market_time: datetime,
) -> list[Finding]:
    """Return the symbols whose newest bar (by its end) is not the newest there is."""
    until = market_time - STALE_AFTER
    ended = calendar.bar_ends(until - timedelta(days=7), until, timeframe)
    if not ended:
        return []
    return [
        Finding(
            "stale",
            Verdict.WARNING,
            f"{symbol}'s newest bar ended {end:%Y-%m-%d %H:%M}Z; one that ended "
            f"{ended[-1]:%Y-%m-%d %H:%M}Z should be here.",
            symbol,
            ended[-1],
        )
        for symbol, end in sorted(newest.items())
        if end is not None and end < ended[-1]
    ]
