"""What a person sees while the stack starts and stops."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.status import Status

WIDTH = 14


class Progress(Protocol):
    """Told by the supervisor what happens to each component."""

    def starting(self, name: str) -> None: ...

    def ready(self, name: str, seconds: float) -> None: ...

    def note(self, text: str) -> None: ...


class PlainProgress:
    """One line a component, for pipes, files and services."""

    def starting(self, name: str) -> None:
        """Say nothing: the line comes when the component is ready."""

    def ready(self, name: str, seconds: float) -> None:
        """Write the component's line."""
        self.note(f"{name:<{WIDTH}} ready in {seconds:5.1f} s")

    def note(self, text: str) -> None:
        """Write a line."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


class NoProgress:
    """Says nothing."""

    def starting(self, name: str) -> None:
        """Say nothing."""

    def ready(self, name: str, seconds: float) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""


class TerminalProgress:
    """One line a component, and below them what is still starting."""

    def __init__(self, console: Console, status: Status) -> None:
        self._console = console
        self._status = status
        self._starting: list[str] = []

    def starting(self, name: str) -> None:
        """Add a component to those that are starting."""
        self._starting.append(name)
        self._show()

    def ready(self, name: str, seconds: float) -> None:
        """Write the component's line."""
        if name in self._starting:
            self._starting.remove(name)
        self._console.print(
            f"[green]●[/] {name:<{WIDTH}} [dim]ready in[/] {seconds:5.1f} s"
        )
        self._show()

    def note(self, text: str) -> None:
        """Write a line."""
        self._console.print(text, markup=False, highlight=False)

    def _show(self) -> None:
        if self._starting:
            self._status.update(f"starting {', '.join(self._starting)}")
            self._status.start()
        else:
            self._status.stop()


@contextmanager
def shown_progress(quiet: bool = False) -> Iterator[Progress]:
    """Show progress as the terminal allows."""
    if quiet:
        yield NoProgress()
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainProgress()
        return
    with console.status("starting") as status:
        yield TerminalProgress(console, status)
