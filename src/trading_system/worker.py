"""Loops that act on the outside world between two transactions."""

import threading
from collections.abc import Callable

from loguru import logger

from trading_system.errors import TradingError
from trading_system.event import Event


class Worker:
    """A thread of a service that calls `run` when woken and at least every `interval`.

    `run` must change nothing when there is nothing to do. What it raises is logged and
    tried again after a growing pause. `pending` says whether work remains; a worker
    that is running counts as pending.
    """

    MAX_PAUSE = 30.0

    def __init__(
        self,
        name: str,
        run: Callable[[], None],
        interval: float = 1.0,
        wakes_on: tuple[type[Event], ...] = (),
        pending: Callable[[], bool] = lambda: False,
    ) -> None:
        self.name = name
        self._work = run
        self._interval = interval
        self.topics = {event.topic for event in wakes_on}
        self._pending = pending
        self._bell = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.last_error: str | None = None
        self.running = False

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the round at hand."""
        self._stopping.set()
        self._bell.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    @property
    def stopping(self) -> bool:
        """Whether the service is ending; long rounds look at it."""
        return self._stopping.is_set()

    def wake(self) -> None:
        """Look for work now."""
        self._bell.set()

    def take_turn(self) -> bool:
        """Work once, in the caller's thread, if there is reason to; say if there was.

        What goes wrong is the caller's: nobody tries again.
        """
        if not self.is_pending():
            return False
        self._bell.clear()
        self._work()
        return True

    @property
    def is_at_work(self) -> bool:
        """Whether this worker runs, or has been woken to."""
        return self._bell.is_set() or self.running

    def is_pending(self) -> bool:
        """Say whether this worker is at work, or should be."""
        return self.is_at_work or self._pending()

    def _run(self) -> None:
        pause = self._interval
        while not self._stopping.is_set():
            self._bell.wait(pause)
            if self._stopping.is_set():
                return
            self.running = True
            self._bell.clear()
            pause = self._round(pause)
            self.running = False

    def _round(self, pause: float) -> float:
        try:
            self._work()
        except Exception as error:  # a worker outlives whatever one round meets
            said = f"{type(error).__name__}: {error}"
            if isinstance(error, TradingError) or said == self.last_error:
                logger.warning("{} will try again: {}", self.name, said)
            else:
                logger.exception("{} will try again", self.name)
            self.last_error = said
            return min(max(pause, 0.5) * 2, self.MAX_PAUSE)
        self.last_error = None
        return self._interval
