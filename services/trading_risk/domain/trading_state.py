"""Halt levels, and the trading state that each of them is."""

from collections.abc import Mapping

from trading_system.vocabulary import TradingState

STATE_OF_LEVEL: Mapping[int, TradingState] = {
    0: TradingState.ACTIVE,
    1: TradingState.REDUCING,  # no entries
    2: TradingState.REDUCING,  # and open orders are canceled
    3: TradingState.HALTED,  # and every position is closed
}

BREAKER = "breaker"
"""How a halt by a breaker is signed; only such a halt ends by itself."""


def halts_further(
    level: int, by: str, current_level: int | None, current_by: str
) -> bool:
    """Say whether a halt changes anything: it never loosens one that is in force.

    `current_level` is None when no state is recorded. A person's halt takes the place
    of a breaker's at the same level, so that it does not end by itself.
    """
    if current_level is None or level > current_level:
        return True
    taken_over = current_by == BREAKER and by != BREAKER
    return taken_over and level == current_level
