"""One-day value at risk by historical simulation."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

WINDOW = 250
"""Sessions that are looked back on."""

LEAST = 50
"""Daily results below which no figure is given."""

CONFIDENCE = 0.95


def daily_results(
    values: Mapping[str, Decimal], closes: Mapping[str, Sequence[float]]
) -> list[float]:
    """Return what today's positions would have made on each past day, in dollars.

    `values` are today's market values, below zero for a short; `closes` each symbol's
    daily closes, oldest first, all ending on the same day. Days that not every symbol
    has are left out.
    """
    held = [symbol for symbol, value in values.items() if value]
    if not held or any(symbol not in closes for symbol in held):
        return []
    days = min(len(closes[symbol]) for symbol in held) - 1
    results = [0.0] * max(days, 0)
    for symbol in held:
        prices = closes[symbol][-(days + 1) :] if days > 0 else ()
        value = float(values[symbol])
        for day, (before, after) in enumerate(zip(prices, prices[1:], strict=False)):
            results[day] += value * (after / before - 1)
    return results


def value_at_risk(
    results: Sequence[float], confidence: float = CONFIDENCE, least: int = LEAST
) -> float | None:
    """Return the loss that was exceeded on 1 - confidence of days; None for too few.

    The lower order statistic is taken, so that the figure is one that happened.
    """
    if len(results) < least:
        return None
    place = int((1 - confidence) * (len(results) - 1) + 1e-9)
    return max(-sorted(results)[place], 0.0)
