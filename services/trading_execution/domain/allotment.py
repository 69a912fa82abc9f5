"""Dividing what the broker books for the account over the strategies' books."""

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal

from trading_core.money import ZERO


def allot(
    amount: Decimal, shares: Mapping[str, Decimal], step: Decimal
) -> dict[str, Decimal]:
    """Divide an amount in proportion to shares held; the parts add up exactly.

    Each part is cut to `step`; what is left goes to the largest holder.
    """
    total = sum(shares.values(), ZERO)
    if not shares or not total:
        return {}
    parts = {
        name: (amount * held / total).quantize(step, ROUND_DOWN)
        for name, held in shares.items()
    }
    largest = max(sorted(shares), key=lambda name: abs(shares[name]))
    parts[largest] += amount - sum(parts.values(), ZERO)
    return parts
