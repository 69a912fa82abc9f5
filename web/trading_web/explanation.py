"""The chain behind one decision: bar, indicators, signal, risk, order, fills, profit.

Joined by ids only. A step that should be there and is not says "No record".
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, NamedTuple
from uuid import UUID

from trading_system.contracts.analytics import RoundTripView
from trading_system.contracts.execution import OrderView, TradeView
from trading_system.contracts.ingestion import BarView
from trading_system.contracts.risk import RiskOutcomeView
from trading_system.contracts.strategy import DecisionView
from trading_system.errors import NotFound
from trading_web import formats
from trading_web.decision_words import word_of
from trading_web.desk import Answer, Desk
from trading_web.order_states import state_of

BEFORE: Final = 60
AFTER: Final = 20


class Step(NamedTuple):
    """One link of the chain, as the page shows it."""

    name: str
    title: str
    icon: str
    tone: str
    state: str
    at: datetime | None
    line: str

    @property
    def reached(self) -> bool:
        """Whether there is anything to open."""
        return self.state not in ("Not reached", "No record", "Unknown")


@dataclass(frozen=True)
class Explanation:
    """A decision and everything that is recorded about it."""

    decision: DecisionView
    bar_answer: Answer[list[BarView]]
    outcome: Answer[RiskOutcomeView | None] | None
    orders: Answer[list[OrderView]] | None
    round_trips: Answer[list[RoundTripView]] | None

    @classmethod
    def read(cls, desk: Desk, decision_id: UUID) -> "Explanation":
        """Ask the five services that know a part of it."""
        services = desk.services
        decision = services.strategy.decision(decision_id)
        bar = desk.ask(
            f"bar-{decision_id}",
            lambda: services.ingestion.bars(
                decision.symbol,
                decision.timeframe,
                start=decision.bar_start,
                end=decision.bar_end,
                limit=2,
            ),
        )
        signal = decision.signal_id
        if signal is None:
            return cls(decision, bar, None, None, None)
        outcome = desk.ask(f"outcome-{signal}", lambda: _or_none(desk, signal))
        orders = desk.ask(f"orders-of-{signal}", lambda: _orders_in_full(desk, signal))
        trips = None
        if orders.value:
            first = orders.value[0].order_id
            trips = desk.ask(
                f"trips-of-{first}",
                lambda: services.analytics.round_trips_by_order(first),
            )
        return cls(decision, bar, outcome, orders, trips)

    @cached_property
    def bar(self) -> BarView | None:
        """The bar as it is stored now."""
        wanted = self.decision.bar_start
        bars = self.bar_answer.value or []
        return next((bar for bar in bars if bar.timestamp == wanted), None)

    @property
    def risk(self) -> RiskOutcomeView | None:
        """What risk answered."""
        return self.outcome.value if self.outcome else None

    @property
    def order(self) -> OrderView | None:
        """The order that came of it; the latest generation."""
        orders = self.orders.value if self.orders else None
        return orders[-1] if orders else None

    @property
    def trades(self) -> list[TradeView]:
        """Every execution of its orders, oldest first."""
        orders = (self.orders.value or []) if self.orders else []
        trades = [trade for order in orders for trade in order.trades]
        return sorted(trades, key=lambda trade: trade.timestamp)

    @property
    def trip(self) -> RoundTripView | None:
        """The round trip that its order opened or closed."""
        trips = (self.round_trips.value or []) if self.round_trips else []
        return trips[-1] if trips else None


def sentence(found: Explanation) -> str:
    """Return what happened and why, in one sentence made of the records."""
    decision, risk, order = found.decision, found.risk, found.order
    bar = formats.bar_span(decision.bar_start, decision.bar_end)
    who = f"{decision.strategy} v{decision.strategy_version}"
    reason = formats.minus_signs(decision.reason.rstrip("."))
    scored = "" if decision.score is None else f" scored {decision.score:.4f}"
    scored = scored.replace("-", formats.MINUS)
    because = f"{who}{scored} on the bar of {bar}: {reason}"
    if decision.signal_id is None:
        return f"Did nothing in {decision.symbol}. {because}."
    if risk is None:
        return (
            f"A signal in {decision.symbol} without an answer of risk yet. {because}."
        )
    if risk.outcome != "approved":
        side = risk.side
        return f"Did not {side} {risk.symbol}: {risk.detail.rstrip('.')}. {because}."
    if order is None or not order.filled_quantity:
        state = state_of(order).word.lower() if order else "not recorded"
        amount = formats.quantity(risk.quantity)
        return (
            f"Approved to {risk.side} {amount} {risk.symbol}; the order is {state}. "
            f"{because}."
        )
    verb = "Bought" if order.side == "buy" else "Sold"
    amount = formats.quantity(order.filled_quantity)
    at = formats.price(order.average_fill_price)
    first = found.trades[0].timestamp if found.trades else order.market_time
    when = formats.day_time(first)
    text = f"{verb} {amount} {order.symbol} at ${at} on {when}, because {because}."
    trip = found.trip
    if trip is not None and trip.net_pnl is not None and trip.exit_time is not None:
        text += f" Closed with {formats.pnl(trip.net_pnl)} after costs."
    return text


def steps(found: Explanation) -> list[Step]:
    """Return the seven steps in order."""
    return [
        _bar(found),
        _indicators(found),
        _signal(found),
        _risk(found),
        _order(found),
        _fills(found),
        _result(found),
    ]


def around(desk: Desk, found: Explanation) -> list[BarView]:
    """Return the bars before the decision and those that followed, to the exit."""
    decision = found.decision
    trip = found.trip
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


def _bar(found: Explanation) -> Step:
    bar, decision = found.bar, found.decision
    line = formats.bar_span(decision.bar_start, decision.bar_end)
    if bar is None and decision.outcome == "no_bar":
        at = decision.bar_end
        return Step("bar", "Bar", "–", "warn", "No bar", at, "The feed had none.")
    if bar is None:
        return _missing("bar", "Bar", found.bar_answer)
    line += f", closed at {formats.price(bar.close)}"
    if decision.close is not None and bar.close != decision.close:
        line += f"; corrected since: the decision saw {formats.price(decision.close)}"
        return Step("bar", "Bar", "!", "warn", "Corrected", bar.bar_end, line)
    return Step("bar", "Bar", "✓", "ok", "Stored", bar.bar_end, line)


def _indicators(found: Explanation) -> Step:
    decision = found.decision
    values = decision.indicators
    lacking = [name for name, value in values.items() if value is None]
    at = decision.bar_end
    if not values or lacking:
        line = decision.reason if not values else f"Not enough history: {lacking[0]}"
        return Step("indicators", "Indicators", "!", "warn", "Incomplete", at, line)
    shown = [f"{formats.words(k)} {formats.figure(v)}" for k, v in values.items()]
    line = " · ".join(shown[:3])
    return Step("indicators", "Indicators", "✓", "ok", "Computed", at, line)


def _signal(found: Explanation) -> Step:
    decision = found.decision
    at, reason = decision.bar_end, formats.minus_signs(decision.reason)
    if decision.signal_id is None:
        failed = decision.outcome == "error"
        tone, state = ("bad", "Error") if failed else ("quiet", "No signal")
        return Step("signal", "Signal", "–", tone, state, at, reason)
    state = word_of(decision)
    return Step("signal", "Signal", "✓", "ok", state, at, reason)


def _risk(found: Explanation) -> Step:
    if found.decision.signal_id is None:
        return _not_reached("risk", "Risk decision")
    risk = found.risk
    if risk is None:
        return _missing("risk", "Risk decision", found.outcome)
    if risk.outcome != "approved":
        state = "Denied"
        return Step(
            "risk", "Risk decision", "✕", "bad", state, risk.market_time, risk.detail
        )
    resized = [c for c in risk.checks if _resized(c.quantity_before, c.quantity_after)]
    line = f"{formats.quantity(risk.quantity)} shares, {len(risk.checks)} checks passed"
    if resized:
        line += f"; size set by {formats.words(resized[-1].name).lower()}"
    return Step("risk", "Risk decision", "✓", "ok", "Approved", risk.market_time, line)


def _order(found: Explanation) -> Step:
    risk, order = found.risk, found.order
    if risk is None or risk.outcome != "approved":
        return _not_reached("order", "Order")
    if order is None:
        return _missing("order", "Order", found.orders)
    state = state_of(order)
    line = (
        f"{order.side.capitalize()} {formats.quantity(order.quantity)} {order.symbol}, "
        f"{formats.words(order.order_type).lower()}, {order.time_in_force}"
    )
    if order.reason and state.tone == "bad":
        line += f": {order.reason}"
    at = order.market_time
    tone = state.tone or "ok"
    return Step("order", "Order", state.icon, tone, state.word, at, line)


def _fills(found: Explanation) -> Step:
    order, trades = found.order, found.trades
    if order is None:
        return _not_reached("fills", "Fills")
    if not trades:
        return Step(
            "fills", "Fills", "–", "quiet", "None yet", None, "Nothing executed."
        )
    amount = formats.quantity(order.filled_quantity)
    line = f"{amount} at {formats.price(order.average_fill_price)} in {len(trades)} "
    line += "fill" if len(trades) == 1 else "fills"
    if order.slippage_bps is not None:
        line += f", slippage {formats.basis_points(order.slippage_bps)} bps"
    partial = order.filled_quantity < order.quantity
    state = "Partial" if partial else "Complete"
    at = trades[-1].timestamp
    return Step("fills", "Fills", "✔", "warn" if partial else "ok", state, at, line)


def _result(found: Explanation) -> Step:
    if not found.trades:
        return _not_reached("result", "Position and profit")
    trip = found.trip
    if trip is None:
        line = "Analytics has not counted this trade yet."
        if found.round_trips is not None and found.round_trips.problem:
            line = found.round_trips.problem
        return Step("result", "Position and profit", "–", "quiet", "Open", None, line)
    if trip.exit_time is None or trip.net_pnl is None:
        line = f"{formats.quantity(trip.quantity)} {trip.symbol} still held."
        return Step("result", "Position and profit", "▶", "ok", "Open", None, line)
    tone = formats.direction(trip.net_pnl)
    line = (
        f"{formats.pnl(trip.net_pnl)} after fees of {formats.money(trip.fees)}, "
        f"{formats.percent(trip.return_fraction)}"
    )
    return Step(
        "result", "Position and profit", "✔", tone, "Closed", trip.exit_time, line
    )


def _not_reached(name: str, title: str) -> Step:
    return Step(
        name, title, "·", "quiet", "Not reached", None, "The chain ended before."
    )


def _missing(name: str, title: str, answer: Answer[Any] | None) -> Step:
    """Tell a service that is silent from a record that is not there."""
    if answer is not None and answer.problem:
        return Step(name, title, "?", "warn", "Unknown", None, answer.problem)
    line = "There should be a record of this step. See the log."
    return Step(name, title, "✕", "bad", "No record", None, line)


def _resized(before: Decimal | None, after: Decimal | None) -> bool:
    return before is not None and after is not None and before != after


def _or_none(desk: Desk, signal_id: UUID) -> RiskOutcomeView | None:
    try:
        return desk.services.risk.outcome(signal_id)
    except NotFound:
        return None


def _orders_in_full(desk: Desk, signal_id: UUID) -> list[OrderView]:
    """Return the signal's orders with their attempts and executions."""
    orders = desk.services.execution.orders_by_signal(signal_id)
    return [desk.services.execution.order(order.order_id) for order in orders]
