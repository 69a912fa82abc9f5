"""How fast the columns are, beside other engines that trade the same.

`python benchmarks/backtest.py [--bars FILE] [--peers NAMES] [--rounds N]` runs each
engine in a process of its own, in turn on the same bars, and prints medians only when
every trade of every engine is the same; of the account, when `simulate` has the same
orders and fills on a part of the bars. The other engines get environments of their
own under a folder (`--environments`), made on first use.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import polars as pl
from platformdirs import user_cache_path
from rich.console import Console
from rich.table import Table

from trading_core import bars as bar_frame
from trading_core.calendar import Calendar, xnys_sessions

HERE = Path(__file__).parent
PACKAGES = {
    "vectorbt": ["vectorbt==1.2.0", "polars==2.1.0"],
    "backtesting": ["backtesting==0.6.6", "polars==2.1.0"],
    "nautilus": ["nautilus_trader==1.221.0", "polars==2.1.0"],
    "backtrader": ["backtrader==1.9.78.123", "pandas==3.1.1", "polars==2.1.0"],
}
OWN = {"ours": "ours.py", "plain_numba": "plain_numba.py"}
ONE, GRID, MANY, ACCOUNT = "one", "grid", "many", "account"
GROWTH, COLD = "growth", "cold"
ENGINES = {
    ONE: ["ours", "plain_numba", "vectorbt", "backtesting", "nautilus", "backtrader"],
    GRID: ["ours", "plain_numba", "vectorbt"],
    MANY: ["ours", "plain_numba", "vectorbt"],
    ACCOUNT: ["ours"],
}
TITLES = {
    ONE: "One symbol, two averages, trades and equity",
    GRID: "1,000 pairs of averages on it",
    MANY: "500 symbols, ten years of hours, trades and equity",
    ACCOUNT: "The same in one account: cash, sizing, limits, costs",
}
SLOW_ENGINES = {"backtesting", "nautilus", "backtrader"}
"""They run once a turn; the others as often as `--rounds` says."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=Path, help="hourly bars of one symbol or more")
    parser.add_argument("--symbol", default="SPY", help="of the bars, for one symbol")
    parser.add_argument("--symbols", type=int, default=500, help="generated columns")
    parser.add_argument("--works", default=",".join([*ENGINES, GROWTH, COLD]))
    parser.add_argument("--peers", default=",".join(PACKAGES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--fee", type=float, default=0.0005)
    parser.add_argument(
        "--environments", type=Path, default=user_cache_path("trading-benchmarks")
    )
    options = parser.parse_args()
    chosen = [*OWN, *(name for name in options.peers.split(",") if name)]
    pythons = {name: python_of(name, options.environments) for name in chosen}
    console = Console(width=100)
    with tempfile.TemporaryDirectory() as folder:
        one, many = Path(folder, "one.parquet"), Path(folder, "many.parquet")
        bars_of_one(options.bars, options.symbol).write_parquet(one)
        for work in options.works.split(","):
            if work in (GROWTH, COLD):
                console.print(growth() if work == GROWTH else cold(one))
                continue
            path = many if work in (MANY, ACCOUNT) else one
            if path == many and not many.exists():
                generated(18_158, options.symbols).write_parquet(many)
            names = [name for name in ENGINES[work] if name in chosen]
            engines = [
                Engine.start(name, pythons[name], work, path, options.fee)
                for name in names
            ]
            try:
                measure(engines, options.rounds)
                agree(engines)
            finally:
                for engine in engines:
                    engine.stop()
            console.print(table(work, engines, pl.read_parquet(path).height))


def bars_of_one(path: Path | None, symbol: str) -> pl.DataFrame:
    """Return the bars of one symbol from a file, or 40,000 generated ones."""
    if path is None:
        return generated(40_000, 1)
    raw = pl.read_parquet(path).with_columns(pl.col("volume").cast(pl.Float64))
    return bar_frame.conform(raw.filter(pl.col("symbol") == symbol)).sort("timestamp")


def generated(count: int, symbols: int, seed: int = 20240601) -> pl.DataFrame:
    """Return random walks in cents on the exchange's hours, the same every time."""
    calendar = Calendar(xnys_sessions(date(1998, 1, 2), date(2023, 12, 29)))
    starts = [
        start
        for session in calendar.sessions
        for start, _ in calendar.bars(session, "1Hour")
    ][-count:]
    times = pl.Series("timestamp", starts, dtype=bar_frame.TIME)
    random = np.random.default_rng(seed)
    frames = []
    for number in range(symbols):
        close = 50 * np.exp(np.cumsum(random.normal(0.00001, 0.004, len(starts))))
        close = np.maximum(close, 2).round(2)
        before = np.concatenate([close[:1], close[:-1]])
        open_ = (before * np.exp(random.normal(0, 0.001, len(starts)))).round(2)
        frames.append(
            pl.DataFrame(
                {
                    "symbol": pl.Series([f"S{number:03}"]).new_from_index(
                        0, len(starts)
                    ),
                    "timestamp": times,
                    "open": open_,
                    "high": np.maximum(open_, close) + 0.05,
                    "low": np.minimum(open_, close) - 0.05,
                    "close": close,
                    "volume": np.full(len(starts), 1e6),
                }
            )
        )
    return pl.concat(frames)


@dataclass
class Engine:
    """An engine's process, and what it has answered."""

    name: str
    process: "subprocess.Popen[str]"
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def start(
        cls, name: str, python: Path, work: str, bars: Path, fee: float
    ) -> "Engine":
        """Start the process and let it read the bars."""
        script = OWN.get(name, f"with_{name}.py")
        roots = [HERE, HERE.parent / "src"] if name in OWN else [HERE]
        process = subprocess.Popen(
            [
                *(str(python), "-W", "ignore", str(HERE / "backtest_engines" / script)),
                *(work, str(bars), str(fee)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots))},
        )
        return cls(name, process)

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line and return the answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended: see what it said above.")
        told: dict[str, Any] = json.loads(answer)
        return told

    def run(self) -> None:
        """Run once and keep the seconds."""
        answer = self.ask("run")
        self.walls.append(answer["wall"])
        self.cpus.append(answer["cpu"])

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


def measure(engines: list[Engine], rounds: int) -> None:
    """Let the engines run in turn; the first run of each, which compiles, is left."""
    for engine in engines:
        engine.ask("run")
    for number in range(rounds):
        for engine in engines:
            if number == 0 or engine.name not in SLOW_ENGINES:
                engine.run()
    for engine in engines:
        engine.made = engine.ask("result")


def agree(engines: list[Engine]) -> None:
    """Refuse to print when an engine traded anything else than the first."""
    first, *others = engines
    for other in others:
        for name in ("counts", "final", "trades"):
            ours, theirs = first.made.get(name), other.made.get(name)
            if ours is None or theirs is None:
                continue
            one, two = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
            if one.shape != two.shape:
                raise SystemExit(
                    f"{other.name} has {len(two)} {name}, {first.name} {len(one)}."
                )
            if not np.allclose(one, two, rtol=1e-9, atol=1e-9):
                worst = np.argwhere(~np.isclose(one, two, rtol=1e-9, atol=1e-9))[0]
                raise SystemExit(
                    f"{other.name} and {first.name} differ in {name} at "
                    f"{worst.tolist()}: {two[worst[0]]} and {one[worst[0]]}."
                )


def table(work: str, engines: list[Engine], bars: int) -> Table:
    """Return the medians, and how often ours goes into each."""
    ours = engines[0]
    what = "fills" if work == ACCOUNT else "trades"
    trades = f"{sum(ours.made['counts']):,} {what}, all the same"
    shown = Table(
        *("engine", "wall ms", "CPU ms", "wall / ours", "CPU / ours", "extra MB"),
        title=f"{TITLES[work]}: {bars:,} bars, {trades}",
    )
    for engine in engines:
        wall, cpu = median(engine.walls), median(engine.cpus)
        shown.add_row(
            engine.name,
            f"{wall * 1e3:,.2f}",
            f"{cpu * 1e3:,.2f}",
            f"{wall / median(ours.walls):.2f}",
            f"{cpu / median(ours.cpus):.2f}",
            f"{engine.made['megabytes']:,.0f}",
        )
    return shown


def growth() -> Table:
    """Return what a bar costs as bars and symbols become more."""
    shown = Table(
        *("times", "bars of one symbol", "CPU ns a bar", "symbols", "CPU ns a bar"),
        title="Cost as work grows",
    )
    for times in (1, 4, 16, 64):
        tall, wide = longer(generated(5_000, 1), times), generated(5_000, 4 * times)
        costs = [f"{cost_of_a_bar(bars):.1f}" for bars in (tall, wide)]
        shown.add_row(
            str(times), f"{tall.height:,}", costs[0], str(4 * times), costs[1]
        )
    return shown


def cost_of_a_bar(bars: pl.DataFrame) -> float:
    """Return the nanoseconds of CPU that a bar takes, the median of nine runs."""
    from backtest_engines.ours import prepare

    run = prepare(ONE, bars.rechunk(), 0.0)
    run()
    cpus = []
    for _ in range(9):
        begun = process_time()
        run()
        cpus.append(process_time() - begun)
    return median(cpus) / bars.height * 1e9


def longer(bars: pl.DataFrame, times: int) -> pl.DataFrame:
    """Return bars so many times over, each time later."""
    begin, end = bars["timestamp"][0], bars["timestamp"][-1]
    length = end - begin + timedelta(hours=1)
    return pl.concat(
        bars.with_columns(pl.col("timestamp") + number * length)
        for number in range(times)
    )


def cold(one: Path) -> Table:
    """Return how long a process takes from its start over a first turn to its end."""
    shown = Table(
        "process",
        "wall s",
        title="Cold: start, import, read bars, one turn of 0.3 s, end",
    )
    with tempfile.TemporaryDirectory() as cache:
        for name in ("compiles", *("reads what is compiled",) * 3):
            begun = perf_counter()
            subprocess.run(
                [sys.executable, HERE / "backtest_engines" / "ours.py", ONE, one, "0"],
                input="run\n",
                stdout=subprocess.DEVNULL,
                text=True,
                check=True,
                env={
                    **os.environ,
                    "NUMBA_CACHE_DIR": cache,
                    "PYTHONPATH": os.pathsep.join(
                        [str(HERE), str(HERE.parent / "src")]
                    ),
                },
            )
            shown.add_row(name, f"{perf_counter() - begun:.2f}")
    return shown


def python_of(name: str, environments: Path) -> Path:
    """Return the interpreter of an engine, whose environment is made when missing."""
    if name in OWN:
        return Path(sys.executable)
    folder = environments / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *PACKAGES[name]], check=True
        )
    return python


if __name__ == "__main__":
    main()
