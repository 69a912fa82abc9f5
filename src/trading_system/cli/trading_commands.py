"""Commands about trading: orders, positions, P&L, halt and resume, explain."""

from enum import StrEnum
from typing import Annotated

import typer

from trading_system import explanation
from trading_system.cli import chain, confirmation, installation
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer
from trading_system.cli.output import show_rows, show_views


class OrderState(StrEnum):
    """Which orders to show."""

    ALL = "all"
    OPEN = "open"
    CLOSED = "closed"


Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")]
Reason = Annotated[str, typer.Option(help="Why; it goes to the audit log.")]

ORDER_COLUMNS = (
    "market_time",
    "symbol",
    "side",
    "quantity",
    "status",
    "filled_quantity",
    "average_fill_price",
    "strategy",
    "order_id",
)
POSITION_COLUMNS = (
    "symbol",
    "quantity",
    "avg_price",
    "last_price",
    "market_value",
    "unrealized_pnl",
    "realized_pnl",
    "strategy",
)
PNL_FIGURES = (
    "equity",
    "cash",
    "day_pnl",
    "unrealized_pnl",
    "realized_pnl",
    "long_value",
    "short_value",
)


def add_to(app: Typer) -> None:
    """Add the commands of this module."""
    for command in (orders, positions, pnl, explain, halt, resume):
        app.command()(command)


def orders(
    symbol: Annotated[str | None, typer.Option(help="Of one symbol only.")] = None,
    state: Annotated[OrderState, typer.Option(help="Which.")] = OrderState.ALL,
    limit: Limit = 50,
    data_dir: DataDir = None,
) -> None:
    """Show orders, newest first.

    Example: `trading orders --symbol AAPL --limit 10`.
    """
    with installation.services(data_dir) as services:
        found = services.execution.orders(
            symbol=symbol.upper() if symbol else None, state=state, limit=limit
        )
    show_views(found, ORDER_COLUMNS)


def positions(data_dir: DataDir = None) -> None:
    """Show open positions, from the ledger, at their last prices.

    Example: `trading positions --json`.
    """
    with installation.services(data_dir) as services:
        found = services.execution.positions()
    show_views(found, POSITION_COLUMNS)


def pnl(data_dir: DataDir = None) -> None:
    """Show the account's value and its profit and loss.

    Example: `trading pnl`.
    """
    with installation.services(data_dir) as services:
        account = services.execution.account()
    rows = [
        {"figure": name, account.currency: getattr(account, name)}
        for name in PNL_FIGURES
    ]
    rows.append({"figure": "mode", account.currency: account.mode.upper()})
    show_rows(rows, document=account)


def explain(
    identifier: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Of an order, a signal, a decision, a bar or a round trip.",
        ),
    ],
    data_dir: DataDir = None,
) -> None:
    """Say why something was bought, sold, or left alone: step by step.

    Example: `trading explain 0f8fad5b-d9cb-469f-a165-70867728950e`.
    """
    with installation.services(data_dir) as services:
        found = explanation.explain(services, identifier)
    show_rows(chain.rows(found), document=found)


def halt(
    reason: Reason = "from the command line",
    level: Annotated[
        int,
        typer.Option(
            min=1,
            max=3,
            help="1: no entries. 2: and cancel open orders. 3: and close positions.",
        ),
    ] = 1,
    yes: confirmation.Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Halt trading at once.

    Example: `trading halt --level 2 --reason "news"`.
    """
    if level == 3:
        confirmation.require("Close every position?", yes)
    with installation.services(data_dir) as services:
        state = services.risk.halt(level, reason, installation.person())
    show_views([state], ("state", "level", "reason", "set_by"))


def resume(
    reason: Reason,
    yes: confirmation.Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Let trading go on after a halt.

    Example: `trading resume --reason "news is out"`.
    """
    confirmation.require_word("resume", yes)
    with installation.services(data_dir) as services:
        state = services.risk.resume(reason, installation.person())
    show_views([state], ("state", "level", "reason", "set_by"))
