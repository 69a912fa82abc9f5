"""`trading exchange`: the paper exchange alone, for any client of the broker's API."""

import os
import subprocess
import sys

import typer

from trading_system.cli.manner import Typer


def add_to(app: Typer) -> None:
    """Add the command of this module."""
    # Not as `app.command`: each of its options is its own.
    typer.Typer.command(
        app,
        "exchange",
        # Its options are the program's own, `--help` too.
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
        add_help_option=False,
    )(run)


def run(context: typer.Context) -> None:
    """Run the paper exchange alone, without the rest of the system.

    Example: `trading exchange --seed 7 --port 8100`. `trading exchange --help` lists
    its options.
    """
    # A process of its own: nothing here may import the exchange.
    command = [sys.executable, "-m", "paper_exchange", *context.args]
    if sys.platform != "win32":
        # Signals then reach the exchange itself.
        os.execv(sys.executable, command)
    # Not run elsewhere: Windows has no exec that keeps the console.
    raise typer.Exit(subprocess.run(command, check=False).returncode)
