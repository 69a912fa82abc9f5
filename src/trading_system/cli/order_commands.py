"""Commands about one order: place it, replace it, cancel it."""

from typing import Annotated, Any
from uuid import UUID, uuid4

import typer
from pydantic import ValidationError

from trading_system.cli import confirmation, installation
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer
from trading_system.cli.output import show_views
from trading_system.contracts.execution import OrderChange, OrderProposal
from trading_system.errors import Invalid, Refused
from trading_system.vocabulary import OrderClass, OrderType, Side, TimeInForce

order = Typer(help="Orders by hand: place, replace, cancel.")

OUTCOME_COLUMNS = ("symbol", "side", "quantity", "outcome", "code", "order_id")
CANCEL_COLUMNS = ("order_id", "status", "detail")

Reason = Annotated[str, typer.Option(help="Why; it goes to the audit log.")]
OrderId = Annotated[UUID, typer.Argument(metavar="ORDER", help="Our id of the order.")]
Key = Annotated[
    str | None,
    typer.Option(help="The same key asks for the same order again, and not for more."),
]
Shares = Annotated[str | None, typer.Option(help="Shares.")]
Limit = Annotated[str | None, typer.Option(help="The worst price to take.")]
Stop = Annotated[str | None, typer.Option(help="The price that starts a stop.")]


def add_to(app: Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(order, name="order", no_args_is_help=True)


@order.command()
def place(
    side: Side,
    symbol: str,
    reason: Reason,
    quantity: Shares = None,
    notional: Annotated[str | None, typer.Option(help="Dollars, not shares.")] = None,
    order_type: Annotated[
        OrderType, typer.Option("--type", help="How it is priced.")
    ] = OrderType.MARKET,
    time_in_force: Annotated[
        TimeInForce, typer.Option(help="How long it lives.")
    ] = TimeInForce.DAY,
    limit_price: Limit = None,
    stop_price: Stop = None,
    trail_price: Annotated[
        str | None, typer.Option(help="Dollars that a trailing stop stays behind.")
    ] = None,
    trail_percent: Annotated[
        str | None, typer.Option(help="Per cent that a trailing stop stays behind.")
    ] = None,
    extended_hours: Annotated[
        bool,
        typer.Option("--extended-hours", help="Also before and after the session."),
    ] = False,
    order_class: Annotated[
        OrderClass, typer.Option("--class", help="With which exits.")
    ] = OrderClass.SIMPLE,
    take_profit: Annotated[
        str | None, typer.Option(help="The limit of the exit at a profit.")
    ] = None,
    stop_loss: Annotated[
        str | None, typer.Option(help="The stop of the exit at a loss.")
    ] = None,
    stop_loss_limit: Annotated[
        str | None, typer.Option(help="The limit of that exit, if it has one.")
    ] = None,
    key: Key = None,
    yes: confirmation.Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Order by hand, through the same checks as a strategy's order.

    Example: `trading order place buy AAPL --quantity 10 --class bracket
    --take-profit 260 --stop-loss 220 --reason "earnings"`.
    """
    loss = {"stop_price": stop_loss, "limit_price": stop_loss_limit}
    proposal = _read(
        OrderProposal,
        symbol=symbol.upper(),
        side=side,
        quantity=quantity,
        notional=notional,
        order_type=order_type,
        time_in_force=time_in_force,
        limit_price=limit_price,
        stop_price=stop_price,
        trail_price=trail_price,
        trail_percent=trail_percent,
        extended_hours=extended_hours,
        order_class=order_class,
        take_profit=None if take_profit is None else {"limit_price": take_profit},
        stop_loss=None if stop_loss is None else loss,
    )
    confirmation.require(f"{side.value} {symbol.upper()}?", yes)
    with installation.services(data_dir) as services:
        answer = services.risk.order_by_hand(proposal, reason, key or uuid4().hex)
    _show(answer)


@order.command()
def replace(
    order_id: OrderId,
    reason: Reason,
    quantity: Shares = None,
    limit_price: Limit = None,
    stop_price: Stop = None,
    trail: Annotated[
        str | None, typer.Option(help="The trail, in dollars or per cent as it was.")
    ] = None,
    time_in_force: Annotated[
        TimeInForce | None, typer.Option(help="How long it lives.")
    ] = None,
    key: Key = None,
    yes: confirmation.Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Put a changed order in the place of one at the broker.

    Example: `trading order replace 0f8fad5b-d9cb-469f-a165-70867728950e
    --limit-price 249.5 --reason "closer"`.
    """
    change = _read(
        OrderChange,
        quantity=quantity,
        limit_price=limit_price,
        stop_price=stop_price,
        trail=trail,
        time_in_force=time_in_force,
    )
    confirmation.require(f"Replace order {order_id}?", yes)
    with installation.services(data_dir) as services:
        answer = services.risk.replace(order_id, change, reason, key or uuid4().hex)
    _show(answer)


@order.command()
def cancel(order_id: OrderId, data_dir: DataDir = None) -> None:
    """Ask for an order to be canceled; it may still be filled before it is.

    Example: `trading order cancel 0f8fad5b-d9cb-469f-a165-70867728950e`.
    """
    with installation.services(data_dir) as services:
        found = services.execution.cancel(order_id)
    show_views([found], CANCEL_COLUMNS)


@order.command("cancel-all")
def cancel_all(data_dir: DataDir = None) -> None:
    """Ask for every open order to be canceled.

    Example: `trading order cancel-all`.
    """
    with installation.services(data_dir) as services:
        found = services.execution.cancel_all()
    show_views(found, CANCEL_COLUMNS)


def _read(model: Any, **fields: Any) -> Any:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        wrong = error.errors()[0]
        name = ".".join(str(part) for part in wrong["loc"])
        raise Invalid(f"{name}: {wrong['msg']}.") from None


def _show(answer: Any) -> None:
    show_views([answer], OUTCOME_COLUMNS)
    if answer.outcome != "approved":
        raise Refused(f"Risk denied it: {answer.code}, {answer.detail}.")
