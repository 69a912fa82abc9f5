"""Commands about the stack itself: up, down, status, logs, login."""

import asyncio
import sys
import webbrowser
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from trading_system.cli import installation, manner
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer
from trading_system.cli.output import is_json, show_document, show_rows, show_text
from trading_system.config.settings import Settings
from trading_system.errors import Invalid
from trading_system.runtime import stack, stopping
from trading_system.runtime.detached import start_detached
from trading_system.runtime.faults import ExitCode, NotRunning
from trading_system.runtime.planning import Options
from trading_system.runtime.progress import shown_progress
from trading_system.runtime.status import read_status
from trading_system.vocabulary import TradingMode


def add_to(app: Typer) -> None:
    """Add the commands of this module."""
    for command in (up, down, status, login):
        app.command()(command)


def up(
    data_dir: DataDir = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when everything is ready.")
    ] = False,
    port_base: Annotated[
        int | None,
        typer.Option(
            min=1024, max=65000, help="First of eleven ports. Default: 8000 and others."
        ),
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(help="Market seconds per second when simulated, or `max`."),
    ] = None,
    fill_model: Annotated[
        str | None,
        typer.Option(help="How orders fill when simulated: alpaca-paper, realistic."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the generated market.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Parquet or CSV file of bars to trade.")
    ] = None,
    start: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day of the market."),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of the market."),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open the dashboard.")
    ] = False,
) -> None:
    """Start the whole system, and keep it running until Ctrl-C.

    Example: `trading up`, or `trading up --data-dir ~/second --port-base 9000`.
    """
    settings = installation.settings(
        data_dir, simulation_speed=speed, simulation_fill_model=fill_model
    )
    asked = {
        "--speed": speed,
        "--fill-model": fill_model,
        "--seed": seed,
        "--replay": replay,
        "--from": start,
        "--to": end,
    }
    if settings.trading_mode is not TradingMode.SIMULATED:
        _refuse([name for name, value in asked.items() if value is not None], settings)
    options = Options(port_base, seed, replay, _day(start), _day(end))
    opens_browser = not no_browser and not detach and sys.stdout.isatty()

    def announce(link: str) -> None:
        manner.in_time()
        show_text(f"\nDashboard: {link}", dashboard=link)
        if opens_browser:
            webbrowser.open(link)

    quiet = manner.current().quiet
    if detach:
        announce(start_detached(settings, options, quiet))
        return
    with shown_progress(quiet) as progress:
        asyncio.run(stack.run(settings, options, progress, announce))


def down(data_dir: DataDir = None) -> None:
    """Stop the system that runs in a data directory.

    Example: `trading down`.
    """
    place = installation.place(data_dir)
    if not stopping.stop(place):
        raise NotRunning(
            f"Nothing runs in {place.root}.", remedy="`trading up` starts it."
        )
    manner.say("stopped")
    if is_json():
        show_document({"state": "stopped"})


def status(
    prefect: Annotated[
        bool, typer.Option("--prefect", help="Show how to sign in to Prefect instead.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Show what runs, and whether it is well.

    Example: `trading status --json`. Exit code 4 when nothing runs, 9 when something
    is not well.
    """
    place = installation.place(data_dir)
    if prefect:
        show_rows([installation.prefect_sign_in(place)])
        return
    found = asyncio.run(read_status(place))
    if found is None:
        raise NotRunning(
            f"Nothing runs in {place.root}.", remedy="`trading up` starts it."
        )
    show_rows(found.rows(), document=found.document())
    if not found.is_well:
        raise typer.Exit(ExitCode.CHECK_FAILED)


def login(data_dir: DataDir = None) -> None:
    """Print a new link that signs a browser in once.

    Example: `trading login`.
    """
    link = installation.sign_in_link(data_dir)
    show_text(link, link=link)


def _refuse(names: list[str], settings: Settings) -> None:
    """Leave out nothing in silence that only a simulated market can do."""
    if names:
        raise Invalid(
            f"TRADING_MODE={settings.trading_mode} trades the broker's market, at its "
            f"own pace: it has no {', '.join(names)}.",
            remedy="Leave that out, or use TRADING_MODE=simulated.",
        )


def _day(given: datetime | None) -> str | None:
    return None if given is None else given.date().isoformat()
