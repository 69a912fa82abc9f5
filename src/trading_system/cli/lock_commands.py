"""Commands about locked symbols: lock one, release it, list them."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from trading_system.cli import confirmation, installation
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer
from trading_system.cli.output import show_views
from trading_system.contracts.risk import LockRequest

COLUMNS = ("symbol", "until", "reason", "locked_by", "locked_at")

Reason = Annotated[str, typer.Option(help="Why; it goes to the audit log.")]


def add_to(app: Typer) -> None:
    """Add the commands of this module."""
    for command in (lock, unlock, locks):
        app.command()(command)


def lock(
    symbol: str,
    reason: Reason,
    until: Annotated[
        datetime | None,
        typer.Option(help="Market time in UTC. Default: until it is unlocked."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Let nothing be entered in a symbol; exits keep working.

    Example: `trading lock AAPL --reason "earnings tonight"`.
    """
    asked = LockRequest(
        symbol=symbol.upper(),
        until=until and until.replace(tzinfo=until.tzinfo or UTC),
        reason=reason,
        by=installation.person(),
    )
    with installation.services(data_dir) as services:
        found = services.risk.lock(asked)
    show_views([found], COLUMNS)


def unlock(
    symbol: str,
    reason: Reason,
    yes: confirmation.Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Let a symbol be entered again.

    Example: `trading unlock AAPL --reason "the figures are out"`.
    """
    confirmation.require(f"Let {symbol.upper()} be entered again?", yes)
    with installation.services(data_dir) as services:
        left = services.risk.unlock(symbol.upper(), reason, installation.person())
    show_views(left, COLUMNS)


def locks(data_dir: DataDir = None) -> None:
    """Show the symbols in which nothing is entered.

    Example: `trading locks`.
    """
    with installation.services(data_dir) as services:
        found = services.risk.locks()
    show_views(found, COLUMNS)
