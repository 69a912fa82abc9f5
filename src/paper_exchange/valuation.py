"""What accounts are worth at market prices, and what their open orders bind."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol

from paper_exchange import instants, margin
from paper_exchange.accounts import Account, Valuation
from paper_exchange.market.market import Market
from paper_exchange.numbers import ZERO
from paper_exchange.orders import Order
from trading_core.matching import buying_collar, trail_beyond
from trading_core.money import Side

SHORT_SALE_MARKUP = Decimal("1.03")


class Priced(Protocol):
    """What an order or a request for one says of the price it may come to."""

    @property
    def symbol(self) -> str:
        """The symbol."""

    @property
    def side(self) -> Side:
        """Buy or sell."""

    @property
    def type(self) -> str:
        """The order type."""

    @property
    def limit_price(self) -> Decimal | None:
        """The worst price it accepts."""

    @property
    def stop_price(self) -> Decimal | None:
        """The price that elects it."""

    @property
    def trail_price(self) -> Decimal | None:
        """Dollars that a trailing stop keeps from the best price."""

    @property
    def trail_percent(self) -> Decimal | None:
        """The same in percent of the best price."""


def value(
    account: Account, market: Market, now: int, reserved: Decimal = ZERO
) -> Valuation:
    """Return an account at the prices of an instant; orders have reserved dollars."""
    long_value = short_value = ZERO
    held = priced(account, market, now)
    for _, quantity, price in held:
        if quantity > 0:
            long_value += quantity * price
        else:
            short_value += quantity * price
    equity = account.cash + long_value + short_value
    return Valuation(
        account.cash,
        long_value,
        short_value,
        margin.multiplier(
            equity, account.settings["max_margin_multiplier"], is_frozen(account, now)
        ),
        reserved,
        margin.maintenance(held, equity),
    )


def priced(account: Account, market: Market, now: int) -> list[margin.Held]:
    """Return what an account holds at the prices of an instant.

    What has no price there is worth what it cost.
    """
    return [
        (
            symbol,
            holding.quantity,
            market.mark(symbol, now) or holding.average_price,
        )
        for symbol, holding in account.holdings.items()
    ]


def is_frozen(account: Account, now: int) -> bool:
    """Whether a margin call that was not met keeps an account from borrowing."""
    if not account.standing.frozen_until:
        return False
    return account.standing.is_frozen(instants.new_york_date(now).isoformat())


def closes(order: Order, account: Account) -> bool:
    """Whether an order gives up what an account holds."""
    held = account.quantity(order.symbol)
    return held < 0 if order.is_buy else held > 0


def reserved(order: Order, account: Account, market: Market, now: int) -> Decimal:
    """Return the dollars an open order binds; what closes a position binds shares."""
    if order.status == "held":
        return ZERO
    if closes(order, account):
        return ZERO
    if order.notional is not None and order.quantity is None:
        return order.notional
    value = order.remaining * opening_price(order, market, now)
    if order.covered_value is None:
        return value
    # While an order is being replaced the larger of the two counts.
    return max(ZERO, value - order.covered_value)


def opening_price(order: Priced, market: Market, now: int) -> Decimal:
    """Return the price at which an order is counted against buying power.

    A purchase counts at its limit, or at the collar that the broker puts above the ask
    or its stop; a short sale at its limit or 3 % above the ask, whichever is higher.
    """
    buys = order.side == "buy"
    if buys and order.limit_price is not None:
        return order.limit_price
    if buys and order.type == "stop" and order.stop_price is not None:
        return buying_collar(order.stop_price)
    point = market.last(order.symbol, now)
    if not buys:
        ask = ZERO if point is None else market.quote(point, now).ask
        return max(order.limit_price or ZERO, ask * SHORT_SALE_MARKUP)
    if point is None:
        return ZERO
    quote = market.quote(point, now)
    if order.type == "trailing_stop":
        stop = order.stop_price or trail_beyond(
            quote.last, order.side, order.trail_price, order.trail_percent
        )
        return buying_collar(stop)
    # Quotes lie evenly around the last price, so the midpoint that counts in extended
    # hours is the last price, which counts while the market is closed.
    if market.sessions.open_at(now) is None:
        return quote.last
    return buying_collar(quote.ask)


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
        taken += max(ZERO, order.remaining - (order.covered or ZERO))
    return taken
