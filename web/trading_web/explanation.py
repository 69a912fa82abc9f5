"""How an explanation looks on its page: icons, tones, and the bars around it."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from trading_system.contracts.ingestion import BarView
from trading_system.contracts.strategy import DecisionView
from trading_system.explanation import Explanation, Standing, Step
from trading_web import formats
from trading_web.desk import Desk
from trading_web.order_states import state_of

BEFORE: Final = 60
AFTER: Final = 20

MARKS: Final = {
    Standing.DONE: ("✓", "ok"),
    Standing.NOTABLE: ("!", "warn"),
    Standing.QUIET: ("–", "quiet"),
    Standing.REFUSED: ("✕", "bad"),
    Standing.NOT_REACHED: ("·", "quiet"),
    Standing.NO_RECORD: ("✕", "bad"),
    Standing.UNKNOWN: ("?", "warn"),
}
"""The icon and the tone of a step."""

_EMPTY: Final = {Standing.NOT_REACHED, Standing.NO_RECORD, Standing.UNKNOWN}


class Shown(NamedTuple):
    """One link of the chain, as the page shows it."""

    name: str
    title: str
    icon: str
    tone: str
    state: str
    at: datetime | None
    line: str
    reached: bool
    """Whether there is anything to open."""


def shown(found: Explanation) -> list[Shown]:
    """Return the seven steps as they look."""
    return [_shown(found, step) for step in found.steps]


def _shown(found: Explanation, step: Step) -> Shown:
    icon, tone = MARKS[step.standing]
    if step.name == "order" and found.order is not None:
        state = state_of(found.order)
        icon, tone = state.icon, state.tone or "ok"
    elif step.name == "result" and found.round_trip is not None:
        closed = found.round_trip.net_pnl
        if step.standing is Standing.DONE and step.state == "Closed":
            icon, tone = "✔", formats.direction(closed)
    return Shown(
        name=step.name,
        title=step.title,
        icon=icon,
        tone=tone,
        state=step.state,
        at=step.at,
        line=formats.minus_signs(step.line),
        reached=step.standing not in _EMPTY,
    )


def around(desk: Desk, found: Explanation, decision: DecisionView) -> list[BarView]:
    """Return the bars before the decision and those that followed, to the exit."""
    trip = found.round_trip
    until = (trip.exit_time if trip else None) or decision.bar_end
    bars = desk.services.ingestion.bars(
        decision.symbol,
        decision.timeframe,
        start=decision.bar_start - timedelta(days=25),
        end=until + timedelta(days=12),
        limit=2000,
    )
    ends = [i for i, bar in enumerate(bars) if bar.bar_end <= decision.bar_end]
    at = ends[-1] if ends else 0
    last = sum(bar.timestamp <= until for bar in bars)
    return bars[max(0, at - BEFORE) : max(at, last) + AFTER]
