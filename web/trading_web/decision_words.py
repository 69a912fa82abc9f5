"""What a decision is called on a page, and which way it points."""

from typing import Final

from trading_system.contracts.strategy import DecisionView
from trading_system.explanation import side_of

OUTCOMES: Final = {
    "signal": "Signal",
    "no_signal": "Nothing",
    "warming_up": "Warming up",
    "no_bar": "No bar",
    "error": "Error",
}


def word_of(decision: DecisionView) -> str:
    """Return a decision's word: Buy, Sell, Nothing, Warming up."""
    side = side_of(decision)
    if side is not None:
        return side.capitalize()
    return OUTCOMES.get(decision.outcome, decision.outcome)


def tone_of(decision: DecisionView) -> str:
    """Return the tone of a decision's badge."""
    if decision.outcome == "error":
        return "bad"
    return {"buy": "up", "sell": "down"}.get(side_of(decision) or "", "quiet")
