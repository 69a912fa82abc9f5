"""An order at the broker that a person wants to be different."""

from typing import Protocol

from trading_system.contracts.execution import OrderChange, OrderProposal
from trading_system.contracts.terms import StopLoss, TakeProfit
from trading_system.vocabulary import Number, OrderClass, OrderType, Side, TimeInForce

_AT_BROKER = ("ACCEPTED", "PARTIALLY_FILLED")


class Placed(Protocol):
    """An order as execution has it on its books."""

    symbol: str
    side: str
    status: str
    quantity: Number
    filled_quantity: Number
    netted_quantity: Number
    order_type: str
    time_in_force: str
    limit_price: Number | None
    stop_price: Number | None
    trail_price: Number | None
    trail_percent: Number | None
    notional: Number | None
    extended_hours: bool
    order_class: str
    take_profit_price: Number | None
    stop_loss_price: Number | None
    stop_loss_limit_price: Number | None


def obstacle_to_replacing(order: Placed, is_being_replaced: bool) -> str | None:
    """Return why an order cannot be replaced; None when it can.

    Of an order that is filled in part it is unclear what a new quantity means.
    """
    if order.status not in _AT_BROKER:
        return f"The order is {order.status}: only one at the broker can be replaced."
    if order.filled_quantity:
        return "The order is filled in part: cancel it, and order the rest."
    if order.notional is not None:
        return "An order in dollars cannot be replaced: cancel it."
    if order.netted_quantity:
        return "A part of the order was netted: cancel it, and order the rest."
    if is_being_replaced:
        return "The order is being replaced already."
    return None


def proposal_of(order: Placed) -> OrderProposal:
    """Return the proposal that an order once was."""
    profit, loss = order.take_profit_price, order.stop_loss_price
    limit = order.stop_loss_limit_price
    return OrderProposal(
        symbol=order.symbol,
        side=Side(order.side),
        quantity=order.quantity,
        order_type=OrderType(order.order_type),
        time_in_force=TimeInForce(order.time_in_force),
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_price=order.trail_price,
        trail_percent=order.trail_percent,
        extended_hours=order.extended_hours,
        order_class=OrderClass(order.order_class),
        take_profit=None if profit is None else TakeProfit(limit_price=profit),
        stop_loss=(
            None if loss is None else StopLoss(stop_price=loss, limit_price=limit)
        ),
    )


def changed(was: OrderProposal, change: OrderChange) -> OrderProposal:
    """Return a proposal with a change made to it."""
    new = change.model_dump(exclude_none=True)
    if (trail := new.pop("trail", None)) is not None:
        way = "trail_price" if was.trail_percent is None else "trail_percent"
        new[way] = trail
    if was.order_class is OrderClass.OCO and change.limit_price is not None:
        new["take_profit"] = TakeProfit(limit_price=change.limit_price)
    return OrderProposal.model_validate({**dict(was), **new})
