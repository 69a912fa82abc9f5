"""What runs in the processes of a seed: the real programs, in a hurry.

The programs are the shipped ones. Their patience with each other is cut (time-outs of
seconds instead of minutes), so that a seed is over in seconds; nothing else differs.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from trading_chaos import mutants

import paper_exchange.__main__ as exchange
import trading_analytics.app
import trading_execution.app
import trading_execution.workers
import trading_notification.app
import trading_risk.app
from trading_execution.adapters import alpaca, alpaca_stream, rate
from trading_execution.domain.lookup import Patience
from trading_execution.operations import reconcile, resolve, submit
from trading_system import clock, consumer
from trading_system.crash import VARIABLE, crash_point
from trading_system.worker import Worker

HURRY: Mapping[tuple[object, str], object] = {
    (alpaca, "TIMEOUT"): httpx.Timeout(1.0, connect=0.5),
    (alpaca_stream, "LONGEST_PAUSE"): 1.0,
    (alpaca_stream, "WRONG_KEYS_PAUSE"): 1.0,
    (rate, "PATIENCE"): 2.0,
    (submit, "DEADLINE"): 1.0,
    (resolve, "CALL_TIME"): timedelta(seconds=3),
    (reconcile, "FRESH"): timedelta(seconds=4),
    (trading_execution.workers, "IN_SESSION"): 2.0,
    (trading_execution.app, "SIMULATED"): Patience(
        timedelta(seconds=1.5), timedelta(seconds=8)
    ),
    (consumer, "RETRIES"): tuple(timedelta(seconds=s) for s in (1, 1, 1, 2, 2)),
    (Worker, "MAX_PAUSE"): 1.0,
}
"""Constants and their value here; each must exist where it is set."""


@dataclass(frozen=True, slots=True)
class Part:
    """A process of a seed: which program, with which environment."""

    name: str
    program: str
    port: int
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    mutant: str | None = None
    hurried: bool = True


def run(part: Part, crash_at: str, jump: "Synchronized[float]") -> None:
    """Be this part until killed; the process kills itself at `crash_at`."""
    log = os.open(part.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.environ.update(part.environment)
    os.environ[VARIABLE] = crash_at
    if part.program == "exchange":
        sys.exit(exchange.main(part.arguments))
    if part.hurried:
        _hurry()
    _let_the_clock_jump(jump)
    _add_crash_points()
    if part.mutant is not None:
        mutants.MUTANTS[part.mutant].apply()
    create: Callable[[], Any] = {
        "analytics": trading_analytics.app.create,
        "execution": trading_execution.app.create,
        "notification": trading_notification.app.create,
        "risk": trading_risk.app.create,
    }[part.program]
    app = create()
    app.state.database.committed.insert(0, _before_the_bell)
    uvicorn.run(
        app, host="127.0.0.1", port=part.port, log_level="warning", access_log=False
    )


def _hurry() -> None:
    for (where, name), value in HURRY.items():
        if not hasattr(where, name):
            raise AttributeError(f"{where} has no {name} any more")
        setattr(where, name, value)
    refused = rate.TokenBucket.refused
    # The broker's minute of silence after a 429 is a second here.
    setattr(
        rate.TokenBucket,
        "refused",
        lambda self, seconds: refused(self, min(seconds, 1.0)),
    )


def _let_the_clock_jump(jump: "Synchronized[float]") -> None:
    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=jump.value)

    setattr(clock, "datetime", Shifted)


def _add_crash_points() -> None:
    handle = consumer.Consumer._handle_once

    def handled(self: Any, tx: Any, rows: Any) -> bool:
        done = handle(self, tx, rows)
        crash_point("mid_batch")
        return done

    setattr(consumer.Consumer, "_handle_once", handled)


def _before_the_bell(topics: list[str], sequence: int) -> None:
    crash_point("before_bell")
