"""Gathers the records of one chain from the five services that know a part of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from trading_system.clients import Services
from trading_system.contracts.analytics import RoundTripView
from trading_system.contracts.execution import OrderView, TradeView
from trading_system.contracts.ingestion import BarView
from trading_system.contracts.risk import RiskOutcomeView
from trading_system.contracts.strategy import DecisionView, SignalView
from trading_system.errors import Invalid, NotFound, Unavailable

T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """A record; without one the problem that hides it, or none when there is none."""

    value: T | None = None
    problem: str = ""


@dataclass(frozen=True)
class Records:
    """What is known of one chain."""

    decision: Answer[DecisionView]
    bar: Answer[BarView]
    outcome: Answer[RiskOutcomeView]
    orders: Answer[list[OrderView]]
    round_trips: Answer[list[RoundTripView]]
    has_signal: bool

    @property
    def order(self) -> OrderView | None:
        """The order that came of it; the latest generation."""
        return self.orders.value[-1] if self.orders.value else None

    @property
    def trades(self) -> list[TradeView]:
        """Every execution of its orders, oldest first."""
        trades = [t for order in self.orders.value or [] for t in order.trades]
        return sorted(trades, key=lambda trade: trade.timestamp)

    @property
    def round_trip(self) -> RoundTripView | None:
        """The round trip that its order opened or closed; the latest."""
        return self.round_trips.value[-1] if self.round_trips.value else None

    @property
    def has_decision(self) -> bool:
        """Whether a strategy is behind it: neither a person nor a flatten."""
        order, outcome = self.order, self.outcome.value
        named = outcome.strategy if outcome else order.strategy if order else ""
        return named != "manual" and not self.is_flatten

    @property
    def is_flatten(self) -> bool:
        """Whether it closes a position because trading was halted."""
        return self.order is not None and self.order.tag == "flatten"


def read(services: Services, identifier: str) -> Records:
    """Return every record of the chain that an id belongs to."""
    try:
        known = UUID(identifier)
    except ValueError:
        raise Invalid(
            f"{identifier} is not an id.",
            remedy="Ids are shown by `trading orders` and on the Explain page.",
        ) from None
    decision, signal_id, order = _Search(services).start(known)
    orders = Answer[list[OrderView]]()
    outcome = Answer[RiskOutcomeView]()
    if signal_id is not None:
        signal = signal_id
        outcome = _ask(lambda: services.risk.outcome(signal))
        orders = _ask(lambda: services.execution.orders_by_signal(signal))
    if not orders.value and order is not None:
        orders = Answer([order])
    return Records(
        decision=decision,
        bar=_bar(services, decision),
        outcome=outcome,
        orders=orders,
        round_trips=_round_trips(services, orders.value or []),
        has_signal=signal_id is not None,
    )


Start = tuple[Answer[DecisionView], UUID | None, OrderView | None]


class _Search:
    """Finds what an id is the id of."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def start(self, known: UUID) -> Start:
        """Return the decision, the signal and, when it began with one, the order."""
        services = self._services
        decision = _ask(lambda: services.strategy.decision(known))
        if decision.value:
            return decision, decision.value.signal_id, None
        order = _ask(lambda: services.execution.order(known))
        if order.value:
            return self._from_order(order.value)
        signal = _ask(lambda: services.strategy.signal(known))
        outcome = _ask(lambda: services.risk.outcome(known))
        if signal.value or outcome.value:
            return self._from_signal(signal), known, None
        decisions = _ask(lambda: services.strategy.decisions_by_correlation(known))
        if decisions.value:
            first = min(decisions.value, key=lambda each: each.signal_id is None)
            return Answer(first), first.signal_id, None
        trip = _ask(lambda: services.analytics.round_trip(known))
        entry = trip.value.entry_order_id if trip.value else None
        if entry is not None:
            opened = _ask(lambda: services.execution.order(entry))
            if opened.value:
                return self._from_order(opened.value)
        asked = (decision, order, signal, outcome, decisions, trip)
        silent = next((each.problem for each in asked if each.problem), "")
        if silent:
            raise Unavailable(
                f"Of the services that answer none knows the id {known}. {silent}",
                remedy="Ask again when all of them run: `trading status`.",
            )
        raise NotFound(
            f"No decision, signal, order, bar or round trip has the id {known}.",
            remedy="Ids are shown by `trading orders` and on the Explain page.",
        )

    def _from_order(self, order: OrderView) -> Start:
        if order.signal_id is None:
            return Answer(), None, order
        wanted = order.signal_id
        signal = _ask(lambda: self._services.strategy.signal(wanted))
        return self._from_signal(signal), wanted, order

    def _from_signal(self, signal: Answer[SignalView]) -> Answer[DecisionView]:
        if signal.value is None:
            return Answer(problem=signal.problem)
        wanted = signal.value.decision_id
        return _ask(lambda: self._services.strategy.decision(wanted))


def _bar(services: Services, decision: Answer[DecisionView]) -> Answer[BarView]:
    seen = decision.value
    if seen is None:
        return Answer(problem=decision.problem)
    bars = _ask(
        lambda: services.ingestion.bars(
            seen.symbol, seen.timeframe, start=seen.bar_start, end=seen.bar_end, limit=2
        )
    )
    of_then = (b for b in bars.value or [] if b.timestamp == seen.bar_start)
    return Answer(next(of_then, None), bars.problem)


def _round_trips(
    services: Services, orders: list[OrderView]
) -> Answer[list[RoundTripView]]:
    found: list[RoundTripView] = []
    for order in orders:
        wanted = order.order_id
        trips = _ask(lambda: services.analytics.round_trips_by_order(wanted))
        if trips.problem:
            return Answer(problem=trips.problem)
        found += trips.value or []
    return Answer(found)


def _ask(call: Callable[[], T]) -> Answer[T]:
    try:
        return Answer(call())
    except NotFound:
        return Answer()
    except Unavailable as error:
        return Answer(problem=error.detail)
