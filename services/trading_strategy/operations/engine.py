"""The strategies of this process: found, configured, and run with a time limit."""

import ctypes
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from loguru import logger

from trading_core.strategy import Strategy, StrategyError
from trading_strategy.domain.deciding import window_size
from trading_strategy.models import StrategyRow
from trading_system import plugins as plugin_files
from trading_system.config import strategies as strategies_file
from trading_system.config.strategies import StrategiesFile
from trading_system.errors import Misconfigured, NotFound
from trading_system.plugins import Plugin, Plugins

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds a strategy may take for one bar of all symbols; it needs milliseconds."""


class StrategyFault(Exception):
    """A strategy raised, took too long, or cannot be used as it is set."""


class Engine:
    """Plugins, the strategies file, and strategies that are configured already."""

    def __init__(
        self,
        plugins: Plugins,
        file: StrategiesFile,
        feed: str,
        patience: float = PATIENCE,
        directories: Sequence[Path] = (),
    ) -> None:
        self.plugins = plugins
        self.file = file
        self.feed = feed
        self._directories = tuple(directories)
        self._seen = plugin_files.fingerprint(self._directories, file.path)
        self._patience = patience
        self._configured: dict[tuple[UUID, int], Strategy[Any]] = {}
        self._sizes: dict[tuple[UUID, int], int] = {}
        self._stuck: dict[str, threading.Thread] = {}

    def reload(self) -> bool:
        """Take up files that have changed; say whether there were any.

        A strategies file that cannot be read changes nothing until it can. Of a
        strategy whose file cannot be taken any more, the code that ran goes on.
        """
        seen = plugin_files.fingerprint(self._directories, self.file.path)
        if seen == self._seen:
            return False
        self._seen = seen
        self.plugins = plugin_files.discover(self._directories)
        try:
            self.file = strategies_file.load(self.file.path)
            if not self.plugins.faults:
                self.file.refuse_unknown(list(self.plugins.found))
        except Misconfigured as error:
            logger.error("The strategies file that was read before counts: {}", error)
            return False
        return True

    def fault(self, name: str) -> str | None:
        """Return why a strategy runs with the code of before, if it does."""
        if name in self.plugins.found:
            return None
        faults = "; ".join(str(fault) for fault in self.plugins.faults)
        return (
            f"{name} goes on with the code of before: no usable file defines it now. "
            f"{faults or 'Its file is gone.'}"
        )

    def plugin(self, name: str) -> Plugin:
        """Return the plugin of a strategy; say why when there is none."""
        if name in self.plugins.found:
            return self.plugins.found[name]
        faults = "; ".join(str(fault) for fault in self.plugins.faults)
        raise NotFound(
            f"No file defines the strategy {name}.",
            remedy=f"Files that could not be taken: {faults}" if faults else None,
        )

    def strategy(self, row: StrategyRow) -> Strategy[Any]:
        """Return a strategy with the parameters in force."""
        key = (row.strategy_id, row.version)
        if key not in self._configured:
            try:
                kind = self.plugin(row.name).strategy
                self._configured[key] = kind.configured(row.parameters)
            except (NotFound, StrategyError) as error:
                raise StrategyFault(str(error)) from error
        return self._configured[key]

    def window_size(self, row: StrategyRow) -> int:
        """Return how many bars of a symbol a strategy is given."""
        key = (row.strategy_id, row.version)
        if key not in self._sizes:
            strategy = self.strategy(row)
            self._sizes[key] = self.run(row.name, lambda: window_size(strategy))
        return self._sizes[key]

    def run(self, name: str, work: Callable[[], T]) -> T:
        """Return what a strategy's work returns; whatever it does is a `StrategyFault`.

        The work runs in a thread, so that an endless loop holds up nobody. Python code
        in it is stopped; what cannot be stopped keeps the strategy from its next bars.
        """
        stuck = self._stuck.get(name)
        if stuck is not None and stuck.is_alive():
            raise StrategyFault(f"{name} is still busy with an earlier bar.")
        results: list[T] = []
        errors: list[BaseException] = []

        def worked() -> None:
            try:
                results.append(work())
            except BaseException as error:  # a panic in a library is no Exception
                errors.append(error)

        thread = threading.Thread(target=worked, name=f"strategy {name}", daemon=True)
        thread.start()
        thread.join(self._patience)
        if thread.is_alive():
            self._stuck[name] = thread
            _interrupt(thread)
            raise StrategyFault(
                f"{name} took more than {self._patience:g} seconds for one bar."
            )
        if errors:
            error = errors[0]
            said = str(error).partition("\n")[0][:500]
            raise StrategyFault(
                f"{name} failed: {type(error).__name__}: {said}"
            ) from error
        return results[0]


def _interrupt(thread: threading.Thread) -> None:
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
        )
