"""What accounts are worth at market prices, and what their open orders bind."""

from collections.abc import Iterable
from decimal import Decimal

from paper_exchange.accounts import Account, Holding, Valuation, multiplier
from paper_exchange.market.market import Market
from paper_exchange.numbers import ZERO
from paper_exchange.orders import Order

SHORT_SALE_MARKUP = Decimal("1.03")


def market_values(
    account: Account, market: Market, now: int
) -> tuple[Decimal, Decimal]:
    """Return what the long and the short holdings are worth; the second is negative."""
    long_value = short_value = ZERO
    for symbol, holding in account.holdings.items():
        price = market.mark(symbol, now)
        value = holding.cost if price is None else holding.quantity * price
        if holding.quantity > 0:
            long_value += value
        else:
            short_value += value
    return long_value, short_value


def value(
    account: Account, market: Market, now: int, reserved: Decimal = ZERO
) -> Valuation:
    """Return an account at the prices of an instant; orders have reserved dollars."""
    long_value, short_value = market_values(account, market, now)
    equity = account.cash + long_value + short_value
    return Valuation(
        account.cash,
        long_value,
        short_value,
        multiplier(equity, account.settings["max_margin_multiplier"]),
        reserved,
        sum(
            (
                maintenance(holding.quantity, _price(holding, market, symbol, now))
                for symbol, holding in account.holdings.items()
            ),
            ZERO,
        ),
    )


def _price(holding: Holding, market: Market, symbol: str, now: int) -> Decimal:
    return market.mark(symbol, now) or holding.average_price


def maintenance(quantity: Decimal, price: Decimal) -> Decimal:
    """Return the margin that a holding needs, by the broker's table of prices."""
    value = abs(quantity) * price
    if quantity > 0:
        if price < Decimal("2.5"):
            return value
        return value * (Decimal("0.5") if price < 6 else Decimal("0.3"))
    if price < 5:
        return max(abs(quantity) * Decimal("2.5"), value)
    return max(abs(quantity) * 5, value * Decimal("0.3"))


def reserved(order: Order, account: Account, market: Market, now: int) -> Decimal:
    """Return the dollars an open order binds; what closes a position binds shares."""
    if order.status == "held":
        return ZERO
    held = account.quantity(order.symbol)
    closes = held < 0 if order.is_buy else held > 0
    if closes:
        return ZERO
    if order.notional is not None and order.quantity is None:
        return order.notional
    price = order_price(order, market, now)
    return order.remaining * price


def order_price(order: Order, market: Market, now: int) -> Decimal:
    """Return the price at which an order is counted against buying power."""
    fixed = order.limit_price or order.stop_price
    if order.is_buy and fixed is not None:
        return fixed
    mark = market.mark(order.symbol, now) or ZERO
    if order.is_buy:
        return mark
    return max(order.limit_price or ZERO, mark * SHORT_SALE_MARKUP)


def held_for_orders(orders: Iterable[Order], symbol: str, side: str) -> Decimal:
    """Return the shares that open orders of one side have taken of a position.

    The two exits of a pair share the same shares: the stop is not counted.
    """
    taken = ZERO
    for order in orders:
        if order.symbol != symbol or order.side != side or order.status == "held":
            continue
        if order.role == "stop_loss" and order.order_class in ("bracket", "oco"):
            continue
        taken += order.remaining
    return taken
