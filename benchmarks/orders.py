"""Orders through the whole protocol: how many a second, how long, and after a kill.

`python benchmarks/orders.py [--bursts N] [--kills N]` starts PostgreSQL, Valkey, the
paper exchange, and risk and execution twice each, all as they are shipped, and plays
strategies: 120 signals at once to buy, then as many to sell. Every signal must become
one order that is filled, and at the end nothing may be held and the judge of
`trading-chaos` must find nothing, or no figure is printed.

Half of the bursts are written with commits that wait for the disk and half without:
the difference is PostgreSQL's commit. Then each part is killed in the middle of ten
signals and started at once; it has recovered when everything that was under way is
clear again and a new signal's order stands at the exchange.
"""

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from psycopg2 import sql
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from trading_chaos import oracle
from trading_chaos.cell import SPEED, Cell, context
from trading_chaos.plan import MANY, SYMBOLS
from trading_chaos.servers import Servers, running_servers

from trading_system.clock import monotonic, sleep
from trading_system.contracts.strategy import SignalGenerated
from trading_system.database import Database, Transaction
from trading_system.runtime import databases
from trading_system.vocabulary import (
    TIMEFRAME,
    Side,
    correlation_id,
    decision_id,
    signal_id,
)

DURABLE = {"track_wal_io_timing": "on"}
"""PostgreSQL as it is shipped: a commit is on the disk before it is answered."""

STRATEGIES = (*MANY, "amber", "birch")
SIZES = {name: 0.005 * (number % 12 + 1) for number, name in enumerate(STRATEGIES)}
"""Up to which share of the account a strategy may bring a symbol: each by another five
hundred dollars, for what others hold of it counts."""

LISTENER = "analytics"
PATIENCE = 300.0
GOAL = 5.0
"""Seconds after a part is back within which 95 of 100 recoveries should be over."""

STAGES = ("approved", "claimed", "sent", "accepted", "booked")

WAYS = """
select
  extract(epoch from a.occurred_at - s.occurred_at) * 1000 as approved,
  extract(epoch from t.claimed_at - a.occurred_at) * 1000 as claimed,
  extract(epoch from o.submitted_at - t.claimed_at) * 1000 as sent,
  extract(epoch from o.accepted_at - o.submitted_at) * 1000 as accepted,
  extract(epoch from e.recorded_at - o.accepted_at) * 1000 as booked,
  extract(epoch from e.recorded_at - s.occurred_at) * 1000 as whole,
  extract(epoch from s.occurred_at) as began,
  extract(epoch from o.accepted_at) as ended
from execution.orders o
join shared.events s on s.topic = 'strategy.signal_generated'
  and cast(s.payload ->> 'signal_id' as uuid) = o.signal_id
join shared.events a on a.topic = 'risk.order_approved'
  and cast(a.payload ->> 'signal_id' as uuid) = o.signal_id
join execution.submit_attempts t on t.order_id = o.order_id and t.attempt = 1
join lateral (select min(recorded_at) as recorded_at from execution.trades x
  where x.order_id = o.order_id) e on true
where o.status = 'FILLED' and o.submitted_at is not null
  and o.signal_id = any(cast(:signals as uuid[]))
"""

FLUSHED = """
select coalesce(sum(fsyncs), 0), coalesce(sum(fsync_time), 0) / 1000.0 from pg_stat_io
where object = 'wal'
"""


@dataclass
class Burst:
    """Signals that came at once, and what became of them."""

    durable: bool
    rows: list[dict[str, float]]
    flushes: int
    flushing: float

    @property
    def seconds(self) -> float:
        """From the first signal's event until the last order was accepted."""
        began = min(row["began"] for row in self.rows)
        return max(row["ended"] for row in self.rows) - began

    @property
    def rate(self) -> float:
        """Orders a second."""
        return len(self.rows) / self.seconds


@dataclass
class Recovery:
    """One kill: how long the part was away, and what it took from then on."""

    away: float
    clear: float
    trading: float


