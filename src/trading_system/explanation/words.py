"""How an explanation writes numbers, spans and names."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")

Number = Decimal | float


def price(value: Number | None) -> str:
    """Return a price: two decimals, four below one dollar."""
    if value is None:
        return "an unknown price"
    return f"{value:,.4f}" if 0 < abs(float(value)) < 1 else f"{value:,.2f}"


def quantity(value: Number | None) -> str:
    """Return a number of shares without trailing zeros."""
    if value is None:
        return "an unknown number of"
    text = f"{value:,.9f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def money(value: Decimal, signed: bool = False) -> str:
    """Return dollars and cents, with a plus when it is asked for."""
    cents = round(value, 2)
    sign = "-" if cents < 0 else "+" if signed and cents > 0 else ""
    return f"{sign}${abs(cents):,.2f}"


def figure(value: float | None) -> str:
    """Return an indicator's value: two decimals, four below one."""
    if value is None:
        return "missing"
    if abs(value) >= 1:
        return f"{value:,.2f}"
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def words(name: str) -> str:
    """Return an identifier as words: daily_loss_limit becomes Daily loss limit."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def day_time(moment: datetime | None) -> str:
    """Return a day and a time in New York."""
    if moment is None:
        return "an unknown day"
    local = moment.astimezone(NEW_YORK)
    return f"{local.day} {local:%b %H:%M} ET"


def bar_span(start: datetime, end: datetime) -> str:
    """Return a bar by its start and its end in New York."""
    local = start.astimezone(NEW_YORK)
    return f"{local.day} {local:%b %H:%M}–{end.astimezone(NEW_YORK):%H:%M} ET"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
