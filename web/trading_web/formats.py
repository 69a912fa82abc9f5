"""How numbers, times and states are written on a page. Pure text, no markup."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

NEW_YORK: Final = ZoneInfo("America/New_York")
MINUS: Final = "−"
MISSING: Final = "—"
NARROW: Final = "\u202f"

# A number may be larger than the 28 digits of the usual context.
_ANY_SIZE: Final = Context(prec=400, rounding=ROUND_HALF_EVEN)
_NEGATIVE: Final = re.compile(r"(?<![\w.])-(?=[\d.$])")

Numeric = Decimal | float | int

_ZONE: Final = ContextVar("zone", default=NEW_YORK)


@contextmanager
def shown_in(zone: ZoneInfo) -> Iterator[None]:
    """Write times in a zone for as long as this lasts."""
    token = _ZONE.set(zone)
    try:
        yield
    finally:
        _ZONE.reset(token)


def zone_named(name: str) -> ZoneInfo:
    """Return a zone by its IANA name; one that is not known is New York's."""
    try:
        return ZoneInfo(name) if name else NEW_YORK
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return NEW_YORK


def zone() -> ZoneInfo:
    """Return the zone that times are written in."""
    return _ZONE.get()


def zone_words() -> str:
    """Return that zone as a person says it: New York time, UTC, Europe/Berlin time."""
    if zone() == NEW_YORK:
        return "New York time"
    return "UTC" if zone().key == "UTC" else f"{zone().key} time"


def local(moment: datetime) -> datetime:
    """Return a moment on the clock of that zone."""
    return moment.astimezone(zone())


def money(value: Numeric | None) -> str:
    """Return dollars and cents: $1,234.56, −$87.30."""
    return _amount(value, signed=False)


def pnl(value: Numeric | None) -> str:
    """Return a profit or loss, always signed unless it is zero: +$412.10."""
    return _amount(value, signed=True)


def price(value: Numeric | None) -> str:
    """Return a price: two decimals, four below one dollar."""
    number = _decimal(value)
    if number is None:
        return MISSING
    places = 2 if abs(number) >= 1 or number == 0 else 4
    return _minus(f"{_rounded(number, places):,.{places}f}")


def quantity(value: Numeric | None) -> str:
    """Return a number of shares: grouped, up to nine decimals, no trailing zeros."""
    number = _decimal(value)
    if number is None:
        return MISSING
    text = f"{_rounded(number, 9):,.9f}".rstrip("0").rstrip(".")
    return _minus("0" if text == "-0" else text)


def percent(fraction: Numeric | None, places: int = 2, signed: bool = True) -> str:
    """Return a fraction as percent: +1.24 %."""
    number = _decimal(fraction)
    if number is None:
        return MISSING
    rounded = _rounded(number * 100, places)
    sign = "+" if signed and rounded > 0 else ""
    return _minus(f"{sign}{_positive_zero(rounded):,.{places}f}{NARROW}%")


def basis_points(value: Numeric | None) -> str:
    """Return basis points with one decimal and a sign."""
    number = _decimal(value)
    if number is None:
        return MISSING
    rounded = _positive_zero(_rounded(number, 1))
    return _minus(f"{'+' if rounded > 0 else ''}{rounded:,.1f}")


def ratio(value: Numeric | None, places: int = 2) -> str:
    """Return a plain number, such as a Sharpe ratio or an indicator."""
    number = _decimal(value)
    if number is None:
        return MISSING
    return _minus(f"{_positive_zero(_rounded(number, places)):,.{places}f}")


def count(value: int | None) -> str:
    """Return a grouped whole number."""
    return MISSING if value is None else _minus(f"{value:,d}")


def figure(value: float | None) -> str:
    """Return an indicator's value: two decimals, four below one."""
    number = _decimal(value)
    if number is None:
        return MISSING
    places = 4 if abs(number) < 1 else 2
    rounded = _positive_zero(_rounded(number, places))
    text = f"{rounded:,.{places}f}"
    return _minus(text.rstrip("0").rstrip(".") if places == 4 else text)


def elapsed(seconds: float | None) -> str:
    """Return a time that was measured in seconds, in its two largest units."""
    return duration(None if seconds is None else timedelta(seconds=seconds))


