"""The terms of an order as a person says them: how it is priced, how long it lives."""

from typing import Any, Final, Protocol

from trading_system.contracts.execution import OrderProposal
from trading_system.vocabulary import Number
from trading_web import formats

LIVES: Final = {
    "day": "good for the day",
    "gtc": "good until canceled",
    "opg": "at the next open only",
    "cls": "at the next close only",
    "ioc": "at once, and what is left is canceled",
    "fok": "at once and whole, or not at all",
}
"""How long an order lives, by its time in force."""

CLASSES: Final = {
    "simple": "No exit",
    "bracket": "Exits at a profit and at a loss (bracket)",
    "oto": "One exit (oto)",
    "oco": "Only exits of a position: one cancels the other (oco)",
}


class Terms(Protocol):
    """What an order and the proposal of one have in common."""

    @property
    def order_type(self) -> str: ...
    @property
    def time_in_force(self) -> str: ...
    @property
    def limit_price(self) -> Number | None: ...
    @property
    def stop_price(self) -> Number | None: ...
    @property
    def trail_price(self) -> Number | None: ...
    @property
    def trail_percent(self) -> Number | None: ...
    @property
    def extended_hours(self) -> bool: ...
    @property
    def order_class(self) -> str: ...


def pricing(order: Terms) -> str:
    """Return how an order is priced: limit 200.00, stop 190.00, at market."""
    limit, stop = formats.price(order.limit_price), formats.price(order.stop_price)
    match str(order.order_type):
        case "limit":
            at = formats.price(named_price(order))
            return f"limit {at}"
        case "stop":
            return f"stop {stop}"
        case "stop_limit":
            return f"stop {stop}, limit {limit}"
        case "trailing_stop":
            return f"stop trailing by {trail(order)}"
        case "market":
            return "at market"
    return formats.words(str(order.order_type))


def trail(order: Terms) -> str:
    """Return what a trailing stop stays behind by: $2.50, 1.5 %."""
    if order.trail_percent is not None:
        return f"{formats.quantity(order.trail_percent)}{formats.NARROW}%"
    return f"${formats.price(order.trail_price)}"


def life(order: Terms) -> str:
    """Return how long an order lives, and when."""
    said = LIVES.get(str(order.time_in_force), str(order.time_in_force))
    return f"{said}, also outside the session" if order.extended_hours else said


def exits(order: Any) -> str:
    """Return the exits that the broker keeps with an order; empty without any."""
    profit, loss, worst = exit_prices(order)
    said = []
    if profit is not None and str(order.order_class) != "oco":
        said.append(f"profit taken at {formats.price(profit)}")
    if loss is not None:
        limit = f", limit {formats.price(worst)}" if worst is not None else ""
        said.append(f"loss stopped at {formats.price(loss)}{limit}")
    return ", ".join(said)


def exit_prices(order: Any) -> tuple[Number | None, Number | None, Number | None]:
    """Return take-profit, stop-loss and its limit, of an order or a proposal."""
    if isinstance(order, OrderProposal):
        profit, loss = order.take_profit, order.stop_loss
        return (
            profit.limit_price if profit else None,
            loss.stop_price if loss else None,
            loss.limit_price if loss else None,
        )
    return (
        order.take_profit_price,
        order.stop_loss_price,
        order.stop_loss_limit_price,
    )


def named_price(order: Any) -> Number | None:
    """Return the limit of a limit order; that of an oco order is its take-profit."""
    return order.limit_price or exit_prices(order)[0]


def terms(order: Any) -> str:
    """Return all terms in a line: limit 200.00 · gtc · profit taken at 260.00."""
    parts = [pricing(order), str(order.time_in_force)]
    if order.extended_hours:
        parts.append("extended hours")
    if said := exits(order):
        parts.append(said)
    return " · ".join(parts)


def size(order: Any) -> str:
    """Return how much an order is for: 10 shares' number, or its dollars."""
    if order.notional is not None:
        return formats.money(order.notional)
    return formats.quantity(order.quantity)
