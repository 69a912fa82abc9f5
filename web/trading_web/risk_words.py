"""What a risk check found, as a person reads it."""

from typing import Final

from trading_system.contracts.risk import RiskCheckView
from trading_web import formats

STATEMENTS: Final = frozenset(
    {
        "trading_is_allowed",
        "kill_file_is_absent",
        "bar_is_the_newest",
        "signal_is_fresh",
        "symbol_is_not_parked",
        "symbol_is_unlocked",
        "books_are_clean",
        "strategy_may_enter",
        "market_takes_the_order",
        "order_is_not_repeated",
        "no_opposite_order_is_open",
        "short_is_allowed",
        "no_leg_is_refused",
    }
)
"""Checks that are true or false: their 0 and 1 say nothing to a person."""


def value_of(check: RiskCheckView) -> str:
    """Return what was found; a statement reads yes or no."""
    if check.name in STATEMENTS:
        return "yes" if check.passed else "no"
    return formats.MISSING if check.value is None else formats.minus_signs(check.value)


def limit_of(check: RiskCheckView) -> str:
    """Return what was allowed; a statement has no limit."""
    if check.limit is None or check.name in STATEMENTS:
        return formats.MISSING
    return formats.minus_signs(check.limit)
