"""The life of an order, as a table; a trigger in the database holds the same one."""

from enum import StrEnum


class OrderStatus(StrEnum):
    """Where an order is in its life."""

    READY = "READY"
    """Approved and written down; the broker has not been called."""
    SUBMITTING = "SUBMITTING"
    """Claimed: the call to the broker is committed to, and may be under way."""
    UNKNOWN = "UNKNOWN"
    """The broker's answer was unclear; the order is looked up until it is known."""
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    NOT_SENT = "NOT_SENT"
    """Given up before any attempt to send it."""


S = OrderStatus

AT_BROKER = frozenset({S.ACCEPTED, S.PARTIALLY_FILLED})
UNSETTLED = frozenset({S.SUBMITTING, S.UNKNOWN})
TERMINAL = frozenset({S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.NOT_SENT})
LIVE = frozenset(S) - TERMINAL

EVIDENCE = AT_BROKER | (TERMINAL - {S.NOT_SENT})
"""What the broker can report. It is believed from every state that is not final."""

LIFE: dict[OrderStatus, frozenset[OrderStatus]] = {
    S.READY: EVIDENCE | {S.SUBMITTING, S.UNKNOWN, S.NOT_SENT},
    S.SUBMITTING: EVIDENCE | {S.UNKNOWN},
    S.UNKNOWN: EVIDENCE | {S.READY},
    S.ACCEPTED: EVIDENCE - {S.ACCEPTED},
    S.PARTIALLY_FILLED: frozenset({S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED}),
    S.FILLED: frozenset(),
    S.CANCELED: frozenset(),
    # These three are soft while no order of the broker's stands behind them.
    S.EXPIRED: EVIDENCE - {S.EXPIRED},
    S.REJECTED: EVIDENCE - {S.REJECTED},
    S.NOT_SENT: EVIDENCE,
}


def may_become(
    old: OrderStatus, new: OrderStatus, *, broker_had_it: bool, broker_has_it: bool
) -> bool:
    """Say whether an order may take this step.

    A terminal state that the broker reported is final. Our own terminals rest on
    silence: an order of the broker's proves them wrong.
    """
    if new not in LIFE[old]:
        return False
    return old not in TERMINAL or (not broker_had_it and broker_has_it)
