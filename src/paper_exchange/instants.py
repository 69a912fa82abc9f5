"""Instants as whole nanoseconds since 1970 in UTC, and how the protocol writes them."""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")

MICROSECOND = 1_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
# Years 1678 to 2261: what 64 bits hold in the store, with a year to spare.
LATEST = 2**63 - 365 * 24 * HOUR
EARLIEST = -LATEST

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?"
    r"(Z|z|[+-]\d{2}:?\d{2})?"
)


def from_datetime(instant: datetime) -> int:
    """Return an aware datetime as nanoseconds."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone: hand in aware times.")
    return _bounded((instant - _EPOCH) // timedelta(microseconds=1) * MICROSECOND)


def _bounded(instant: int) -> int:
    return max(EARLIEST, min(LATEST, instant))


def to_datetime(instant: int) -> datetime:
    """Return nanoseconds as a UTC datetime, cut to the microsecond."""
    return _EPOCH + timedelta(microseconds=instant // MICROSECOND)


@lru_cache(maxsize=4096)
def rfc3339(instant: int) -> str:
    """Return an instant as the trading and data APIs write it: UTC, up to 9 digits."""
    whole, fraction = divmod(instant, SECOND)
    text = _second(whole)
    if fraction:
        text += f".{fraction:09d}".rstrip("0")
    return text + "Z"


@lru_cache(maxsize=4096)
def _second(whole: int) -> str:
    return (_EPOCH + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%S")


def optional_rfc3339(instant: int | None) -> str | None:
    """Return an instant as text, or None where there is none."""
    return None if instant is None else rfc3339(instant)


def in_new_york(instant: int) -> str:
    """Return an instant as the clock endpoint writes it: with New York's offset."""
    local = to_datetime(instant - instant % SECOND).astimezone(NEW_YORK)
    text, fraction = local.strftime("%Y-%m-%dT%H:%M:%S"), instant % SECOND
    if fraction:
        text += f".{fraction:09d}".rstrip("0")
    offset = local.strftime("%z")
    return f"{text}{offset[:3]}:{offset[3:]}"


def new_york_date(instant: int) -> date:
    """Return the New York date of an instant."""
    return to_datetime(instant).astimezone(NEW_YORK).date()


def new_york_midnight(day: date) -> int:
    """Return the instant at which a date begins in New York."""
    return from_datetime(datetime.combine(day, time(), NEW_YORK))


def parse(text: str) -> int:
    """Return the instant of an RFC 3339 text or a date; no offset means UTC.

    A bare date is its midnight in New York, as the data API reads it. Clients write
    years 1 and 9999 for "ever": they stand for the first and the last instant there is.
    """
    text = text.strip()
    if len(text) == 10:
        return new_york_midnight(date.fromisoformat(text))
    match = _RFC3339.fullmatch(text.replace(" ", "+") if "T" in text else text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not an RFC 3339 time.")
    day, clock, fraction, offset = match.groups()
    offset = "+00:00" if offset in (None, "Z", "z") else offset
    seconds = from_datetime(datetime.fromisoformat(f"{day}T{clock}{offset}"))
    return _bounded(seconds + int((fraction or "0").ljust(9, "0")))
