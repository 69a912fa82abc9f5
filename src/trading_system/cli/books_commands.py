"""Commands about the books: what differs from the broker's, holds, entries by hand."""

from decimal import Decimal
from typing import Annotated
from uuid import uuid4

import typer
from pydantic import ValidationError

from trading_system.cli import confirmation, installation
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer, say
from trading_system.cli.output import show_views
from trading_system.clients import Services
from trading_system.contracts.execution import AdjustmentRequest
from trading_system.errors import Conflict, Invalid
from trading_system.vocabulary import plain

DIFFERENCE_COLUMNS = ("kind", "symbol", "ours", "broker", "action", "severity")
HOLD_COLUMNS = ("hold_id", "symbol", "kind", "reason", "placed_at")
ENTRY_COLUMNS = ("entry_id", "symbol", "quantity_delta", "cash_delta", "strategy")

ACCOUNT = "account"
"""How a person names the whole account, which the services call `*`."""

Reason = Annotated[str, typer.Option(help="Why; it goes to the audit log.")]


def add_to(app: Typer) -> None:
    """Add the commands of this module."""
    for command in (differences, holds, release, adjust):
        app.command()(command)


def differences(data_dir: DataDir = None) -> None:
    """Show what the last comparison found to differ from the broker's books.

    Example: `trading differences`.
    """
    with installation.services(data_dir) as services:
        runs = services.execution.reconciliations(limit=1)
    if not runs:
        say("Not compared yet.")
    for run in runs:
        say(f"{run.summary} ({run.started_at:%Y-%m-%d %H:%M:%S} UTC)")
    show_views([each for run in runs for each in run.differences], DIFFERENCE_COLUMNS)


def holds(data_dir: DataDir = None) -> None:
    """Show the symbols whose orders do not leave, and why.

    Example: `trading holds`.
    """
    with installation.services(data_dir) as services:
        found = services.execution.holds()
    show_views(found, HOLD_COLUMNS)


def release(
    symbol: Annotated[str, typer.Argument(help="A symbol, or `account` for all.")],
    reason: Reason,
    yes: confirmation.Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Let a symbol's orders leave again, although its books are in doubt.

    A comparison that still finds the difference puts it on hold again.
    Example: `trading release AAPL --reason "the trade was mine"`.
    """
    wanted = "*" if symbol.lower() == ACCOUNT else symbol.upper()
    with installation.services(data_dir) as services:
        placed = [hold for hold in services.execution.holds() if hold.symbol == wanted]
        if not placed:
            raise Conflict(f"{symbol} is not on hold.")
        for hold in placed:
            say(f"On hold since {hold.placed_at:%Y-%m-%d %H:%M} UTC: {hold.reason}")
        confirmation.require_word("release", yes)
        # Those that were shown: what was put on hold meanwhile stays.
        ids = [hold.hold_id for hold in placed]
        left = services.execution.release(wanted, reason, ids)
    show_views(left, HOLD_COLUMNS)


def adjust(
    reason: Reason,
    symbol: Annotated[str | None, typer.Option(help="Whose shares.")] = None,
    quantity: Annotated[
        str | None, typer.Option(help="Shares that came, or, negative, went.")
    ] = None,
    cash: Annotated[
        str | None, typer.Option(help="Dollars that came, or, negative, went.")
    ] = None,
    price: Annotated[
        str | None, typer.Option(help="What a share cost. Default: the cost stays.")
    ] = None,
    strategy: Annotated[
        str, typer.Option(help="In whose book: a strategy, external, or account.")
    ] = "external",
    key: Annotated[
        str | None, typer.Option(help="The same key makes the same entry only once.")
    ] = None,
    yes: confirmation.Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Enter by hand what the books lack for good; nothing is traded.

    Example: `trading adjust --symbol KO --quantity 3 --reason "moved in"`.
    """
    entry = _read(
        reason=reason,
        symbol=symbol and symbol.upper(),
        quantity=quantity,
        cash=cash,
        price=price,
        strategy=strategy,
    )
    with installation.services(data_dir) as services:
        _say_effect(services, entry)
        confirmation.require_word("adjust", yes)
        entered = services.execution.adjust(entry, key or uuid4().hex)
    show_views([entered], ENTRY_COLUMNS)


def _say_effect(services: Services, entry: AdjustmentRequest) -> None:
    if entry.quantity:
        held = sum(
            (
                position.quantity
                for position in services.execution.positions()
                if position.symbol == entry.symbol
            ),
            Decimal(0),
        )
        after = held + entry.quantity
        say(f"The books have {plain(held)} {entry.symbol}; after it {plain(after)}.")
    if entry.cash:
        held = services.execution.account().cash
        say(f"The books have ${plain(held)}; after it ${plain(held + entry.cash)}.")


def _read(**fields: str | None) -> AdjustmentRequest:
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return AdjustmentRequest.model_validate(given)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(str(part) for part in wrong["loc"])
        raise Invalid(f"{where}: {wrong['msg']}") from None
