"""An engine under the benchmark: a process that runs when it is told to.

`serve` answers lines on its input: `run` with the median seconds of a turn's runs,
`result` with what the last run traded. It imports the standard library, NumPy and
Polars: every engine's environment has them, and none has this project.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import polars as pl

# An engine decides first at the bar after the first with both averages: not every one
# can decide at that.
FAST, SLOW, CASH = 20, 50, 100_000.0
GRID = [(fast, slow) for fast in range(5, 45) for slow in range(50, 175, 5)]
DEAD_BAND = 1e-11
"""The comparison of this project: rounding must not decide a trade, in no engine."""
TURN = 0.3
"""Seconds that a turn lasts at least: a quick engine runs many times in it."""

Arrays = dict[str, Any]
Prepare = Callable[[str, pl.DataFrame, float], Callable[[], Any]]


def above(fast: Any, slow: Any) -> Any:
    """Whether a fast mean is above a slow one, beyond rounding."""
    return fast - slow > DEAD_BAND * np.maximum(np.maximum(fast, slow), 1.0)


def serve(prepare: Prepare, told: Callable[[Any], dict[str, Any]]) -> None:
    """Run when told to; `told` turns the last run's value into lists of numbers.

    `trades` are rows of symbol number, entry bar, exit bar (the last when open),
    quantity, entry price and exit price; `final` has the last equity of each symbol or
    each pair of the grid, `counts` the number of trades of each.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=["one", "grid", "many", "account"])
    parser.add_argument("bars")
    parser.add_argument("fee", type=float)
    options = parser.parse_args()
    run = prepare(options.work, pl.read_parquet(options.bars).rechunk(), options.fee)
    before = _peak()
    made: Any = None
    answer: dict[str, Any]
    for line in sys.stdin:
        if line.strip() == "run":
            walls: list[float] = []
            cpus: list[float] = []
            while sum(walls) < TURN:
                wall, cpu = time.perf_counter(), time.process_time()
                made = run()
                walls.append(time.perf_counter() - wall)
                cpus.append(time.process_time() - cpu)
            answer = {"wall": median(walls), "cpu": median(cpus)}
        else:
            answer = {**told(made), "megabytes": _peak() - before}
        print(json.dumps(answer), flush=True)


def columns(bars: pl.DataFrame) -> list[Arrays]:
    """Return the prices of each symbol as arrays, in order of symbols."""
    return [
        {name: part[name].to_numpy() for name in ("timestamp", "open", "close")}
        for part in bars.partition_by("symbol", maintain_order=True)
    ]


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
