"""How long an order takes from the bars' commit until the exchange has accepted it.

`python benchmarks/latency.py [--batches N]` starts the whole stack in a temporary data
directory, in lockstep on bars made for it: flat prices, and a strategy that buys all
25 symbols at one bar's end and sells them at the next. Of each batch the last order
counts. Stamps are PostgreSQL's and execution's own; that every order is at the exchange
is read from the exchange's tape. Both ends are on the careful side: a bar counts from
the moment its event was written, before its commit, and an order is accepted when
execution has read the exchange's answer. The first session is traded and not counted:
it is when every process does everything for the first time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, create_engine, text

from trading_core.calendar import Calendar, xnys_sessions
from trading_system.runtime import urls
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.databases import OWNER
from trading_system.runtime.secrets import Secrets

PORT_BASE = 21800
SYMBOLS = [f"B{number:02d}" for number in range(25)]
BEFORE, BEGIN = date(2015, 3, 2), date(2015, 4, 6)
A_DAY = 6
"""Batches of a session: its last bar signals nothing, for nothing fills after it."""

HIGH, QUIET, LOW = 4e8, 1e8, 1e7
"""Shares an hour: buy, nothing, sell. Even the least fills every order whole."""

GOAL = 250.0
"""Milliseconds within which 99 of 100 batches should have their last order accepted."""

PLUGIN = '''
"""Buy after a bar of high volume, sell after one of low volume."""

import polars as pl

from trading_core.strategy import Parameters, Strategy, signal


class VolumeParameters(Parameters):
    """Nothing to choose."""


class Volume(Strategy[VolumeParameters], name="volume_strategy"):
    """Follow the volume, which the benchmark makes alternate."""

    def warmup(self) -> int:
        return 2

    def signals(self, bars: pl.LazyFrame) -> pl.LazyFrame:
        volume = pl.col("volume")
        return bars.with_columns(signal=signal(buy=volume > 2e8, sell=volume < 5e7))
'''

# One share each: the exchange fills some orders in parts, and one share has none.
STRATEGIES = """
strategies:
  - name: volume_strategy
    enabled: true
    parameters:
      max_position_size: 0.0015
"""

STAGES = ("signals", "approvals", "submitted", "accepted")

BATCHES = """
with bars as (
  select cast(payload ->> 'bar_end' as timestamptz) as bar_end, occurred_at as at
  from shared.events where topic = 'ingestion.bars_ingested'),
signals as (
  select cast(payload ->> 'signal_id' as uuid) as signal_id,
    cast(payload ->> 'bar_end' as timestamptz) as bar_end, occurred_at as at
  from shared.events where topic = 'strategy.signal_generated'),
approvals as (
  select cast(payload ->> 'signal_id' as uuid) as signal_id, occurred_at as at
  from shared.events where topic = 'risk.order_approved')
select b.bar_end, count(o.order_id) as orders,
  count(distinct s.signal_id) as signals,
  extract(epoch from max(s.at) - b.at) * 1000 as signals_ms,
  extract(epoch from max(a.at) - b.at) * 1000 as approvals_ms,
  extract(epoch from max(o.submitted_at) - b.at) * 1000 as submitted_ms,
  extract(epoch from max(o.accepted_at) - b.at) * 1000 as accepted_ms
