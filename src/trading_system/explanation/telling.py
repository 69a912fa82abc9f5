"""Tells a chain from its records: one sentence, and the seven steps."""

from datetime import datetime
from typing import Any

from trading_system.contracts.strategy import DecisionView
from trading_system.explanation import words
from trading_system.explanation.records import Answer, Records
from trading_system.explanation.views import Standing, Step

TITLES = {
    "bar": "Bar",
    "indicators": "Indicators",
    "signal": "Signal",
    "risk": "Risk decision",
    "order": "Order",
    "fills": "Fills",
    "result": "Position and profit",
}


def sentence(found: Records) -> str:
    """Return what happened and why, in one sentence made of the records."""
    decision, risk, order = found.decision.value, found.outcome.value, found.order
    because = _because(found)
    if decision is not None and decision.signal_id is None:
        return f"Did nothing in {decision.symbol}. {because}."
    if order is not None and order.filled_quantity:
        verb = "Bought" if order.side == "buy" else "Sold"
        amount = words.quantity(order.filled_quantity)
        at = words.price(order.average_fill_price)
        # Of the market: `first_fill_at` is the time of the machine that heard of it.
        first = min((trade.timestamp for trade in found.trades), default=None)
        when = words.day_time(first or order.market_time)
        told = f"{verb} {amount} {order.symbol} at ${at} on {when}, because {because}."
        trip = found.round_trip
        if trip is not None and trip.net_pnl is not None and trip.exit_time is not None:
            told += (
                f" Closed with {words.money(trip.net_pnl, signed=True)} after costs."
            )
        return told
    if risk is not None and risk.outcome != "approved":
        why = risk.detail.rstrip(".")
        return f"Did not {risk.side} {risk.symbol}: {why}. {because}."
    if order is not None:
        amount = words.quantity(order.quantity)
        state = words.words(order.status.lower()).lower()
        return (
            f"The order to {order.side} {amount} {order.symbol} is {state}. {because}."
        )
    if risk is not None:
        amount = words.quantity(risk.quantity)
        missing = found.orders.problem or "no order is recorded"
        what = f"Approved to {risk.side} {amount} {risk.symbol}"
        return f"{what}; {missing.rstrip('.')}. {because}."
    unanswered = found.outcome.problem or "Risk has not answered"
    symbol = f" in {decision.symbol}" if decision else ""
    return f"A signal{symbol}. {unanswered.rstrip('.')}. {because}."


def steps(found: Records) -> list[Step]:
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


def _because(found: Records) -> str:
    decision = found.decision.value
    if found.is_flatten:
        return "trading was halted and every position was to be closed"
    if not found.has_decision:
        return "a person asked for it"
    if decision is None:
        return found.decision.problem.rstrip(".") or "its decision has no record"
    scored = "" if decision.score is None else f" scored {decision.score:.4f}"
    bar = words.bar_span(decision.bar_start, decision.bar_end)
    who = f"{decision.strategy} v{decision.strategy_version}"
    return f"{who}{scored} on the bar of {bar}: {decision.reason.rstrip('.')}"


def _bar(found: Records) -> Step:
    decision = found.decision.value
    if decision is None:
        return _undecided("bar", found)
    bar = found.bar.value
    line = words.bar_span(decision.bar_start, decision.bar_end)
    if bar is None and not found.bar.problem and decision.outcome == "no_bar":
        at = decision.bar_end
        return _step("bar", Standing.NOTABLE, "No bar", at, "The feed had none.")
    if bar is None:
        return _missing("bar", found.bar)
    line += f", closed at {words.price(bar.close)}"
    if decision.close is not None and bar.close != decision.close:
        line += f"; corrected since: the decision saw {words.price(decision.close)}"
        return _step("bar", Standing.NOTABLE, "Corrected", bar.bar_end, line)
    return _step("bar", Standing.DONE, "Stored", bar.bar_end, line)


def _indicators(found: Records) -> Step:
    decision = found.decision.value
    if decision is None:
        return _undecided("indicators", found)
    values, at = decision.indicators, decision.bar_end
    lacking = [name for name, value in values.items() if value is None]
    if not values or lacking:
        line = decision.reason if not values else f"Not enough history: {lacking[0]}"
        return _step("indicators", Standing.NOTABLE, "Incomplete", at, line)
    shown = [f"{words.words(k)} {words.figure(v)}" for k, v in values.items()]
    line = " · ".join(shown[:3])
    return _step("indicators", Standing.DONE, "Computed", at, line)


def _signal(found: Records) -> Step:
    decision = found.decision.value
    if decision is None:
        return _undecided("signal", found)
    at, reason = decision.bar_end, decision.reason
    if decision.signal_id is not None:
        state = (side_of(decision) or "signal").capitalize()
        return _step("signal", Standing.DONE, state, at, reason)
    if decision.outcome == "error":
        return _step("signal", Standing.REFUSED, "Error", at, reason)
    return _step("signal", Standing.QUIET, "No signal", at, reason)


