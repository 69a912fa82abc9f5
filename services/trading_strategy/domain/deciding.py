"""From a strategy and its window of bars to one verdict for every symbol."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import polars as pl

from trading_core.money import BadNumber, price_of
from trading_core.strategy import Strategy
from trading_system.vocabulary import Side

MORE_THAN_WARMUP = 10
"""Bars that a strategy sees beyond its warm-up, for pages that draw what it saw."""

_EXPECTED = frozenset(
    "symbol timestamp close warm signal score indicators conditions reason".split()
)
_SIDES = {1: Side.BUY, -1: Side.SELL}


class Outcome(StrEnum):
    """What became of one bar of one symbol under one strategy."""

    SIGNAL = "signal"
    NO_SIGNAL = "no_signal"
    WARMING_UP = "warming_up"
    NO_BAR = "no_bar"
    ERROR = "error"


class BadDecision(ValueError):
    """A strategy returned what it must not."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a strategy says about one bar of one symbol, and what it looked at."""

    symbol: str
    outcome: Outcome
    reason: str
    close: float | None = None
    revision: int | None = None
    side: Side | None = None
    price: Decimal | None = None
    score: float | None = None
    window_start: datetime | None = None
    window_bars: int = 0
    indicators: dict[str, float | None] = field(default_factory=dict)
    conditions: list[dict[str, Any]] = field(default_factory=list)
    weight: float = 1.0
    reduce_only: bool = False
    group: str | None = None


def window_size(strategy: Strategy[Any]) -> int:
    """Return how many bars of a symbol a strategy is given: always the same number,
    so that a decision never depends on which other strategies run."""
    return strategy.history + MORE_THAN_WARMUP


def decide(
    strategy: Strategy[Any],
    bars: pl.DataFrame,
    symbols: Sequence[str],
    bar_start: datetime,
) -> list[Verdict]:
    """Return one verdict for each symbol on the bar that starts at `bar_start`.

    `bars` has the columns of a bar and `revision`, and ends with that bar.
    """
    window = bars.group_by("symbol", maintain_order=True).tail(window_size(strategy))
    present = window.filter(pl.col("timestamp") == bar_start)
    seen = {
        symbol: (start, count)
        for symbol, start, count in window.group_by("symbol")
        .agg(pl.col("timestamp").min().alias("start"), pl.len())
        .iter_rows()
    }
    rows: dict[str, dict[str, Any]] = {}
    if not present.is_empty():
        needed = window.group_by("symbol", maintain_order=True).tail(strategy.history)
        decided = strategy.decide(needed.drop("revision"), at=bar_start)
        rows = _rows_of(decided, present, bar_start)
    revisions = dict(present.select("symbol", "revision").iter_rows())
    verdicts = []
    for symbol in symbols:
        start, count = seen.get(symbol, (None, 0))
        if symbol in rows:
            row = rows[symbol]
            verdicts.append(_verdict(row, revisions[symbol], start, count))
        else:
            verdicts.append(no_bar(symbol, bar_start, start, count))
    return verdicts


def no_bar(
    symbol: str, bar_start: datetime, window_start: datetime | None, count: int
) -> Verdict:
    """Return the verdict on a symbol that the feed had no bar of."""
    reason = f"No bar of {symbol} came for {bar_start:%Y-%m-%d %H:%M}Z."
    return Verdict(
        symbol,
        Outcome.NO_BAR,
        reason,
        window_start=window_start,
        window_bars=count,
    )


def failed(symbols: Sequence[str], error: str) -> list[Verdict]:
    """Return the verdicts of a strategy that did not come to any."""
    return [Verdict(symbol, Outcome.ERROR, error) for symbol in symbols]


def _rows_of(
    decided: Any, present: pl.DataFrame, bar_start: datetime
) -> dict[str, dict[str, Any]]:
    if not isinstance(decided, pl.DataFrame):
        raise BadDecision(f"decide() returned {type(decided).__name__}, no data frame")
    if missing := _EXPECTED - set(decided.columns):
        raise BadDecision(f"decide() left out {', '.join(sorted(missing))}")
    newest = decided.filter(pl.col("timestamp") == bar_start)
    if sorted(newest["symbol"]) != sorted(present["symbol"]):
        raise BadDecision(
            f"decide() answered for {newest.height} symbols instead of {present.height}"
        )
    return {row["symbol"]: row for row in newest.iter_rows(named=True)}


def _verdict(
    row: Mapping[str, Any], revision: int, window_start: datetime | None, count: int
) -> Verdict:
    side, price = _SIDES.get(row["signal"]), None
    if side is not None:
        outcome = Outcome.SIGNAL
        try:
            price = price_of(row["close"])
        except BadNumber as error:
            raise BadDecision(f"{row['symbol']}: {error}") from error
    elif row["signal"] == 0:
        outcome = Outcome.NO_SIGNAL if row["warm"] else Outcome.WARMING_UP
    else:
        raise BadDecision(f"{row['symbol']}: signal {row['signal']!r} is none")
    return Verdict(
        row["symbol"],
        outcome,
        str(row["reason"]),
        close=row["close"],
        revision=revision,
        side=side,
        price=price,
        score=_finite(row["score"]),
        window_start=window_start,
        window_bars=count,
        indicators=finite_values(row["indicators"]),
        conditions=[
            {
                name: _finite(value) if name.endswith("_value") else value
                for name, value in condition.items()
            }
            for condition in row["conditions"] or ()
        ],
        weight=_weight(row),
        reduce_only=bool(row.get("reduce_only")),
        group=row.get("group"),
    )


def _weight(row: Mapping[str, Any]) -> float:
    weight: float = row.get("weight", 1.0)
    if row["signal"] and not (weight is not None and 0 < weight <= 1):
        raise BadDecision(
            f"{row['symbol']} at {row['timestamp']}: weight is {weight}; it must be "
            "above 0 and at most 1"
        )
    return weight


def finite_values(values: Mapping[str, float | None] | None) -> dict[str, float | None]:
    """Return indicators with None where a value is no number: JSON has none for it."""
    return {name: _finite(value) for name, value in (values or {}).items()}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
