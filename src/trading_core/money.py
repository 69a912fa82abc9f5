"""Where floats become money: the only crossing from bar prices to `Decimal`."""

from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Decimal,
    InvalidOperation,
)
from typing import Literal

CENT = Decimal("0.01")
SUB_DOLLAR_TICK = Decimal("0.0001")
QUANTITY_STEP = Decimal("0.000000001")
ZERO = Decimal(0)

Side = Literal["buy", "sell"]


class BadNumber(ValueError):
    """A number that is missing, infinite, not a number, or of the wrong sign."""


def tick(price: Decimal) -> Decimal:
    """Return the smallest price step: a cent from $1 upwards, 0.0001 below it."""
    return CENT if abs(price) >= 1 else SUB_DOLLAR_TICK


def round_price(price: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """Return a price on its tick."""
    return price.quantize(tick(price), rounding)


def round_up(price: Decimal) -> Decimal:
    """Return the lowest price on the tick that is not below `price`."""
    return round_price(price, ROUND_CEILING)


def round_down(price: Decimal) -> Decimal:
    """Return the highest price on the tick that is not above `price`."""
    return round_price(price, ROUND_FLOOR)


def exact(value: float) -> Decimal:
    """Return the shortest decimal that reads as this float, refusing NaN and inf."""
    result = Decimal(repr(float(value)))
    if not result.is_finite():
        raise BadNumber(f"{value} is not a finite number.")
    return result


def price_of(value: float) -> Decimal:
    """Return a bar's float price as a positive order price on its tick."""
    try:
        price = round_price(exact(value))
    except InvalidOperation as error:
        raise BadNumber(f"{value} is not a price: it is too large.") from error
    if price <= 0:
        raise BadNumber(f"{value} is not a price: it must be above zero.")
    return price
