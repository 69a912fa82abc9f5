"""Orders as a client of the exchange would send them."""

from typing import Any


def far_order(number: int) -> dict[str, Any]:
    """Return an order that rests: nobody sells for a dollar."""
    return {
        "symbol": "KO",
        "qty": "1",
        "side": "buy",
        "type": "limit",
        "limit_price": "1",
        "time_in_force": "gtc",
        "client_order_id": f"order-{number}",
    }
