"""Comparing our books with the broker's: typed differences, and what each asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from trading_core.money import ZERO
from trading_system.vocabulary import Severity, plain


class Kind(StrEnum):
    """What differs."""

    UNKNOWN_OURS = "unknown_order_of_ours"
    """At the broker under our pattern, without a row here."""
    GIVEN_UP = "order_we_gave_up"
    """At the broker, while we had ended it for want of an answer."""
    EXTERNAL = "external_order"
    MISSING = "order_missing_at_broker"
    MISSED = "missed_update"
    """The broker had moved an order on, and nobody had told us."""
    REPLACED = "replaced_at_broker"
    """The broker, or a person there, had put another in an order's place."""
    POSITION = "position"
    CASH = "cash"
    BOOKS = "ledger_and_positions"
    ORPHAN = "orphan_fill"


class Action(StrEnum):
    """What was done about a difference. None of them trades."""

    SHOWN = "shown"
    BOOKED = "booked"
    LOOKED_UP = "looked up"
    CANCELED = "canceled at the broker"
    HOLD_SYMBOL = "symbol put on hold"
    HOLD_ACCOUNT = "account put on hold"


@dataclass(frozen=True, slots=True)
class Found:
    """One difference, how bad it is, and what it asks for."""

    kind: Kind
    action: Action
    severity: Severity
    symbol: str | None = None
    order_id: UUID | None = None
    ours: str | None = None
    broker: str | None = None


MOST_SYMBOLS = 2
"""More symbols than this that differ without a reason: it is not about a symbol."""

CASH_IGNORED = Decimal("0.01")
CASH_WARNING = Decimal(1), Decimal("0.0001")
CASH_HOLD = Decimal("0.005")


def compare_positions(
    ours: Mapping[str, Decimal], broker: Mapping[str, Decimal]
) -> list[Found]:
    """Return the symbols whose shares differ."""
    found = [
        Found(
            Kind.POSITION,
            Action.HOLD_SYMBOL,
            Severity.CRITICAL,
            symbol,
            ours=plain(ours.get(symbol, ZERO)),
            broker=plain(broker.get(symbol, ZERO)),
        )
        for symbol in sorted(set(ours) | set(broker))
        if ours.get(symbol, ZERO) != broker.get(symbol, ZERO)
    ]
    if len(found) > MOST_SYMBOLS:
        found.append(
            Found(
                Kind.POSITION,
                Action.HOLD_ACCOUNT,
                Severity.CRITICAL,
                ours=f"{len(found)} symbols differ",
            )
        )
    return found


def compare_cash(ours: Decimal, broker: Decimal, equity: Decimal) -> list[Found]:
    """Return the difference in cash: shown, warned of, or a reason to stop."""
    gap = abs(ours - broker)
    if gap < CASH_IGNORED:
        return []
    share = gap / abs(equity) if equity else Decimal(1)
    dollars, fraction = CASH_WARNING
    action, severity = Action.SHOWN, Severity.INFO
    if gap > dollars and share > fraction:
        severity = Severity.WARNING
    if share > CASH_HOLD:
        action, severity = Action.HOLD_ACCOUNT, Severity.CRITICAL
    return [Found(Kind.CASH, action, severity, ours=plain(ours), broker=plain(broker))]


def compare_books(
    ledger: Mapping[str, Decimal],
    positions: Mapping[str, Decimal],
    parts: Mapping[str, Decimal],
) -> list[Found]:
    """Return the symbols where positions, or the strategies' parts, leave the ledger.

    It can only be a defect of ours, so that nothing more is traded.
    """
    found = []
    for symbol in sorted(set(ledger) | set(positions) | set(parts)):
        held = ledger.get(symbol, ZERO)
        shown, divided = positions.get(symbol, ZERO), parts.get(symbol, ZERO)
        if held == shown == divided:
            continue
        found.append(
            Found(
                Kind.BOOKS,
                Action.HOLD_ACCOUNT,
                Severity.CRITICAL,
                symbol,
                ours=f"ledger {plain(held)}, position {plain(shown)},"
                f" strategies {plain(divided)}",
            )
        )
    return found


def summary(found: list[Found]) -> str:
    """Return the differences in one line."""
    if not found:
        return "The books agree."
    counts: dict[str, int] = {}
    for difference in found:
        counts[difference.kind] = counts.get(difference.kind, 0) + 1
    return ", ".join(f"{kind}: {count}" for kind, count in sorted(counts.items()))
