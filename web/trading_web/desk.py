"""Asks the services what a page shows, all at once, and remembers the last answers.

A service that does not answer leaves the page its last good value, marked stale.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from datetime import datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from trading_system.clients import Services
from trading_system.clock import utc_now
from trading_system.errors import TradingError
from trading_system.vocabulary import TradingMode

T = TypeVar("T")

PATIENCE: Final = 2.5
"""Seconds a page waits for its slowest part."""


class Remembered(NamedTuple):
    """A good answer and when it came."""

    value: Any
    at: datetime


class Answer(Generic[T]):
    """What a service said, or its last word and why there is no newer one."""

    def __init__(
        self, name: str, ask: Callable[[], Future[T]], desk: "Desk", now: bool
    ) -> None:
        self._name, self._ask, self._desk = name, ask, desk
        self._future = ask() if now else None
        self._settled = False
        self._value: T | None = None
        self._problem: str | None = None
        self._at: datetime | None = None

    @property
    def value(self) -> T | None:
        """The answer, or the last good one."""
        self._settle()
        return self._value

    @property
    def problem(self) -> str | None:
        """Why there is no fresh answer, in a sentence."""
        self._settle()
        return self._problem

    @property
    def failed(self) -> bool:
        """Whether there is nothing to show at all."""
        self._settle()
        return self._problem is not None and self._at is None

    @property
    def stale(self) -> bool:
        """Whether the value is an older one."""
        self._settle()
        return self._problem is not None and self._at is not None

    @property
    def read_at(self) -> datetime | None:
        """When the value was read."""
        self._settle()
        return self._at

    def _settle(self) -> None:
        if self._settled:
            return
        self._settled = True
        try:
            self._value = (self._future or self._ask()).result(PATIENCE)
            self._at = utc_now()
            self._desk.remember(self._name, self._value, self._at)
            return
        except TradingError as error:
            self._problem = f"{error.title}: {error.detail}"
        except TimeoutError:
            self._problem = "No answer in time."
        last = self._desk.recall(self._name)
        if last is not None:
            self._value, self._at = cast(T, last.value), last.at


class Desk:
    """What every page works with: the services, and what they last said."""

    def __init__(self, services: Services, mode: TradingMode) -> None:
        self.services = services
        self.mode = mode
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="desk")
        self._last: dict[str, Remembered] = {}
        self._at_once = True

    def for_a_section(self) -> "Desk":
        """Return this desk, asking only what is looked at: the rest is not shown."""
        desk = copy(self)
        desk._at_once = False
        return desk

    def ask(self, name: str, call: Callable[[], T]) -> Answer[T]:
        """Ask in the background; `name` tells one question from another."""
        return Answer(name, lambda: self._pool.submit(call), self, self._at_once)

    def remember(self, name: str, value: Any, at: datetime) -> None:
        """Keep a good answer."""
        if len(self._last) > 500:
            self._last.pop(next(iter(self._last)))
        self._last[name] = Remembered(value, at)

    def recall(self, name: str) -> Remembered | None:
        """Return the last good answer to a question."""
        return self._last.get(name)

    def close(self) -> None:
        """Stop asking."""
        self._pool.shutdown(wait=False, cancel_futures=True)
