"""Several orders that are one intent: all are placed, or what was placed is unwound."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trading_core.money import ZERO
from trading_execution.domain.order_status import AT_BROKER, TERMINAL, OrderStatus

UNWIND = "unwind"
"""The tag of the orders that take a leg back."""

MOST_TRIES = 5
"""Orders that are written to take one leg back, before a person is asked for."""


class ComboStatus(StrEnum):
    """Where several orders that are one intent are."""

    PLACING = "PLACING"
    """Its legs leave one after the other, each when the one before it is taken."""
    PLACED = "PLACED"
    """The broker has taken every leg."""
    UNWINDING = "UNWINDING"
    """A leg has failed: the others are canceled, and what was filled is taken back."""
    UNWOUND = "UNWOUND"
    FAILED = "FAILED"
    """Something could not be taken back: a person has to."""


OPEN = frozenset({ComboStatus.PLACING, ComboStatus.UNWINDING})


@dataclass(frozen=True, slots=True)
class Leg:
    """A leg as it stands; `blocked` says why it may not leave now, if it may not."""

    number: int
    status: OrderStatus
    reason: str = ""
    blocked: str | None = None


def failure_of(legs: Sequence[Leg]) -> str | None:
    """Return why not every leg can be placed; None while each still can."""
    for leg in legs:
        if leg.status in TERMINAL - {OrderStatus.FILLED}:
            return f"leg {leg.number} is {leg.status}: {leg.reason}"
        if leg.status is OrderStatus.READY and leg.blocked:
            return f"leg {leg.number} may not leave: {leg.blocked}"
    return None


def are_placed(legs: Sequence[Leg]) -> bool:
    """Say whether the broker has taken every leg."""
    return all(leg.status in AT_BROKER | {OrderStatus.FILLED} for leg in legs)


def to_take_back(
    filled: Decimal, taken_back: Decimal, closed: Decimal, held: Decimal
) -> Decimal:
    """Return the shares of a leg that an order should still take back.

    `filled` is what the leg has bought (or sold short), `taken_back` what orders have
    undone of it, `closed` what others have, such as a flatten. No more than the
    strategy still `held` that way is taken: a position is never turned round.
    """
    return max(min(filled - taken_back - closed, held), ZERO)
