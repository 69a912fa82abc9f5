"""How long a message that could not be sent waits, and when it is given up."""

from datetime import timedelta

LEASE = timedelta(minutes=2)
"""How long one attempt may take before another process tries."""

GROUPING = timedelta(seconds=5)
"""How long a grouped message waits for more, on the machine's clock."""

MOST_ATTEMPTS = 12


def pause_after(attempts: int) -> timedelta | None:
    """Return how long to wait after an attempt, None when it was the last.

    From half a minute, doubling up to two hours: about nine hours in all.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    return min(timedelta(seconds=30 * 2 ** (attempts - 1)), timedelta(hours=2))
