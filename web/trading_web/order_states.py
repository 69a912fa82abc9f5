"""The life of an order in eight words, each with what it means."""

from typing import Final, NamedTuple

from trading_system.clock import utc_now
from trading_system.contracts.execution import OrderView
from trading_web import formats


class OrderState(NamedTuple):
    """A word for where an order is, never shown by colour alone."""

    icon: str
    word: str
    tone: str
    meaning: str


_DRAFT = OrderState("○", "Ready", "quiet", "Approved and stored; not sent yet.")
_SENT = OrderState("◔", "Sent", "", "On its way; the broker has not confirmed it yet.")
_UNKNOWN = OrderState(
    "?", "Unclear", "warn", "The broker's answer was unclear; it is being looked up."
)
_WAITING = OrderState("⏸", "Waiting", "", "Not working now: a condition, the session.")
_WORKING = OrderState("▶", "Working", "", "Live at the venue.")
_CHANGING = OrderState(
    "↻", "Changing", "warn", "A request was sent; the order may still fill."
)
_FILLED = OrderState("✔", "Filled", "ok", "Done.")
_ENDED = OrderState("✕", "Ended", "quiet", "Over without further execution.")
_REJECTED = OrderState("✕", "Rejected", "bad", "The broker said no.")

STATES: Final = {
    "ready": _DRAFT,
    "submitting": _SENT,
    "submitted": _SENT,
    "unknown": _UNKNOWN,
    "pending_new": _SENT,
    "pending_review": _SENT,
    "accepted_for_bidding": _SENT,
    # Our own word for "the broker has it"; Alpaca's `accepted` comes just before `new`.
    "accepted": _WORKING,
    "new": _WORKING,
    "partially_filled": _WORKING,
    "held": _WAITING,
    "suspended": _WAITING,
    "stopped": _WAITING,
    "calculated": _WAITING,
    "pending_cancel": _CHANGING,
    "pending_replace": _CHANGING,
    "filled": _FILLED,
    "canceled": _ENDED,
    "expired": _ENDED,
    "done_for_day": _ENDED,
    "replaced": _ENDED,
    "not_sent": OrderState("✕", "Not sent", "quiet", "Withdrawn before it was sent."),
    "rejected": _REJECTED,
}

OPEN: Final = frozenset(
    {"READY", "SUBMITTING", "UNKNOWN", "ACCEPTED", "PARTIALLY_FILLED"}
)


def state_of(order: OrderView) -> OrderState:
    """Return an order's word; one we do not know is shown as it is."""
    known = STATES.get(order.status.lower())
    if known is None:
        return OrderState("?", f"Unknown ({order.status})", "bad", "Not a known state.")
    if order.netted_quantity and order.netted_quantity == order.quantity:
        return OrderState("⇄", "Netted", "quiet", order.reason or "Met by another.")
    if known is _WORKING and order.filled_quantity:
        filled = formats.quantity(order.filled_quantity)
        return known._replace(
            word=f"Working {filled}/{formats.quantity(order.quantity)}"
        )
    if known is _UNKNOWN:
        since = order.submitted_at or order.created_at
        return known._replace(
            word=f"Unclear for {formats.duration(utc_now() - since)}",
            meaning=f"{order.reason or known.meaning}. It counts as exposure, is looked"
            " up by its id, and is sent again under that id alone.",
        )
    if known is _ENDED:
        reason = order.reason or formats.words(order.status.lower())
        word = f"Ended · {order.status.lower()}"
        if order.filled_quantity:
            filled = formats.quantity(order.filled_quantity)
            word = f"Ended · {filled}/{formats.quantity(order.quantity)} filled"
        return known._replace(word=word, meaning=reason)
    if known is _REJECTED and order.reason:
        return known._replace(meaning=order.reason)
    return known


def is_open(order: OrderView) -> bool:
    """Say whether an order may still execute."""
    return order.status.upper() in OPEN
