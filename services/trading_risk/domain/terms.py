"""Which terms of an order fit together, as the broker's pages have it."""

from collections.abc import Callable

from trading_system.contracts.execution import OrderProposal
from trading_system.vocabulary import OrderClass, OrderType, Side, TimeInForce

_WAITING = (TimeInForce.DAY, TimeInForce.GTC)
_ENTRIES = (OrderClass.BRACKET, OrderClass.OTO)

Rule = Callable[[OrderProposal], str | None]


def fault_of(wanted: OrderProposal) -> str | None:
    """Return what is wrong with the terms of an order; None when nothing is."""
    return next((fault for rule in _RULES if (fault := rule(wanted))), None)


def waits_for_its_time(wanted: OrderProposal) -> bool:
    """Say whether an order is meant to reach the broker outside the session too."""
    return wanted.extended_hours or wanted.time_in_force in (
        TimeInForce.GTC,
        TimeInForce.OPG,
        TimeInForce.CLS,
    )


def _has_one_size(wanted: OrderProposal) -> str | None:
    if (wanted.quantity is None) == (wanted.notional is None):
        return "An order needs a quantity or a notional, and not both."
    return None


def _has_the_prices_of_its_type(wanted: OrderProposal) -> str | None:
    kind, limit = wanted.order_type, wanted.limit_price
    if wanted.order_class is OrderClass.OCO and limit is None:
        limit = wanted.named_price
    limits = (OrderType.LIMIT, OrderType.STOP_LIMIT)
    stops = (OrderType.STOP, OrderType.STOP_LIMIT)
    for name, kinds, price in (
        ("limit_price", limits, limit),
        ("stop_price", stops, wanted.stop_price),
    ):
        if (price is not None) != (kind in kinds):
            needs = "needs" if kind in kinds else "takes no"
            return f"A {kind} order {needs} {name}."
    trails = (wanted.trail_price is not None) + (wanted.trail_percent is not None)
    if kind is OrderType.TRAILING_STOP and trails != 1:
        return "A trailing_stop order needs one of trail_price and trail_percent."
    if kind is not OrderType.TRAILING_STOP and trails:
        return f"A {kind} order takes no trail_price or trail_percent."
    return None


def _lives_as_long_as_it_may(wanted: OrderProposal) -> str | None:
    kind, force = wanted.order_type, wanted.time_in_force
    if force not in _WAITING and kind not in (OrderType.MARKET, OrderType.LIMIT):
        return f"A {kind} order is day or gtc, not {force}."
    if wanted.extended_hours and (
        kind is not OrderType.LIMIT
        or force not in _WAITING
        or wanted.order_class is not OrderClass.SIMPLE
    ):
        return "Outside the session only simple limit orders trade, day or gtc."
    return None


def _is_whole_where_it_must_be(wanted: OrderProposal) -> str | None:
    whole = wanted.quantity is not None and wanted.quantity % 1 == 0
    if whole:
        return None
    if wanted.time_in_force is not TimeInForce.DAY:
        return "Parts of shares, and orders in dollars, are for the day only."
    if wanted.order_class is not OrderClass.SIMPLE:
        return f"A {wanted.order_class} order is for whole shares."
    if wanted.order_type is OrderType.TRAILING_STOP:
        return "A trailing_stop order is for whole shares."
    return None


def _has_the_exits_of_its_class(wanted: OrderProposal) -> str | None:
    name, profit, loss = wanted.order_class, wanted.take_profit, wanted.stop_loss
    if name is OrderClass.SIMPLE:
        if profit is not None or loss is not None:
            return "A simple order has no take_profit or stop_loss."
        return None
    if name is OrderClass.OTO:
        if (profit is None) == (loss is None):
            return "An oto order needs one of take_profit and stop_loss."
    elif profit is None or loss is None:
        return f"A {name} order needs take_profit and stop_loss."
    if name is OrderClass.OCO and wanted.order_type is not OrderType.LIMIT:
        return "An oco order is a limit order: its limit is the take_profit."
    if wanted.time_in_force not in _WAITING:
        return f"A {name} order is day or gtc, not {wanted.time_in_force}."
    if wanted.order_type is OrderType.TRAILING_STOP:
        return "A trailing_stop order is simple."
    return None


def _exits_lie_on_their_sides(wanted: OrderProposal) -> str | None:
    profit, loss = wanted.take_profit, wanted.stop_loss
    if profit is None or loss is None:
        return None
    holds_shares = (wanted.side is Side.BUY) == (wanted.order_class in _ENTRIES)
    gains = profit.limit_price > loss.stop_price
    if gains != holds_shares:
        where = "above" if holds_shares else "below"
        return f"take_profit lies {where} stop_loss."
    return None


_RULES: tuple[Rule, ...] = (
    _has_one_size,
    _has_the_exits_of_its_class,
    _has_the_prices_of_its_type,
    _lives_as_long_as_it_may,
    _is_whole_where_it_must_be,
    _exits_lie_on_their_sides,
)