@dataclass
class Bench:
    """The processes, and what strategies say to them."""

    cell: Cell
    servers: Servers
    number: int = 0

    def __post_init__(self) -> None:
        self.database = Database(self.cell.engine, Transaction)

    def say(self, side: str, pairs: Iterable[tuple[str, str]]) -> list[str]:
        """Publish a signal of each symbol and strategy; return the signals' ids."""
        self._be_early()
        self.number += 1
        now = self.cell.market_time()
        bar_end = self.cell.opened + timedelta(seconds=self.number)
        events = [self._signal(side, *pair, bar_end, now) for pair in pairs]
        while True:
            try:
                with self.database.transaction() as tx:
                    for event in events:
                        tx.publish(event)
                    tx.session.flush()
                    for symbol in {event.symbol for event in events}:
                        self._close(tx, symbol, bar_end)
                break
            except SQLAlchemyError:
                sleep(0.05)
        return [str(event.signal_id) for event in events]

    def _be_early(self) -> None:
        """Begin the next session when this one is nearly over."""
        now = self.cell.market_time()
        begins = self.cell.opened
        while begins + timedelta(hours=3) < now:
            begins += timedelta(days=1)
        if now < begins:
            self.cell.control("clock", advance_to=begins.isoformat())
            self.cell.control("clock", run=SPEED)

    def _signal(
        self, side: str, symbol: str, strategy: str, bar_end: datetime, now: datetime
    ) -> SignalGenerated:
        decision = decision_id(strategy, symbol, TIMEFRAME, bar_end)
        return SignalGenerated(
            correlation_id=correlation_id(symbol, TIMEFRAME, bar_end),
            signal_id=signal_id(decision),
            decision_id=decision,
            strategy=strategy,
            strategy_version=1,
            symbol=symbol,
            side=Side(side),
            timeframe=TIMEFRAME,
            bar_start=bar_end - timedelta(hours=1),
            bar_end=bar_end,
            decision_price=oracle.money(self.cell.closes[symbol]),
            reason="benchmark",
            max_position_size=SIZES[strategy],
            may_trade=True,
            session_closed=False,
            valid_until=now + timedelta(hours=12),
            market_time=now,
        )

    def _close(self, tx: Transaction, symbol: str, bar_end: datetime) -> None:
        tx.session.execute(
            text(oracle.BAR),
            {
                "symbol": symbol,
                "start": bar_end - timedelta(hours=1),
                "end": bar_end,
                "close": self.cell.closes[symbol],
                "timeframe": TIMEFRAME,
            },
        )

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something, and tend to whoever has ended."""

        def tended() -> bool:
            self.cell.tend()
            return holds()

        self.cell.until(tended, PATIENCE, what)

    def count(self, query: str, **values: Any) -> int:
        """Return a number from the database, -1 while it is away."""
        found = self.cell.scalar(query, **values)
        return -1 if found is None else int(found)

    # How many, and how long -------------------------------------------------------

    def burst(self, side: str, *, durable: bool) -> Burst:
        """Send 120 signals at once and follow each until its execution is booked."""
        self._commits(durable)
        before = self._flushed()
        pairs = [(symbol, strategy) for symbol in SYMBOLS for strategy in MANY]
        signals = self.say(side, pairs)
        rows: list[dict[str, float]] = []

        def booked() -> bool:
            with self.cell.engine.connect() as connection:
                found = connection.execute(text(WAYS), {"signals": signals})
                rows[:] = [
                    {name: float(value) for name, value in row._asdict().items()}
                    for row in found
                ]
            return len(rows) == len(pairs)

        try:
            self.until(booked, "")
        except TimeoutError:
            raise SystemExit(
                f"{len(rows)} of {len(pairs)} signals became filled orders:"
                f" {self._denied(signals)}"
            ) from None
        after = self._flushed()
        return Burst(durable, rows, after[0] - before[0], after[1] - before[1])

    def _commits(self, durable: bool) -> None:
        value = sql.Literal("on" if durable else "off")
        with databases.connected(self.servers.postgres.url()) as connection:
            with connection.cursor() as cursor:
                cursor.execute(
                    sql.SQL("alter system set synchronous_commit = {}").format(value)
                )
                cursor.execute("select pg_reload_conf()")
        # Whoever is connected takes it up before its next statement.
        sleep(0.2)

    def _flushed(self) -> tuple[int, float]:
        with self.cell.engine.connect() as connection:
            count, seconds = connection.execute(text(FLUSHED)).one()
        return int(count), float(seconds)

    def _denied(self, signals: list[str]) -> dict[str, int]:
        with self.cell.engine.connect() as connection:
            rows = connection.execute(
                text(
                    "select code, count(*) from risk_management.risk_outcomes where"
                    " signal_id = any(cast(:signals as uuid[])) group by 1"
                ),
                {"signals": signals},
            )
            return {row[0]: row[1] for row in rows}

    # After a kill -----------------------------------------------------------------

    def recover(self, victim: str, side: str) -> Recovery:
        """Kill a part in the middle of ten signals; wait until all is well again."""
        under_way = self.say(side, [(symbol, "amber") for symbol in SYMBOLS])
        # Somewhere between the signals and their executions.
        sleep(0.1)
        killed = monotonic()
        self._kill(victim)
        self.until(lambda: self._answers(victim), f"{victim} did not come back")
        back = monotonic()
        clear = trading = 0.0
        asked: list[str] = []
        again = back
        while not (clear and trading):
            self.cell.tend()
            now = monotonic()
            if not trading and now >= again:
                asked += self.say(side, [(SYMBOLS[self.number % 10], "birch")])
                again = now + 0.5
            if not clear and self._is_clear(under_way):
                clear = monotonic() - back
            if not trading and self._has_accepted(asked):
                trading = monotonic() - back
            if now - back > PATIENCE:
                raise SystemExit(f"{victim}: {self._denied(under_way + asked)}")
            sleep(0.02)
        self.until(lambda: self._is_clear(asked), "an order stays unclear")
        return Recovery(back - killed, clear, trading)

    def _kill(self, victim: str) -> None:
        if victim in ("postgres", "valkey"):
            getattr(self.servers, f"kill_{victim}")()
            return
        names = [name for name in self.cell.processes if name.startswith(victim)]
        for name in names:
            self.cell.processes[name].kill()
        self.cell.tend()

    def _answers(self, victim: str) -> bool:
        if victim in ("postgres", "valkey"):
            return True
        names = [name for name in self.cell.processes if name.startswith(victim)]
        for name in names:
            path = "/health" if name == "exchange" else "/health/live"
            try:
                if not self.cell.http.get(self.cell.base(name) + path).is_success:
                    return False
            except httpx.HTTPError:
                return False
        return True

    def _is_clear(self, signals: list[str]) -> bool:
        unclear = self.count(
            "select count(*) from unnest(cast(:signals as uuid[])) s(signal_id)"
            " left join risk_management.risk_outcomes r using (signal_id)"
            " left join execution.orders o on o.order_id = r.order_id"
            " where r.signal_id is null or r.order_id is not null and"
            " coalesce(o.status, 'READY') in ('READY', 'SUBMITTING', 'UNKNOWN')",
            signals=signals,
        )
        return unclear == 0

    def _has_accepted(self, signals: list[str]) -> bool:
        return 0 < self.count(
            "select count(*) from execution.orders where accepted_at is not null"
            " and signal_id = any(cast(:signals as uuid[]))",
            signals=signals,
        )


TWICE = ("execution", "risk")
VICTIMS = ("execution", "risk", "exchange", "postgres", "valkey")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bursts", type=int, default=4, help="of each kind")
    parser.add_argument("--kills", type=int, default=10, help="of each part")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with running_servers(DURABLE) as servers:
        directory = Path(tempfile.mkdtemp(prefix="orders-", dir=servers.root))
        cell = Cell(servers, directory, "orders", context(), hurried=False)
        try:
            cell.open({}, SYMBOLS, LISTENER)
            bursts, recoveries = measure(Bench(cell, servers), options)
            require_whole(cell)
        finally:
            cell.close()
            shutil.rmtree(directory, ignore_errors=True)
    console = Console(width=88)
    console.print(rates(bursts))
    console.print(stages([b for b in bursts if b.durable]))
    console.print(after_kills(recoveries))
    busy = ": a busy machine, these are not its best" if load > 1 else ""
    console.print(f"{psutil.cpu_count()} cores, load {load:.1f} before{busy}")


def measure(
    bench: Bench, options: argparse.Namespace
) -> tuple[list[Burst], dict[str, list[Recovery]]]:
    """Return bursts of both kinds, in turn, and the recoveries of each part."""
    # The first ones are when every process does everything for the first time.
    for side in ("buy", "sell"):
        bench.burst(side, durable=True)
    bursts: list[Burst] = []
    for number in range(options.bursts):
        # In turn, and each kind first in turn: what is bought is sold alike.
        for durable in (True, False) if number % 2 == 0 else (False, True):
            bursts += [bench.burst(side, durable=durable) for side in ("buy", "sell")]
    bench._commits(True)
    recoveries = {
        victim: [
            bench.recover(victim, "buy" if number % 2 == 0 else "sell")
            for number in range(options.kills)
        ]
        for victim in VICTIMS
    }
    for strategy in ("amber", "birch"):
        bench.say("sell", [(symbol, strategy) for symbol in SYMBOLS])
    return bursts, recoveries


def require_whole(cell: Cell) -> None:
    """Refuse to print anything about a run in which the judge finds a fault."""
    close = cell.market_time() + timedelta(days=1)
    cell.control("clock", advance_to=close.isoformat())
    cell.control("clock", run=SPEED)
    queries = (*oracle.UNCLEAR.values(), *oracle.unended(LISTENER).values())

    def rests() -> bool:
        return not any(cell.scalar(query) for query in queries)

    cell.until(rests, PATIENCE, "not at rest")
    judged = oracle.judge(cell, LISTENER)
    if judged.violations:
        raise SystemExit("\n".join(judged.violations))
    held = cell.broker("/v2/positions")
    if held:
        raise SystemExit(f"not everything was sold: {held}")


def rates(bursts: list[Burst]) -> Table:
    """Return orders a second, with and without waiting for the disk."""
    shown = Table(
        "commits", "bursts", "orders/s", "median s", "flushes/order", "in them"
    )
    median = {}
    for durable in (True, False):
        found = [each for each in bursts if each.durable is durable]
        median[durable] = statistics.median(each.seconds for each in found)
        orders = sum(len(each.rows) for each in found)
        seconds = sum(each.seconds for each in found)
        shown.add_row(
            "wait for the disk" if durable else "do not wait",
            str(len(found)),
            f"{orders / seconds:.1f}",
            f"{median[durable]:.2f}",
            f"{sum(each.flushes for each in found) / orders:.1f}",
            f"{sum(each.flushing for each in found) / seconds:.0%}",
        )
    shown.caption = (
        "PostgreSQL's commit is"
        f" {max(0.0, 1 - median[False] / median[True]):.0%} of the time"
    )
    return shown


def stages(bursts: list[Burst]) -> Table:
    """Return how long each order spent from stage to stage, in milliseconds."""
    shown = Table("from the stage before", "p50 ms", "p99 ms", "max ms")
    for stage in (*STAGES, "whole"):
        values = [row[stage] for burst in bursts for row in burst.rows]
        cells = [f"{np.percentile(values, p):.0f}" for p in (50, 99, 100)]
        shown.add_row("signal to booked" if stage == "whole" else stage, *cells)
    return shown


def after_kills(recoveries: dict[str, list[Recovery]]) -> Table:
    """Return what it took after each kind of kill."""
    shown = Table(
        "killed", "times", "away p50 s", "clear p95 s", "trades p95 s", "goal"
    )
    for victim, found in recoveries.items():
        clear = float(np.percentile([each.clear for each in found], 95))
        trading = float(np.percentile([each.trading for each in found], 95))
        shown.add_row(
            f"{victim}, both of it" if victim in TWICE else victim,
            str(len(found)),
            f"{statistics.median(each.away for each in found):.1f}",
            f"{clear:.1f}",
            f"{trading:.1f}",
            "met" if max(clear, trading) <= GOAL else f"missed ({GOAL:.0f} s)",
        )
    return shown


if __name__ == "__main__":
    main()
