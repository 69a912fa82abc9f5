"""What follows when the broker says that it does not know an order of ours.

"Not found" is no proof: a fresh order may be hidden for a while, and a call that timed
out may still arrive. So the order is asked for again, sent again only under the same
id, and given up only after a long silence; the id stays watched even then.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

REFUSED = "refused"
"""The outcome of an attempt that the broker answered with a definite no."""


class Next(StrEnum):
    """What to do with an order that the broker does not know."""

    WAIT = "wait"
    SEND_AGAIN = "send_again"
    REJECT = "reject"
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may take to become visible.

    Seconds of a clock that never jumps: the machine's may be set forward while a call
    still hangs at the broker.
    """

    before_again: timedelta = timedelta(seconds=60)
    before_expiry: timedelta = timedelta(minutes=10)
    misses: int = 3


@dataclass(frozen=True, slots=True)
class Silence:
    """An order that the broker did not know when it was asked.

    `misses` counts such answers, the last one included; `lasted` is for how long this
    process has known the attempt to be unclear, which is never longer than the attempt
    is old. `refused` says that the last attempt was answered with a refusal.
    """

    misses: int
    lasted: timedelta
    may_still_leave: bool
    refused: bool


def after_silence(silence: Silence, patience: Patience) -> Next:
    """Return what to do next."""
    if silence.misses < patience.misses or silence.lasted < patience.before_again:
        return Next.WAIT
    if silence.refused:
        return Next.REJECT
    if silence.may_still_leave:
        return Next.SEND_AGAIN
    return Next.EXPIRE if silence.lasted >= patience.before_expiry else Next.WAIT
