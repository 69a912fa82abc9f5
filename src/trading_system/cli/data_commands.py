"""Commands about bars and strategies."""

from pathlib import Path
from typing import Annotated

import typer

from trading_system.cli import installation
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer
from trading_system.cli.output import show_views
from trading_system.errors import NotFound
from trading_system.runtime.faults import ExitCode

data = Typer(help="Bars: import a file, show what is there.")
strategy = Typer(help="Strategies: show them, run them once.")

COVERAGE_COLUMNS = ("symbol", "timeframe", "feed", "bars", "first", "last", "missing")
STRATEGY_COLUMNS = (
    "name",
    "version",
    "status",
    "decisions",
    "signals",
    "last_bar_end",
    "differs_from_file",
    "last_error",
)


def add_to(app: Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(data, name="data", no_args_is_help=True)
    app.add_typer(strategy, name="strategy", no_args_is_help=True)


@data.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="Parquet or CSV file of bars.")],
    data_dir: DataDir = None,
) -> None:
    """Store the bars of a file, for backtests.

    Example: `trading data import bars.parquet`.
    """
    if not file.is_file():
        raise NotFound(f"There is no file {file}.")
    with installation.services(data_dir) as services:
        found = services.ingestion.import_file(str(file.absolute()))
    columns = ("rows", "timeframe", "feed", "first", "last", "problems")
    show_views([found], columns)


@data.command("list")
def list_data(data_dir: DataDir = None) -> None:
    """Show which bars are stored, and how complete they are.

    Example: `trading data list`.
    """
    with installation.services(data_dir) as services:
        found = services.ingestion.coverage()
    show_views(found, COVERAGE_COLUMNS)


@strategy.command("list")
def list_strategies(data_dir: DataDir = None) -> None:
    """Show every strategy and how it runs.

    Example: `trading strategy list`.
    """
    with installation.services(data_dir) as services:
        found = services.strategy.strategies()
    show_views(found, STRATEGY_COLUMNS)


@strategy.command("run-once")
def run_once(data_dir: DataDir = None) -> None:
    """Decide on the stored bars that have no decision yet.

    Example: `trading strategy run-once`.
    """
    with installation.services(data_dir) as services:
        found = services.strategy.run()
    show_views([found], ("status", "decisions", "signals", "errors"))
    if found.errors:
        raise typer.Exit(ExitCode.PARTIAL)
