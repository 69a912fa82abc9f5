"""Whether a strategy knows bars that it cannot have seen.

Three questions, each asked by deciding again on other bars: does a shorter past give
the same decisions (no look-ahead, no repainting), does another future leave the past
alone, and do bars before the warm-up change nothing after it? An answer no names the
bar and the column.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from trading_core import bars as bar_frame
from trading_core.strategy import Strategy, StrategyError

TOLERANCE = 1e-9
"""Share of a number (at least of 1) by which another order of sums may move it."""

FACTORS = (0.5, 3.0)
"""What the prices and volumes of a different future are multiplied by."""

SYMBOLS, BEYOND = 3, 200
"""Symbols of a sample, and its bars after the warm-up."""

WALK_START = datetime(2013, 1, 2, 14)
KEY = ("symbol", "timestamp")
ASKED = ("signal", "weight", "reduce_only")


class LookAhead(StrategyError):
    """A strategy's decision depends on bars that it must not know."""


@dataclass(frozen=True, slots=True)
class Peek:
    """A decision that changed with bars that must not matter.

    `changed` says what was done to the bars, `column` what of the decision at the bar
    of `symbol` and `timestamp` became `value` instead of `expected`.
    """

    question: str
    changed: str
    symbol: str
    timestamp: datetime
    column: str
    expected: str
    value: str

    def __str__(self) -> str:
        return (
            f"{self.question}: with {self.changed}, {self.column} of {self.symbol} at "
            f"{self.timestamp} is {self.value} instead of {self.expected}."
        )


def require_no_lookahead(
    strategy: Strategy[Any], bars: pl.DataFrame, cuts: int = 12
) -> None:
    """Refuse a strategy that fails, with the bar and the column."""
    peek = next(peeks(strategy, bars, cuts), None)
    if peek is not None:
        raise LookAhead(f"{strategy.name} looks ahead. {peek}")


def peeks(
    strategy: Strategy[Any], bars: pl.DataFrame, cuts: int = 12
) -> Iterator[Peek]:
    """Yield the first change that each cut through the bars shows, if any.

    The bars are cut at so many times, spread over those after the warm-up. Signals and
    every indicator are compared; of a changed beginning the signals only, because an
    indicator may remember it as long as no signal does.
    """
    times = bars["timestamp"].unique().sort()
    warmup = strategy.history
    if times.len() < warmup + 3:
        raise LookAhead(
            f"{strategy.name} needs {warmup} bars before it decides: {times.len()} "
            "bars of a symbol are too few to check it."
        )
    whole = _decided(strategy, bars)
    places = np.unique(np.linspace(warmup, times.len() - 1, cuts).astype(int))
    for place in places:
        time = times[int(place)]
        past = pl.col("timestamp") < time
        expected = whole.filter(past)
        prefix = _decided(strategy, bars.filter(past))
        change = f"no bar from {time} on"
        yield from _first("It knows later bars", change, expected, prefix)
        for factor in FACTORS:
            scaled = bars.with_columns(
                pl.when(past).then(name).otherwise(pl.col(name) * factor).alias(name)
                for name in bar_frame.NUMBERS
            )
            other = _decided(strategy, scaled).filter(past)
            change = f"numbers times {factor} from {time} on"
            yield from _first("It knows the future", change, expected, other)
    for place in np.unique(np.linspace(1, times.len() - warmup - 1, cuts).astype(int)):
        first = times[int(place)]
        later = _decided(strategy, bars.filter(pl.col("timestamp") >= first))
        seen = pl.int_range(1, pl.len() + 1).over("symbol")
        later = later.filter(seen >= warmup).select(*KEY, *ASKED)
        expected = whole.join(later.select(KEY), on=KEY, how="semi")
        change = f"no bar before {first}"
        yield from _first(
            "It needs more bars than its warm-up",
            change,
            expected.select(*KEY, *ASKED),
            later,
        )


def sample(bars: pl.DataFrame, warmup: int) -> pl.DataFrame:
    """Return as many of the last bars of a few symbols as a check needs."""
    symbols = bars["symbol"].unique().sort().head(SYMBOLS)
    few = bars.filter(pl.col("symbol").is_in(symbols.implode()))
    times = few["timestamp"].unique().sort().tail(warmup + BEYOND)
    return few.filter(pl.col("timestamp") >= times[0])


def walk(symbols: int = 3, count: int = 400, seed: int = 20260921) -> pl.DataFrame:
    """Return hourly bars of symbols that wander, in cents: the same every time."""
    random = np.random.default_rng(seed)
    times = pl.datetime_range(
        WALK_START,
        WALK_START + timedelta(hours=count - 1),
        "1h",
        time_unit="us",
        time_zone="UTC",
        eager=True,
    )
    frames = []
    for number in range(symbols):
        steps = np.cumsum(random.normal(0, 0.012, count))
        close = (100 * (number + 1) * np.exp(steps)).round(2)
        open_ = np.concatenate([close[:1], close[:-1]])
        frames.append(
            pl.DataFrame(
                {
                    "symbol": f"WALK{number}",
                    "timestamp": times,
                    "open": open_,
                    "high": np.maximum(open_, close) + 0.05,
                    "low": np.minimum(open_, close) - 0.05,
                    "close": close,
                    "volume": random.integers(1, 10**6, count).astype(float),
                },
                schema=bar_frame.SCHEMA,
            )
        )
    return pl.concat(frames)


def _decided(strategy: Strategy[Any], bars: pl.DataFrame) -> pl.DataFrame:
    """Return symbol, timestamp, what is asked and the indicators of each bar."""
    decided = strategy.decide(bars).with_columns(pl.col("reduce_only").cast(pl.Int8))
    return decided.select(*KEY, *ASKED, "indicators").unnest("indicators")


def _first(
    question: str, change: str, expected: pl.DataFrame, found: pl.DataFrame
) -> Iterator[Peek]:
    """Yield the earliest difference between decisions, if there is one."""
    if expected.height != found.height:
        raise LookAhead(f"{change.capitalize()}: {found.height} decisions.")
    columns = [name for name in expected.columns if name not in KEY]
    pairs = expected.join(found, on=KEY, suffix="_found", maintain_order="left")
    for name in columns:
        one, other = pl.col(name).cast(pl.Float64), pl.col(f"{name}_found")
        band = TOLERANCE * pl.max_horizontal(one.abs(), other.abs(), pl.lit(1.0))
        same = one.eq_missing(other) | ((one - other).abs() <= band).fill_null(False)
        wrong = pairs.filter(~same).sort("timestamp", "symbol").head(1)
        for row in wrong.iter_rows(named=True):
            yield Peek(
                question=question,
                changed=change,
                symbol=row["symbol"],
                timestamp=row["timestamp"],
                column=name,
                expected=str(row[name]),
                value=str(row[f"{name}_found"]),
            )
            return
