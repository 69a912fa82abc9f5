"""How long an order took from its signal to its first fill, stage by stage."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from trading_system.contracts.execution import OrderView
from trading_system.contracts.risk import RiskOutcomeView
from trading_system.contracts.strategy import DecisionView
from trading_system.vocabulary import Instant, View

STAGES: Final = {
    "to_approval": "Signal to risk's answer",
    "to_sending": "Answer to sending",
    "to_broker": "Sending to the broker's answer",
    "to_fill": "Broker's answer to first fill",
}
"""The stages in their order; the last one is the market's, not ours."""

OURS: Final = ("to_approval", "to_sending", "to_broker")


class Timing(View):
    """One order's stages in seconds of the machine's clock; None where it has none."""

    order_id: UUID
    symbol: str
    strategy: str
    market_time: Instant
    to_approval: float | None
    to_sending: float | None
    to_broker: float | None
    to_fill: float | None

    @property
    def ours(self) -> float:
        """What we and the line to the broker took together."""
        return sum(getattr(self, stage) or 0 for stage in OURS)


class Spread(NamedTuple):
    """How a stage's times are spread, in seconds."""

    label: str
    n: int
    p50: float | None
    p95: float | None
    p99: float | None


def timings(
    orders: Iterable[OrderView],
    outcomes: Iterable[RiskOutcomeView],
    decisions: Iterable[DecisionView],
) -> list[Timing]:
    """Return the stages of the orders that were sent, oldest first."""
    approved = {each.signal_id: each.created_at for each in outcomes}
    decided = {each.signal_id: each.created_at for each in decisions}
    found = [
        _timing(order, approved, decided)
        for order in orders
        if order.submitted_at is not None
    ]
    return sorted(found, key=lambda timing: timing.market_time)


def spreads(found: Sequence[Timing]) -> list[Spread]:
    """Return the spread of each stage over orders that have it."""
    return [_spread(label, _times(found, stage)) for stage, label in STAGES.items()]


def slowest(found: Sequence[Timing], most: int = 10) -> list[Timing]:
    """Return the orders that took us longest, the slowest first."""
    return sorted(found, key=lambda timing: timing.ours, reverse=True)[:most]


def _timing(
    order: OrderView,
    approved: Mapping[UUID, datetime],
    decided: Mapping[UUID | None, datetime],
) -> Timing:
    signal = order.signal_id
    answer = approved.get(signal) if signal else None
    asked = decided.get(signal) if signal else None
    return Timing(
        order_id=order.order_id,
        symbol=order.symbol,
        strategy=order.strategy,
        market_time=order.market_time,
        to_approval=_between(asked, answer),
        to_sending=_between(answer or order.created_at, order.submitted_at),
        to_broker=_between(order.submitted_at, order.accepted_at),
        to_fill=_between(order.accepted_at, order.first_fill_at),
    )


def _between(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    # A fill may be heard of before the answer to the order that it fills.
    return max((end - start).total_seconds(), 0.0)


def _times(found: Iterable[Timing], stage: str) -> list[float]:
    times = (getattr(timing, stage) for timing in found)
    return sorted(each for each in times if each is not None)


def _spread(label: str, times: list[float]) -> Spread:
    def percentile(share: float) -> float | None:
        """Nearest rank: the smallest time that `share` of all do not exceed."""
        return times[math.ceil(share * len(times)) - 1] if times else None

    return Spread(
        label, len(times), percentile(0.5), percentile(0.95), percentile(0.99)
    )
