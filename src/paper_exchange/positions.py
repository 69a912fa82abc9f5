"""Positions: what an account holds, and how it is closed."""

from decimal import ROUND_FLOOR, Decimal
from typing import Any

from paper_exchange import instants, numbers, order_request, valuation
from paper_exchange.accounts import Account
from paper_exchange.errors import ApiError, invalid, not_found
from paper_exchange.exchange import Exchange
from paper_exchange.identity import asset_id
from paper_exchange.numbers import ZERO, ratio, text
from trading_core.money import price_of


def symbol_of(exchange: Exchange, account: Account, name: str) -> str:
    """Return the symbol of a position that is named by symbol or asset id."""
    for symbol in account.holdings:
        if name in (symbol, asset_id(symbol)):
            return symbol
    raise not_found("position does not exist")


def body(exchange: Exchange, account: Account, symbol: str) -> dict[str, Any]:
    """Return a position as Alpaca writes it."""
    holding = account.holdings[symbol]
    quantity, cost = holding.quantity, holding.cost
    market = exchange.market
    price = market.mark(symbol, exchange.now) or holding.average_price
    value = quantity * price
    gain = value - cost
    before = _last_close(exchange, symbol)
    last_price = price_of(before) if before is not None else price
    held_then = account.closing_quantities.get(symbol, ZERO)
    # Shares taken on today gained from their price, those of yesterday from its close.
    today = (
        (price - last_price) * quantity
        if held_then == quantity
        else gain if not held_then else (price - last_price) * held_then
    )
    side = "sell" if quantity > 0 else "buy"
    taken = valuation.held_for_orders(
        exchange.open_orders.of_symbol(account, symbol), symbol, side
    )
    available = max(ZERO, abs(quantity) - taken)
    return {
        "asset_id": asset_id(symbol),
        "symbol": symbol,
        "exchange": market.listings[symbol].exchange,
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": text(quantity),
        "qty_available": text(available if quantity > 0 else -available),
        "avg_entry_price": text(holding.average_price.quantize(numbers.NANO)),
        "side": "long" if quantity > 0 else "short",
        "market_value": text(value),
        "cost_basis": text(cost),
        "unrealized_pl": text(gain),
        "unrealized_plpc": ratio(gain, abs(cost)),
        "unrealized_intraday_pl": text(today),
        "unrealized_intraday_plpc": ratio(today, abs(value - today)),
        "current_price": text(price),
        "lastday_price": text(last_price),
        "change_today": ratio(price - last_price, last_price),
    }


def _last_close(exchange: Exchange, symbol: str) -> float | None:
    """Return the close of the last session before today."""
    midnight = instants.new_york_midnight(instants.new_york_date(exchange.now))
    day = exchange.sessions.closed(midnight)
    close = exchange.market.closing_price(symbol, day) if day else None
    if day is None or close is None:
        return None
    return close * exchange.market.scale(symbol, day.close, exchange.now)


def close(
    exchange: Exchange,
    account: Account,
    symbol: str,
    quantity: Decimal | None = None,
    percentage: Decimal | None = None,
) -> dict[str, Any]:
    """Close a position, or a part of it, at the market."""
    held = account.quantity(symbol)
    if quantity is not None and percentage is not None:
        raise invalid("only one of qty or percentage is accepted")
    if percentage is not None:
        if not 0 < percentage <= 100:
            raise invalid("percentage must be between 0 and 100")
        quantity = (abs(held) * percentage / 100).quantize(numbers.NANO, ROUND_FLOOR)
    if quantity is None:
        quantity = abs(held)
    if quantity <= 0:
        raise invalid("qty must be > 0")
    return exchange.place(account, order_request.closing(symbol, held, quantity))


def close_all(
    exchange: Exchange, account: Account, cancel_orders: bool
) -> list[dict[str, Any]]:
    """Close every position; each answer says how it went."""
    if cancel_orders:
        # The broker waits for them; it would have no shares to sell otherwise.
        for order in exchange.orders_of(account):
            exchange.floor.end(order, "canceled")
        exchange.journal.commit()
    answers: list[dict[str, Any]] = []
    for symbol in sorted(account.holdings):
        try:
            placed = close(exchange, account, symbol)
        except ApiError as error:
            answers.append(
                {"symbol": symbol, "status": error.status, "body": error.body()}
            )
        else:
            answers.append(
                {
                    "symbol": symbol,
                    "status": 200,
                    "order_id": placed["id"],
                    "body": placed,
                }
            )
    return answers