from bars b join signals s using (bar_end) left join approvals a using (signal_id)
left join execution.orders o using (signal_id)
group by b.bar_end, b.at order by b.bar_end
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=60)
    options = parser.parse_args()
    days = 1 + -(-options.batches // A_DAY)
    console = Console(width=88)
    with tempfile.TemporaryDirectory(prefix="trading-latency-") as place:
        # Servers may run under another account, which must be able to enter.
        Path(place).chmod(0o755)
        sessions = write_bars(Path(place) / "bars.parquet", days)
        found = measure(Path(place), sessions, days * A_DAY)[A_DAY:]
    console.print(table(found))
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    console.print(
        f"{psutil.cpu_count()} cores, load {load}; {len(found)} batches of"
        f" {len(SYMBOLS)} orders"
    )
    p99 = float(np.percentile([row["accepted"] for row in found], 99))
    console.print(f"p99 {p99:.0f} ms, goal {GOAL:.0f} ms")


def write_bars(path: Path, days: int) -> list[date]:
    """Write bars whose volume alternates; return the sessions to be traded."""
    calendar = Calendar(xnys_sessions(BEFORE, BEGIN + timedelta(days=2 * days + 10)))
    traded = [s for s in calendar.sessions if s.day >= BEGIN][:days]
    rows = []
    for session in calendar.sessions:
        if session.day > traded[-1].day:
            break
        bars = calendar.bars(session, "1Hour")
        for place, (start, _) in enumerate(bars):
            quiet = session.day < BEGIN or place >= A_DAY
            volume = QUIET if quiet else (HIGH if place % 2 == 0 else LOW)
            rows += [(symbol, start, volume) for symbol in SYMBOLS]
    frame = pl.DataFrame(
        rows,
        schema={
            "symbol": pl.String(),
            "timestamp": pl.Datetime("us", "UTC"),
            "volume": pl.Float64(),
        },
        orient="row",
    )
    price = pl.lit(100.0)
    frame.with_columns(open=price, high=price, low=price, close=price).sort(
        "symbol", "timestamp"
    ).write_parquet(path)
    return [session.day for session in traded]


def measure(place: Path, sessions: list[date], batches: int) -> list[dict[str, Any]]:
    """Trade the sessions; return each batch with its stages in milliseconds."""
    (place / "strategies").mkdir()
    (place / "strategies" / "volume.py").write_text(PLUGIN)
    (place / "strategies.yaml").write_text(STRATEGIES)
    trading(
        place,
        *("up", "--detach", "--no-browser", "--port-base", str(PORT_BASE)),
        *("--replay", str(place / "bars.parquet"), "--speed", "max"),
        *("--from", sessions[0].isoformat(), "--to", sessions[-1].isoformat()),
    )
    try:
        data = DataDirectory(place / "data")
        engine = create_engine(owner_url(data))
        wait(engine, batches * len(SYMBOLS))
        with engine.connect() as connection:
            rows = [row._asdict() for row in connection.execute(text(BATCHES))]
            names = set(
                connection.scalars(text("select client_order_id from execution.orders"))
            )
        engine.dispose()
        require_whole(rows, batches, names, data)
    finally:
        trading(place, "down")
    return [{stage: float(row[f"{stage}_ms"]) for stage in STAGES} for row in rows]


def wait(engine: Engine, orders: int, patience: float = 60) -> None:
    """Wait until all orders are accepted, as long as more and more are."""
    count = text("select count(*) from execution.orders where accepted_at is not null")
    accepted, deadline = 0, time.monotonic() + patience
    while accepted < orders:
        with engine.connect() as connection:
            now = connection.scalar(count) or 0
        if now > accepted:
            accepted, deadline = now, time.monotonic() + patience
        if time.monotonic() > deadline:
            raise SystemExit(f"{accepted} of {orders} orders were accepted.")
        time.sleep(0.5)


def require_whole(
    rows: list[dict[str, Any]], batches: int, names: set[str], data: DataDirectory
) -> None:
    """Refuse to measure unless every batch became 25 orders that the exchange has."""
    assert len(rows) == batches, (len(rows), batches)
    short = [row for row in rows if row["orders"] != len(SYMBOLS)]
    assert not short, short[:3]
    (tape,) = data.root.rglob("tape.jsonl")
    known = {
        said
        for line in tape.read_text().splitlines()
        for said in [_client_order_id(json.loads(line))]
        if said
    }
    assert names <= known, f"{len(names - known)} orders are not on the tape"


def _client_order_id(entry: dict[str, Any]) -> str | None:
    found = entry.get("client_order_id") or (entry.get("order") or {}).get(
        "client_order_id"
    )
    return str(found) if found else None


def owner_url(data: DataDirectory) -> str:
    """Return the stack's database, as its owner."""
    ports = json.loads(data.ports.read_text()) if data.ports.exists() else {}
    port = ports.get("postgres", PORT_BASE + 9)
    password = Secrets.open(data.secrets).role_password(OWNER)
    return urls.postgres(OWNER, password, port, "trading_system")


def table(found: list[dict[str, Any]]) -> Table:
    """Return the stages: milliseconds after the bars, for the last of a batch."""
    shown = Table("stage, last of 25", "p50 ms", "p90 ms", "p99 ms", "max ms")
    for stage in STAGES:
        values = [row[stage] for row in found]
        cells = [f"{np.percentile(values, p):.0f}" for p in (50, 90, 99, 100)]
        shown.add_row(stage, *cells)
    return shown


def trading(place: Path, *words: str) -> None:
    """Run a command of `trading` on this stack."""
    environment = {
        **os.environ,
        "TRADING_ENV_FILE": "",
        "STRATEGY_DIRS": str(place / "strategies"),
        "STRATEGIES_FILE": str(place / "strategies.yaml"),
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "trading_system.cli", *words),
            *("--data-dir", str(place / "data")),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
