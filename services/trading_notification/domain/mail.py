"""A message as mail: subject, text, and an identity that a repeat shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from trading_system.vocabulary import TradingMode

DOMAIN = "trading-system.invalid"
"""The right side of our message ids; `.invalid` can never be somebody's domain."""


@dataclass(frozen=True, slots=True)
class Mail:
    """What is handed to the mail server."""

    message_id: str
    subject: str
    text: str
    sent_at: datetime


def message_id(notification_id: UUID) -> str:
    """Return the Message-ID that a notification has in every attempt."""
    return f"<{notification_id}@{DOMAIN}>"


def compose(
    *,
    message_id: str,
    severity: str,
    title: str,
    message: str,
    lines: Sequence[str],
    mode: TradingMode,
    market_time: datetime | None,
    now: datetime,
) -> Mail:
    """Return a message as mail; outside of live it says whose market it is."""
    marks = []
    if mode is not TradingMode.LIVE:
        marks.append(str(mode).upper())
    if severity == "critical":
        marks.append("CRITICAL")
    prefix = "".join(f"[{mark}] " for mark in marks)
    parts = [message] if not lines else ["\n".join(lines)]
    if market_time is not None:
        parts.append(f"Market time: {market_time:%Y-%m-%d %H:%M} UTC")
    if mode is TradingMode.SIMULATED:
        parts.append("SIMULATED: no real market, no money.")
    elif mode is TradingMode.PAPER:
        parts.append("PAPER: the broker's paper account, no money.")
    subject = " ".join(f"{prefix}{title}".split())
    return Mail(message_id, subject[:200], "\n\n".join(parts) + "\n", now)
