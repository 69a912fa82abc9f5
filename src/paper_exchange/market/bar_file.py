"""A Parquet or CSV file of bars, checked and laid out as plain columns.

`python -m paper_exchange.market.bar_file FILE DIRECTORY`. It is a process of its own
because Polars needs more memory to read a file than the exchange does to trade on it.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import polars as pl

from paper_exchange.errors import StartRefused
from trading_core import bars

LENGTHS = {60, 300, 900, 1800, 3600, 86_400}
REFUSED = 3


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


def lay_out(path: Path, directory: Path, digest: str) -> None:
    """Write the bars of a file as one array a column, by symbol and time."""
    frame = read(path)
    seconds = _length(path, frame)
    directory.mkdir(exist_ok=True)
    index = directory / "index.json"
    # Without its index a directory counts as empty, so it goes first and comes last.
    index.unlink(missing_ok=True)
    columns = {name: frame[name] for name in bars.PRICES}
    columns["volume"] = frame["volume"].round().cast(pl.Int64)
    columns["start"] = frame["timestamp"].dt.epoch("ns")
    for name, column in columns.items():
        fresh = directory / "fresh.npy"
        np.save(fresh, column.to_numpy())
        # An exchange that runs on the old file keeps it.
        os.replace(fresh, directory / f"{name}.npy")
    counts = frame.group_by("symbol", maintain_order=True).len().rows()
    known = {"sha256": digest, "seconds": seconds, "counts": counts}
    written = index.with_suffix(".tmp")
    written.write_text(json.dumps(known), "utf-8")
    os.replace(written, index)


if __name__ == "__main__":
    try:
        lay_out(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except StartRefused as refusal:
        sys.stderr.write(f"{refusal}\n")
        sys.exit(REFUSED)
