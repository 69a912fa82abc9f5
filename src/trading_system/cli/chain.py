"""An explanation as rows: what was concluded, the steps, and their details."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from trading_system.contracts.risk import RiskCheckView
from trading_system.contracts.strategy import ConditionView
from trading_system.explanation import Explanation


def rows(found: Explanation) -> list[dict[str, Any]]:
    """Return the sentence, and a row for each step and each of its details."""
    shown = [_row("in short", "", None, found.sentence)]
    for step in found.steps:
        shown.append(_row(step.name, step.state, step.at, step.line))
        shown += _details(found, step.name)
    return shown


def _details(found: Explanation, step: str) -> Iterator[dict[str, Any]]:
    if step == "signal" and found.decision is not None:
        yield from map(_condition, found.decision.conditions)
    elif step == "risk" and found.outcome is not None:
        yield from map(_check, found.outcome.checks)
    elif step == "fills":
        for trade in found.trades:
            what = f"{trade.quantity} at {trade.price}, fees {trade.fees}"
            yield _row("fill", "", trade.timestamp, what)


def _condition(condition: ConditionView) -> dict[str, Any]:
    left = _named(condition.left, condition.left_value)
    right = _named(condition.right, condition.right_value)
    state = "holds" if condition.passed else "does not hold"
    return _row("condition", state, None, f"{left} {condition.operator} {right}")


def _check(check: RiskCheckView) -> dict[str, Any]:
    what = f"{check.name}: {check.value or '–'} of {check.limit or '–'}"
    return _row("check", "passed" if check.passed else "failed", None, what)


def _named(name: str, value: float | None) -> str:
    return name if value is None or name == f"{value:g}" else f"{name} {value:g}"


def _row(step: str, state: str, time: datetime | None, what: str) -> dict[str, Any]:
    return {"step": step, "state": state, "time": time, "what": what}
