"""Decimals of requests and answers."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from paper_exchange.errors import ApiError, invalid

ZERO = Decimal(0)
CENT = Decimal("0.01")
NANO = Decimal("0.000000001")
LARGEST = Decimal(10) ** 15


def text(number: Decimal) -> str:
    """Return a number as the trading API writes it: plain, without trailing zeros."""
    if not number:
        return "0"
    written = format(number, "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


def optional_text(number: Decimal | None) -> str | None:
    """Return a number as text, or None where there is none."""
    return None if number is None else text(number)


def money(amount: Decimal) -> str:
    """Return dollars to the cent."""
    return text(amount.quantize(CENT, ROUND_HALF_EVEN))


def ratio(part: Decimal, whole: Decimal) -> str:
    """Return a quotient to twelve places, zero where there is no whole."""
    return text((part / whole).quantize(Decimal("1e-12"))) if whole else "0"


def read(name: str, value: Any) -> Decimal | None:
    """Return a number that a request gives as a JSON number or as text."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _no_number(name)
    if isinstance(value, str) and len(value) > 40:
        raise _no_number(name)
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise _no_number(name) from None
    if not number.is_finite():
        raise _no_number(name)
    if abs(number) > LARGEST:
        raise invalid(f"invalid {name}: it is too large")
    if isinstance(value, float):
        # 0.1 + 0.2 is meant to be 0.3.
        number = number.quantize(NANO)
    # Beyond nine places nothing can be held, and long fractions are never meant.
    if number != number.quantize(NANO):
        raise invalid(f"invalid {name}: at most 9 decimals are accepted")
    return number


def _no_number(name: str) -> ApiError:
    return invalid(f"invalid {name}: it must be a number")
