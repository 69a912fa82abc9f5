"""Options that every command takes: how it writes, what it says, how long it may last.

They may stand before the command's name or after it.
"""

import _thread
import functools
import inspect
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Annotated, Any, Self, TypeVar

import typer

from trading_system.errors import TradingError
from trading_system.runtime.faults import NotInTime

F = TypeVar("F", bound=Callable[..., Any])

PANEL = "For every command"


def _option(*names: str, **about: Any) -> Any:
    return typer.Option(*names, rich_help_panel=PANEL, show_default=False, **about)


@dataclass(frozen=True)
class Manner:
    """How a command behaves, whatever it does."""

    json: Annotated[bool, _option("--json", help="Write one JSON document.")] = False
    ndjson: Annotated[
        bool, _option("--ndjson", help="Write one JSON document a line.")
    ] = False
    utc: Annotated[bool, _option("--utc", help="Show times in UTC.")] = False
    no_color: Annotated[
        bool, _option("--no-color", help="Write without colours, as NO_COLOR does.")
    ] = False
    quiet: Annotated[
        bool, _option("--quiet", "-q", help="Say nothing but results and errors.")
    ] = False
    verbose: Annotated[
        int,
        _option(
            "--verbose",
            "-v",
            count=True,
            help="Say what is asked of whom, and where an error began. Twice: more.",
        ),
    ] = 0
    timeout: Annotated[
        float | None,
        _option("--timeout", min=0.1, help="Seconds after which to give up."),
    ] = None

    def with_more(self, more: Self) -> Self:
        """Return what was asked for here or there."""
        names = [field.name for field in fields(self)]
        return type(self)(
            **{name: getattr(more, name) or getattr(self, name) for name in names}
        )


_current: ContextVar[Manner] = ContextVar("manner", default=Manner())


class Typer(typer.Typer):
    """A set of commands, each of which takes the options of all."""

    def command(self, name: str | None = None, **about: Any) -> Callable[[F], F]:
        """Register a command."""
        register = super().command(name, **about)

        def take(function: F) -> F:
            register(mannered(function))
            return function

        return take


def current() -> Manner:
    """Return how the command that runs shall behave."""
    return _current.get()


def say(text: str) -> None:
    """Tell a person something that is no result."""
    if not current().quiet:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def inherited(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have what stands before a command's name hold for the command."""

    def call(context: typer.Context, manner: Manner, own: dict[str, Any]) -> Any:
        context.with_resource(behaving(manner))
        return function(**own)

    return _with_options(function, call)


def mannered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a command take the options of all, and behave as they say."""

    def call(context: typer.Context, manner: Manner, own: dict[str, Any]) -> Any:
        manner = current().with_more(manner)
        with behaving(manner), _talking(manner.verbose), _limited(manner.timeout):
            return function(**own)

    return _with_options(function, call)


def _with_options(
    function: Callable[..., Any],
    call: Callable[[typer.Context, Manner, dict[str, Any]], Any],
) -> Callable[..., Any]:
    """Return a function that also has the options' parameters, for typer to read."""
    names = [field.name for field in fields(Manner)]
    own = inspect.signature(function, eval_str=True).parameters
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        *(each.replace(kind=keyword) for each in own.values()),
        *(
            inspect.Parameter(
                field.name, keyword, default=field.default, annotation=field.type
            )
            for field in fields(Manner)
        ),
    ]
    if "context" not in own:
        parameters.append(
            inspect.Parameter("context", keyword, annotation=typer.Context)
        )

    @functools.wraps(function)
    def extended(**given: Any) -> Any:
        manner = Manner(**{name: given.pop(name) for name in names})
        context = given["context"] if "context" in own else given.pop("context")
        return call(context, manner, given)

    read: Any = extended
    read.__signature__ = inspect.Signature(parameters)
    read.__annotations__ = {each.name: each.annotation for each in parameters}
    return extended


@contextmanager
def behaving(manner: Manner) -> Iterator[None]:
    """Have what is written meanwhile be written in a manner."""
    if manner.no_color:
        os.environ["NO_COLOR"] = "1"
    token = _current.set(manner)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def _talking(verbose: int) -> Iterator[None]:
    """Show what libraries log, and where an anticipated error comes from."""
    if not verbose:
        yield
        return
    root, shown = logging.getLogger(), logging.StreamHandler()
    before = root.level
    root.addHandler(shown)
    root.setLevel(logging.INFO if verbose == 1 else logging.DEBUG)
    try:
        yield
    except TradingError:
        traceback.print_exc()
        raise
    finally:
        root.setLevel(before)
        root.removeHandler(shown)


class _Deadline:
    """Interrupts the main thread after some seconds, as Ctrl-C does."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """Let the command last as long as it likes."""
        self._timer.cancel()

    def _pass(self) -> None:
        self.passed = True
        if sys.platform == "win32":
            # Not run there.
            _thread.interrupt_main()
        else:
            # A real signal: it also ends a wait for the network.
            os.kill(os.getpid(), signal.SIGINT)


_deadline: ContextVar[_Deadline | None] = ContextVar("deadline", default=None)


def in_time() -> None:
    """Say that what `--timeout` limits is done; what follows may last."""
    deadline = _deadline.get()
    if deadline is not None:
        deadline.cancel()


@contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return
    deadline = _Deadline(seconds)
    token = _deadline.set(deadline)
    try:
        yield
    except KeyboardInterrupt:
        if not deadline.passed:
            raise
    finally:
        deadline.cancel()
        _deadline.reset(token)
    # `up` stops in order when it is interrupted, and then returns.
    if deadline.passed:
        raise NotInTime(
            f"Not done within {seconds:g} s.", remedy="Allow more with --timeout."
        )
