"""The chain from a bar to its profit and loss, joined by ids alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from trading_system.clients import Services
from trading_system.contracts.analytics import RoundTripView
from trading_system.contracts.execution import OrderView
from trading_system.contracts.ingestion import BarView
from trading_system.contracts.risk import RiskOutcomeView
from trading_system.contracts.strategy import DecisionView
from trading_system.errors import Invalid, NotFound, Unavailable

T = TypeVar("T")

NO_RECORD = "No record"


@dataclass(frozen=True)
class Explanation:
    """What is known of one decision and of all that came of it."""

    decision: DecisionView | None
    bar: BarView | None
    outcome: RiskOutcomeView | None
    orders: list[OrderView]
    round_trips: list[RoundTripView]

    def document(self) -> dict[str, Any]:
        """Return everything, for programs."""
        return vars(self)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a step; a step that left nothing says so."""
        rows = [*self._bar(), *self._decision(), *self._risk(), *self._orders()]
        return [*rows, *self._result()]

    def _bar(self) -> list[dict[str, Any]]:
        bar = self.bar
        if bar is None:
            return [_row("bar", None, NO_RECORD)]
        prices = f"open {bar.open:g} high {bar.high:g} low {bar.low:g}"
        what = f"{bar.symbol} {prices} close {bar.close:g} volume {bar.volume:,.0f}"
        return [_row("bar", bar.bar_end, f"{what} ({bar.feed})")]

    def _decision(self) -> list[dict[str, Any]]:
        decision = self.decision
        if decision is None:
            return [_row("decision", None, NO_RECORD)]
        name = f"{decision.strategy} v{decision.strategy_version}"
        rows = [
            _row(
                "decision",
                decision.bar_end,
                f"{name}: {decision.outcome}. {decision.reason}",
            )
        ]
        for condition in decision.conditions:
            mark = "holds" if condition.passed else "does not hold"
            left = _named(condition.left, condition.left_value)
            right = _named(condition.right, condition.right_value)
            rows.append(
                _row("condition", None, f"{left} {condition.operator} {right}: {mark}")
            )
        return rows

    def _risk(self) -> list[dict[str, Any]]:
        outcome = self.outcome
        if outcome is None:
            if self.decision is not None and self.decision.signal_id is None:
                return []
            return [_row("risk", None, NO_RECORD)]
        size = f", {outcome.quantity} shares" if outcome.quantity is not None else ""
        code = f" {outcome.code}" if outcome.code else ""
        what = f"{outcome.outcome}{code}{size}. {outcome.detail}".rstrip()
        rows = [_row("risk", outcome.market_time, what)]
        for check in outcome.checks:
            mark = "passed" if check.passed else "failed"
            value = f"{check.value or '–'} of {check.limit or '–'}"
            rows.append(_row("check", None, f"{check.name}: {value}, {mark}"))
        return rows

    def _orders(self) -> list[dict[str, Any]]:
        if not self.orders:
            approved = self.outcome is not None and self.outcome.order_id is not None
            return [_row("order", None, NO_RECORD)] if approved else []
        rows = []
        for order in self.orders:
            what = f"{order.side} {order.quantity} {order.symbol} {order.order_type}"
            rows.append(_row("order", order.market_time, f"{what}: {order.status}"))
            for trade in order.trades:
                what = f"{trade.quantity} at {trade.price}, fees {trade.fees}"
                rows.append(_row("fill", trade.timestamp, what))
        return rows

    def _result(self) -> list[dict[str, Any]]:
        rows = []
        for trip in self.round_trips:
            state = "open" if trip.exit_time is None else f"net {trip.net_pnl}"
            what = f"{trip.quantity} {trip.symbol} from {trip.entry_price}: {state}"
            rows.append(_row("round trip", trip.exit_time or trip.entry_time, what))
        return rows


def explain(services: Services, identifier: str) -> Explanation:
    """Return the chain that an order, a signal or a decision belongs to."""
    try:
        known = UUID(identifier)
    except ValueError:
        raise Invalid(
            f"{identifier} is not an id.",
            remedy="Ids are shown by `trading orders` and on the Explain page.",
        ) from None
    decision, signal_id, order = _found(services, known)
    outcome = _or_none(lambda: services.risk.outcome(signal_id)) if signal_id else None
    orders = services.execution.orders_by_signal(signal_id) if signal_id else []
    if not orders and order is not None:
        orders = [order]
    return Explanation(
        decision=decision,
        bar=_bar(services, decision) if decision else None,
        outcome=outcome,
        orders=orders,
        round_trips=_round_trips(services, orders),
    )


def _found(
    services: Services, known: UUID
) -> tuple[DecisionView | None, UUID | None, OrderView | None]:
    if decision := _or_none(lambda: services.strategy.decision(known)):
        return decision, decision.signal_id, None
    order = _or_none(lambda: services.execution.order(known))
    signal_id = known if order is None else order.signal_id
    if signal_id is None:
        return None, None, order
    signal = _or_none(lambda: services.strategy.signal(signal_id))
    if signal is None and order is None:
        raise NotFound(
            f"No order, signal or decision has the id {known}.",
            remedy="Ids are shown by `trading orders` and on the Explain page.",
        )
    if signal is None:
        return None, signal_id, order
    return (
        _or_none(lambda: services.strategy.decision(signal.decision_id)),
        signal_id,
        order,
    )


def _bar(services: Services, decision: DecisionView) -> BarView | None:
    bars = services.ingestion.bars(
        decision.symbol,
        decision.timeframe,
        start=decision.bar_start,
        end=decision.bar_end,
        limit=1,
    )
    return next((bar for bar in bars if bar.timestamp == decision.bar_start), None)


def _round_trips(services: Services, orders: list[OrderView]) -> list[RoundTripView]:
    try:
        return [
            trip
            for order in orders
            for trip in services.analytics.round_trips_by_order(order.order_id)
        ]
    except Unavailable:
        # The chain up to the fill is worth showing without what analytics adds.
        return []


def _or_none(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except NotFound:
        return None


def _named(name: str, value: float | None) -> str:
    return name if value is None or name == f"{value:g}" else f"{name} {value:g}"


def _row(step: str, time: Any, what: str) -> dict[str, Any]:
    return {"step": step, "time": time, "what": what}
