"""What the supervisor runs: processes that stay, and steps between them."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from trading_system.runtime import probe
from trading_system.runtime.account import Account


@dataclass(frozen=True)
class Step:
    """Something that is done once, after other things are ready."""

    name: str
    run: Callable[[], Awaitable[None]]
    after: Sequence[str] = ()


@dataclass(frozen=True)
class Component:
    """A process that is kept running.

    It is ready when `ready`, asked with the process id, says so; else when `health`
    answers 200 with the mark of this run; else at once. `prepare` runs before each
    start. The first start may take several `attempts`; after it there is no end to
    them.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    after: Sequence[str] = ()
    url: str | None = None
    health: str | None = None
    ready: Callable[[int], Awaitable[bool]] | None = None
    prepare: Callable[[], None] | None = None
    account: Account = field(default_factory=Account)
    stop_signal: int = signal.SIGTERM
    # Far more than a start takes: a machine that has much to do is only slow.
    patience: float = 300.0
    attempts: int = 1

    async def is_ready(self, pid: int, run_id: str) -> bool:
        """Return whether the process can do its work."""
        if self.ready is not None:
            return await self.ready(pid)
        return self.health is None or await probe.is_well(self.health, run_id)


Unit = Step | Component

# Every secret and every address comes from the plan below, never from the shell.
OWN_PREFIXES = (
    "ALPACA_",
    "ALERT_",
    "APCA_",
    "DATABASE_",
    "EXCHANGE_",
    "LOG_",
    "POSTGRES_",
    "PREFECT_",
    "PG",
    "REDIS_",
    "SERVICE_",
    "SESSION_SECRET",
    "SIMULATION_",
    "SMTP_",
    "STRATEGIES_",
    "STRATEGY_",
    "TRADING_",
)


def shared_environment() -> dict[str, str]:
    """Return what a child inherits from our own environment: no setting, no secret."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(OWN_PREFIXES)
    }
    # Threads share two heaps instead of having one each: glibc frees more.
    return kept | {
        "MALLOC_ARENA_MAX": "2",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
    }


async def in_thread(check: Callable[[], bool]) -> bool:
    """Ask a blocking check without holding up the supervisor."""
    return await asyncio.get_running_loop().run_in_executor(None, check)