def duration(span: timedelta | None) -> str:
    """Return a span in its two largest units: 3 h 12 m, 2 d 4 h, 0.4 s."""
    if span is None:
        return MISSING
    seconds = span.total_seconds()
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f}{NARROW}ms".replace("-", MINUS)
    whole = int(abs(seconds))
    units = (
        (whole // 86400, "d"),
        (whole // 3600 % 24, "h"),
        (whole // 60 % 60, "m"),
        (whole % 60, "s"),
    )
    first = next(i for i, (amount, _) in enumerate(units) if amount)
    shown = [f"{amount}{NARROW}{unit}" for amount, unit in units[first : first + 2]]
    if len(shown) == 2 and shown[1].startswith("0"):
        shown.pop()
    return (MINUS if seconds < 0 else "") + " ".join(shown)


def clock_time(moment: datetime | None) -> str:
    """Return wall time with its label: 10:30:00 ET."""
    return _labelled(moment, "%H:%M:%S")


def short_time(moment: datetime | None) -> str:
    """Return wall time without seconds: 10:30 ET."""
    return _labelled(moment, "%H:%M")


def weekday_time(moment: datetime | None) -> str:
    """Return weekday and wall time: Mon 09:30 ET."""
    return _labelled(moment, "%a %H:%M")


def day(moment: datetime | None) -> str:
    """Return the day: 20 Nov 2026."""
    if moment is None:
        return MISSING
    return f"{local(moment).day} {local(moment):%b %Y}"


def day_time(moment: datetime | None) -> str:
    """Return day and time: 20 Nov 10:30 ET."""
    if moment is None:
        return MISSING
    return _labelled(moment, f"{local(moment).day} %b %H:%M")


def bar_span(start: datetime | None, end: datetime | None) -> str:
    """Return a bar by its start and end: 20 Nov 10:30–11:00 ET."""
    if start is None or end is None:
        return MISSING
    begun = local(start)
    return f"{begun.day} {begun:%b %H:%M}–{_labelled(end, '%H:%M')}"


def all_zones(moment: datetime) -> str:
    """Return a moment in UTC, New York and the zone that is shown, for a title."""
    eastern = moment.astimezone(NEW_YORK)
    text = f"{moment:%Y-%m-%d %H:%M:%S} UTC · {eastern:%H:%M:%S %Z} New York"
    if zone() == NEW_YORK or zone().key == "UTC":
        return text
    return f"{text} · {local(moment):%H:%M:%S} {zone().key}"


def direction(value: Numeric | None) -> str:
    """Return up, down or flat, for colour and arrow."""
    number = _decimal(value)
    if number is None or number == 0:
        return "flat"
    return "up" if number > 0 else "down"


def limit(kind: str, value: Numeric | None) -> str:
    """Return a limit, or its use, in its own unit: a share, a count, seconds, on."""
    if value is None:
        return MISSING
    if kind.startswith("max_orders_"):
        return quantity(value)
    if kind.startswith(("allow_", "overnight_")):
        return "on" if value else "off"
    if kind.endswith(("_lag", "_age")):
        return f"{quantity(value)}{NARROW}s"
    return percent(value, 1, signed=False)


def metric(value: float | None, unit: str, reason: str | None = None) -> str:
    """Return a figure in its unit; one without bound reads as such."""
    if value is None:
        return "∞" if reason == "is infinite" else MISSING
    if unit == "ratio":
        return percent(value)
    return pnl(value) if unit == "usd" else ratio(value)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 signal, 2 signals."""
    return f"{number:,d} {noun}" if number == 1 else f"{number:,d} {noun}s"


def minus_signs(text: str) -> str:
    """Return a sentence whose negative numbers have a true minus sign."""
    return _NEGATIVE.sub(MINUS, text)


def words(name: str) -> str:
    """Return an identifier as words: daily_loss_limit -> Daily loss limit."""
    text = name.replace("_", " ").replace("-", " ").strip()
    return text[:1].upper() + text[1:]


def _labelled(moment: datetime | None, pattern: str) -> str:
    if moment is None:
        return MISSING
    label = "ET" if zone() == NEW_YORK else local(moment).tzname()
    return f"{local(moment):{pattern}} {label}"


def _amount(value: Numeric | None, signed: bool) -> str:
    number = _decimal(value)
    if number is None:
        return MISSING
    rounded = _rounded(number, 2)
    sign = MINUS if rounded < 0 else "+" if signed and rounded > 0 else ""
    return f"{sign}${abs(rounded):,.2f}"


def _decimal(value: Numeric | None) -> Decimal | None:
    """Return an exact decimal; NaN and infinity count as missing."""
    if value is None:
        return None
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    return number if number.is_finite() else None


def _rounded(number: Decimal, places: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-places), context=_ANY_SIZE)


def _positive_zero(number: Decimal) -> Decimal:
    return abs(number) if number == 0 else number


def _minus(text: str) -> str:
    return text.replace("-", MINUS)
