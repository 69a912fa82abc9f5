"""How market time follows the machine's: stopped, or at a speed.

The machine's clock is read here for pacing only; what time it is on the market is the
exchange's own `now`.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from paper_exchange.exchange import Exchange
from paper_exchange.instants import MINUTE, SECOND

# Pauses of the machine between two looks at the clock. A request looks by itself, so at
# low speed, where a pause is little market time, they need not be short.
TICK_SECONDS = 0.02
SLOW_TICK_SECONDS = 0.1
SLOW = 2.0
# Time passes this long around a session when closed hours are skipped.
LINGER = MINUTE
# A killed process comes back at the end of the time it had reserved, never before.
LEASE_SECONDS = 1.0
# What happens in one stride is kept in one piece, which needs memory.
STRIDE = 10 * MINUTE
FASTEST = 100_000.0


@dataclass(frozen=True, slots=True)
class Anchor:
    """A market time and the machine's time that belongs to it."""

    market: int
    machine: float


class Pacer:
    """Moves the exchange along, by hand or by itself."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        facts = exchange.store.facts()
        self.speed = float(facts.get("speed", 1.0))
        self.skip_closed = facts.get("skip_closed") == "1"
        self.is_running = False
        self._anchor = Anchor(exchange.now, time.monotonic())
        self._reserved = int(facts.get("reserved", 0))
        self._moving = asyncio.Lock()
        self.after_step: list[Callable[[], None]] = []
        if facts.get("running") == "1":
            if self._reserved > exchange.now:
                exchange.advance(self._reserved)
            self.run(self.speed, self.skip_closed)

    @property
    def is_at_end(self) -> bool:
        """Whether there are no prices beyond now."""
        return self._exchange.now >= self._exchange.market.source.end

    def run(self, speed: float, skip_closed: bool) -> None:
        """Let time pass by itself, `speed` seconds of market in one of the machine."""
        self.catch_up()
        self.speed, self.skip_closed, self.is_running = speed, skip_closed, True
        self._anchor = Anchor(self._exchange.now, time.monotonic())
        self._keep("run")

    def stop(self) -> None:
        """Let time stand still."""
        self.catch_up()
        self._stand()

    def _stand(self) -> None:
        self.is_running = False
        self._keep("stop")

    def _keep(self, what: str) -> None:
        self._exchange.journal.note(
            "clock",
            {"event": what, "speed": self.speed, "skip_closed": self.skip_closed},
        )
        self._exchange.journal.commit(
            running=str(int(self.is_running)),
            speed=str(self.speed),
            skip_closed=str(int(self.skip_closed)),
        )

    def catch_up(self) -> None:
        """Bring the market to the time it should have by now."""
        if not self.is_running or self._moving.locked():
            return
        self._step(self._due(time.monotonic()))

    def _due(self, machine: float) -> int:
        passed = machine - self._anchor.machine
        due = self._anchor.market + int(passed * self.speed * SECOND)
        if not self.skip_closed:
            return due
        sessions, now = self._exchange.sessions, self._exchange.now
        wakes = sessions.next_open(now) - LINGER
        closed = sessions.closed(now)
        sleeps = closed.close + LINGER if closed else now
        is_closed = sessions.open_at(now) is None
        if is_closed and now < wakes and (due >= sleeps or now >= sleeps):
            # What passed beyond the close is given back: the jump costs no time.
            self._anchor = Anchor(wakes, machine)
            return wakes
        if not is_closed:
            return min(due, sessions.next_close(now) + LINGER)
        return due

    def _step(self, due: int) -> None:
        exchange = self._exchange
        if due <= exchange.now:
            return
        exchange.advance(due)
        if exchange.now > self._reserved:
            ahead = int(LEASE_SECONDS * self.speed * SECOND)
            self._reserved = exchange.now + ahead
            exchange.journal.commit(reserved=str(self._reserved))
        elif exchange.journal.has_changes:
            exchange.journal.commit()
        self._tell()
        if self.is_at_end:
            self._stand()

    def _tell(self) -> None:
        for told in self.after_step:
            told()

    async def advance_to(self, instant: int, what: str) -> None:
        """Let everything up to an instant happen, and stop there."""
        async with self._moving:
            self.is_running = False
            exchange = self._exchange
            while exchange.now < instant and not self.is_at_end:
                exchange.advance(min(instant, exchange.now + STRIDE))
                if exchange.journal.has_changes:
                    exchange.journal.commit()
                self._tell()
                await asyncio.sleep(0)
            exchange.journal.note("clock", {"event": what})
            exchange.journal.commit(running="0", reserved="0")
            exchange.journal.settle()

    async def keep_time(self) -> None:
        """Keep the market moving while it runs, until canceled."""
        while True:
            self.catch_up()
            is_slow = not self.is_running or self.speed <= SLOW
            await asyncio.sleep(SLOW_TICK_SECONDS if is_slow else TICK_SECONDS)
