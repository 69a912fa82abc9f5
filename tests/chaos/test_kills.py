"""Every process killed while market time moves: nothing is lost and nothing doubled."""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

import httpx
import pytest
from judge import judge
from stack import Stack, running_stack

from trading_system.runtime import status
from trading_system.vocabulary import ServiceName

pytestmark = [pytest.mark.chaos, pytest.mark.long, pytest.mark.timeout(1800)]

CHAIN = (*(str(name) for name in ServiceName), "exchange", "postgres")
"""Without one of these market time stands until it is back."""

AROUND = ("valkey", "gateway", "flows", "prefect")
"""Without these it goes on."""

STRATEGIES, SYMBOLS, BARS = 1, 4, 7
PATIENCE = 240.0


@pytest.fixture
def stack(request: pytest.FixtureRequest, replay: str) -> Iterator[Stack]:
    """A stack that has begun to trade, from one day to another, in lockstep."""
    first, last = request.param
    days = ("--from", first, "--to", last, "--speed", "max")
    with running_stack("--replay", replay, *days) as stack:
        yield stack


def moves_on(stack: Stack, since: datetime | None = None) -> datetime:
    """Wait until market time is another one, and return it at that very moment."""
    deadline = time.monotonic() + PATIENCE
    while True:
        log = (stack.data / "up.log").read_text()
        assert "market time has reached its end" not in log, "nothing left to disturb"
        assert time.monotonic() < deadline, log[-3000:]
        now: datetime | None = since
        with suppress(httpx.HTTPError):
            now = stack.market_time()
        if since is None:
            since = now
        elif now is not None and now != since:
            return now
        time.sleep(0.02)


def is_back(stack: Stack, name: str, killed: int) -> bool:
    """Say whether another process has taken the place of a killed one."""
    found = asyncio.run(status.read_status(stack.place))
    return found is not None and any(
        part.name == name and part.state == "ready" and part.pid not in (None, killed)
        for part in found.components
    )


def kill(stack: Stack, name: str) -> None:
    """Kill a process, and start the stack again when it was the supervisor."""
    stack.kill(name)
    if name == "supervisor":
        stack.start()


def hold(stack: Stack) -> dict[str, int]:
    """Let the run reach its end; return what was counted in books that hold."""
    stack.wait_for_end(900)
    counted = judge(stack)
    doctor = stack.cli("doctor", "--books", timeout=240)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    return counted


@pytest.mark.parametrize("stack", [("2015-03-09", "2015-04-24")], indirect=True)
def test_each_process_may_be_killed_and_the_books_hold(stack: Stack) -> None:
    given = os.environ.get("CHAOS_SEED")
    seed = int(given) if given else random.SystemRandom().randrange(1_000_000)
    print(f"CHAOS_SEED={seed}")
    dice = random.Random(seed)
    names = [*AROUND, *CHAIN, "supervisor"]
    # Each for certain, the next when the chain is whole again.
    now = moves_on(stack)
    for name in names:
        killed = 0 if name == "supervisor" else stack.pid_of(name)
        kill(stack, name)
        if name in CHAIN:
            deadline = time.monotonic() + PATIENCE
            while not is_back(stack, name, killed):
                assert time.monotonic() < deadline, f"{name} did not come back"
                time.sleep(0.1)
        now = moves_on(stack, now)
    # Then each at any moment, whatever else is away.
    dice.shuffle(names)
    for name in names:
        time.sleep(dice.uniform(0.0, 3.0))
        print(name)
        try:
            kill(stack, name)
        except (ProcessLookupError, StopIteration):
            # It is being started again at the moment.
            continue
        if dice.random() < 0.5:
            moves_on(stack)
    counted = hold(stack)
    assert counted["decisions"] % (STRATEGIES * SYMBOLS * BARS) == 0
    assert counted["fills"] >= 2, counted
