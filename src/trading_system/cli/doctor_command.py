"""`trading doctor`: what is not as it should be, and what to do about it."""

from typing import Annotated

import typer

from trading_system.cli import installation
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer
from trading_system.cli.output import show_rows
from trading_system.runtime import books, doctor
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.faults import ExitCode
from trading_system.runtime.finding import Finding, State


def add_to(app: Typer) -> None:
    """Add the command of this module."""
    app.command("doctor")(examine)


def examine(
    compare_books: Annotated[
        bool,
        typer.Option("--books", help="Also compare our books with the broker's."),
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Look at everything that can be wrong, with the remedy for each.

    Example: `trading doctor`. Exit code 9 when something fails.
    """
    settings = installation.settings(data_dir)
    place = DataDirectory(settings.trading_data_dir.absolute())
    findings = doctor.examine(settings, place)
    if compare_books:
        run = installation.running(place)
        findings += books.check(settings, place, run)
    show_rows([_row(finding) for finding in findings])
    if any(finding.state is State.FAIL for finding in findings):
        raise typer.Exit(ExitCode.CHECK_FAILED)


def _row(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "state": finding.state.value,
        "found": finding.found,
        "remedy": finding.remedy,
    }
