"""Puts the commands together and turns failures into a sentence and an exit code."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from trading_system.cli import (
    backup_command,
    books_commands,
    data_commands,
    database_commands,
    doctor_command,
    event_commands,
    exchange_command,
    flow_commands,
    lock_commands,
    log_commands,
    order_commands,
    research_commands,
    stack_commands,
    token_commands,
    trading_commands,
)
from trading_system.cli.manner import Typer, inherited
from trading_system.errors import (
    Conflict,
    Invalid,
    Misconfigured,
    NotFound,
    Refused,
    TradingError,
    Unavailable,
)
from trading_system.runtime.faults import ExitCode, Fault

EXIT_CODES: dict[type[TradingError], ExitCode] = {
    Invalid: ExitCode.USAGE,
    Misconfigured: ExitCode.CONFIGURATION,
    Unavailable: ExitCode.DEPENDENCY_DOWN,
    Refused: ExitCode.REFUSED_BY_RISK,
    NotFound: ExitCode.NOT_FOUND,
    Conflict: ExitCode.CONFLICT,
}


class Commands(TyperGroup):
    """The commands; an anticipated failure is one sentence and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except TradingError as error:
            sys.stderr.write(f"{error}\n")
            raise typer.Exit(exit_code_of(error)) from None
        except KeyboardInterrupt:
            raise typer.Exit(ExitCode.INTERRUPTED) from None


def exit_code_of(error: TradingError) -> int:
    """Return the exit code that stands for a failure."""
    if isinstance(error, Fault):
        return error.exit_code
    return EXIT_CODES.get(type(error), ExitCode.UNEXPECTED)


app = Typer(
    name="trading",
    cls=Commands,
    help="Run and watch a trading system on this machine.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
)
for commands in (
    stack_commands,
    doctor_command,
    log_commands,
    trading_commands,
    lock_commands,
    order_commands,
    books_commands,
    data_commands,
    flow_commands,
    event_commands,
    token_commands,
    research_commands,
    backup_command,
    database_commands,
    exchange_command,
):
    commands.add_to(app)


def _commit() -> str:
    """Return the commit that runs, where this is a checkout and git can tell."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return f" ({done.stdout.strip()})"


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"trading {version('trading-system')}{_commit()}\n")
        raise typer.Exit


@app.callback()
@inherited
def main(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the version and end.",
        ),
    ] = False,
) -> None:
    """Run and watch a trading system on this machine."""