def side_of(decision: DecisionView) -> str | None:
    """Return the side whose conditions all held, or the score's; None: no signal."""
    if decision.signal_id is None:
        return None
    for side in ("buy", "sell"):
        held = [c.passed for c in decision.conditions if c.side == side]
        if held and all(held):
            return side
    if decision.score:
        return "buy" if decision.score > 0 else "sell"
    return None


def _risk(found: Records) -> Step:
    risk = found.outcome.value
    if risk is None and found.is_flatten:
        line = "A flatten needs no approval."
        return _step("risk", Standing.QUIET, "Flatten", None, line)
    if not found.has_signal:
        return _not_reached("risk")
    if risk is None:
        return _missing("risk", found.outcome)
    at = risk.market_time
    if risk.outcome != "approved":
        return _step("risk", Standing.REFUSED, "Denied", at, risk.detail)
    line = f"{words.quantity(risk.quantity)} shares, {len(risk.checks)} checks passed"
    resized = [
        check
        for check in risk.checks
        if check.quantity_before is not None
        and check.quantity_after is not None
        and check.quantity_before != check.quantity_after
    ]
    if resized:
        line += f"; size set by {words.words(resized[-1].name).lower()}"
    return _step("risk", Standing.DONE, "Approved", at, line)


def _order(found: Records) -> Step:
    risk, order = found.outcome.value, found.order
    if order is None:
        denied = risk is not None and risk.outcome != "approved"
        if not found.has_signal or denied:
            return _not_reached("order")
        if risk is None and not found.orders.problem:
            return _not_reached("order")
        return _missing("order", found.orders)
    amount = words.quantity(order.quantity)
    kind = words.words(order.order_type).lower()
    line = f"{order.side.capitalize()} {amount} {order.symbol}, {kind}"
    line += f", {order.time_in_force}"
    ended = {
        "REJECTED": Standing.REFUSED,
        "UNKNOWN": Standing.NOTABLE,
        "NOT_SENT": Standing.QUIET,
        "CANCELED": Standing.QUIET,
        "EXPIRED": Standing.QUIET,
    }
    standing = ended.get(order.status, Standing.DONE)
    if order.reason and standing is not Standing.DONE:
        line += f": {order.reason}"
    state = words.words(order.status.lower())
    return _step("order", standing, state, order.market_time, line)


def _fills(found: Records) -> Step:
    order, trades = found.order, found.trades
    if order is None:
        if found.orders.problem:
            return _missing("fills", found.orders)
        return _not_reached("fills")
    if not trades:
        line = "Nothing executed."
        return _step("fills", Standing.QUIET, "None yet", None, line)
    amount = words.quantity(order.filled_quantity)
    at = words.price(order.average_fill_price)
    line = f"{amount} at {at} in {words.counted(len(trades), 'fill')}"
    if order.slippage_bps is not None:
        line += f", slippage {order.slippage_bps:+.1f} bps"
    partial = order.filled_quantity < order.quantity
    standing = Standing.NOTABLE if partial else Standing.DONE
    state = "Partial" if partial else "Complete"
    return _step("fills", standing, state, trades[-1].timestamp, line)


def _result(found: Records) -> Step:
    if not found.trades:
        return _not_reached("result")
    if found.round_trips.problem:
        return _missing("result", found.round_trips)
    trip = found.round_trip
    if trip is None:
        line = "Analytics has not counted this trade yet."
        return _step("result", Standing.QUIET, "Open", None, line)
    if trip.exit_time is None or trip.net_pnl is None:
        line = f"{words.quantity(trip.quantity)} {trip.symbol} still held."
        return _step("result", Standing.DONE, "Open", None, line)
    line = f"{words.money(trip.net_pnl, signed=True)} after fees of "
    line += words.money(trip.fees)
    if trip.return_fraction is not None:
        line += f", {trip.return_fraction:+.2%}"
    return _step("result", Standing.DONE, "Closed", trip.exit_time, line)


def _undecided(name: str, found: Records) -> Step:
    """Return a step of a decision that is missing, unknown, or was never needed."""
    if found.is_flatten:
        return _step(name, Standing.QUIET, "Flatten", None, "Trading was halted.")
    if not found.has_decision:
        line = "A person asked for this order."
        return _step(name, Standing.QUIET, "By hand", None, line)
    return _missing(name, found.decision)


def _missing(name: str, answer: Answer[Any]) -> Step:
    """Tell a service that is silent from a record that is not there."""
    if answer.problem:
        return _step(name, Standing.UNKNOWN, "Unknown", None, answer.problem)
    line = "There should be a record of this step. See the log."
    return _step(name, Standing.NO_RECORD, "No record", None, line)


def _not_reached(name: str) -> Step:
    line = "The chain ended before."
    return _step(name, Standing.NOT_REACHED, "Not reached", None, line)


def _step(
    name: str, standing: Standing, state: str, at: datetime | None, line: str
) -> Step:
    return Step(
        name=name,
        title=TITLES[name],
        standing=standing,
        state=state,
        at=at,
        line=line,
    )
