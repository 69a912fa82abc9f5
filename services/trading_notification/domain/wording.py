"""Events in words: what of them is worth telling, once for what."""

from collections.abc import Mapping
from datetime import datetime

from trading_core.calendar import NEW_YORK
from trading_notification.domain.alert import Alert
from trading_system.contracts.analytics import ReportGenerated
from trading_system.contracts.execution import (
    BrokerContractChanged,
    ComboChanged,
    OrderClosed,
    OrderFilled,
    OrderUnresolved,
    ReconciliationCompleted,
)
from trading_system.contracts.ingestion import DataQualityFailed
from trading_system.contracts.risk import (
    OrderDenied,
    RiskAlertRaised,
    TradingStateChanged,
)
from trading_system.contracts.strategy import StrategyFailed
from trading_system.vocabulary import Severity, TradingState, plain

NOTEWORTHY: Mapping[str, str] = {
    "BAD_NUMBER": "a number was none",
    "CHECK_FAILED": "a check failed",
    "NO_CHECKS": "no check was run",
    "NO_LIMIT_CONFIGURED": "a limit is missing",
    "SYMBOL_PARKED": "an event about the symbol waits for a person",
    "EVENT_LAG": "the signal was heard too late",
    "BOOKS_NOT_CLEAN": "the books differ from the broker's",
    "BOOKS_OLD": "the books were not compared lately",
    "PRICE_COLLAR": "the price is far from the last one",
    "NO_REFERENCE_PRICE": "no price is known to compare with",
    "KILL_FILE": "the KILL file is there",
    "BUYING_POWER": "the money does not suffice",
    "MAX_ORDERS_PER_BAR": "the bar has too many orders",
    "MAX_ORDERS_PER_DAY": "the day has too many orders",
    "DAILY_LOSS": "the account has lost too much today",
    "STRATEGY_DAILY_LOSS": "the strategy has lost too much today",
    "DRAWDOWN": "the account stands too far below its best",
    "STRATEGY_DRAWDOWN": "the strategy stands too far below its best",
}
"""Denials that a person should know of. Others are the daily course of things (at
target, session over), or were told by what caused them (a halt, a breaker)."""


def day_of(market_time: datetime) -> str:
    """Return the New York date of a market time."""
    return market_time.astimezone(NEW_YORK).date().isoformat()


def fill_line(event: OrderFilled) -> str:
    """Return an order that is filled, in a line."""
    verb = "Bought" if event.side == "buy" else "Sold"
    quantity = plain(event.filled_quantity)
    return f"{verb} {quantity} {event.symbol} at ${event.price:,.2f} ({event.strategy})"


def fills_key(event: OrderFilled) -> str:
    """Return what fills are grouped by: the minute of market time."""
    return f"order_filled:{event.market_time:%Y-%m-%dT%H:%M}"


def fills_title(lines: list[str]) -> str:
    """Return the title of a group of fills."""
    return lines[0] if len(lines) == 1 else f"{len(lines)} orders filled"


def rejected(event: OrderClosed) -> Alert | None:
    """Tell of an order that the broker rejected; other ends are told by their cause."""
    if event.status != "rejected":
        return None
    what = f"{event.side} {plain(event.quantity)} {event.symbol}"
    return Alert(
        kind="order_rejected",
        severity=Severity.WARNING,
        title=f"Rejected: {what}",
        message=f"The broker rejected the order to {what} of {event.strategy}: "
        f"{event.reason}",
        dedup_key=f"order_rejected:{event.order_id}",
        link=f"/explain/order/{event.order_id}",
        symbol=event.symbol,
        market_time=event.market_time,
        correlation_id=event.correlation_id,
    )


def combo(event: ComboChanged) -> Alert | None:
    """Tell of orders that are one intent and could not all be placed."""
    words = {
        "UNWINDING": ("is taken back", Severity.WARNING),
        "FAILED": ("could not be taken back: close it by hand", Severity.CRITICAL),
    }
    if event.status not in words:
        return None
    what, severity = words[event.status]
    return Alert(
        kind="combo",
        severity=severity,
        title=f"Combo of {event.legs} legs {what}",
        message=f"{event.strategy}: {event.reason}",
        dedup_key=f"combo:{event.combo_id}:{event.status}",
        link="/orders",
        market_time=event.market_time,
    )


def contract(event: BrokerContractChanged) -> Alert:
    """Tell that the broker's answers have changed, or are as they were."""
    said = "; ".join(f"{name}: {what}" for name, what in event.broken.items())
    stops = " and ".join(event.stops) or "nothing"
    return Alert(
        kind="broker_contract",
        severity=Severity.CRITICAL if event.stops else Severity.INFO,
        title=(
            "The broker's answers have changed"
            if event.broken
            else "The broker answers as it did"
        ),
        message=f"{said}. It stops {stops}." if said else "All goes on.",
        dedup_key=f"broker_contract:{event.event_id}",
        link="/system",
        market_time=event.market_time,
    )


def unresolved(event: OrderUnresolved) -> Alert:
    """Tell of an order whose fate at the broker is not known."""
    what = f"{event.side} {plain(event.quantity)} {event.symbol}"
    return Alert(
        kind="order_unresolved",
        severity=Severity.WARNING,
        title=f"Unclear: {what}",
        message=f"The broker's answer to the order to {what} was unclear "
        f"({event.reason}). It is being looked up; nothing is sent twice.",
        dedup_key=f"order_unresolved:{event.order_id}",
        link=f"/explain/order/{event.order_id}",
        symbol=event.symbol,
        market_time=event.market_time,
        correlation_id=event.correlation_id,
    )


def denied(event: OrderDenied) -> Alert | None:
    """Tell of a denial that a person should know of, once a day for each reason."""
    why = NOTEWORTHY.get(event.code)
    if why is None:
        return None
    return Alert(
        kind="order_denied",
        severity=Severity.WARNING,
        title=f"Denied: {event.side} {event.symbol}, {why}",
        message=f"{event.strategy} may not {event.side} {event.symbol}: "
        f"{event.detail} ({event.code})",
        dedup_key=f"order_denied:{event.code}:{day_of(event.market_time)}",
        link=f"/explain/signal/{event.signal_id}",
        symbol=event.symbol,
        market_time=event.market_time,
        correlation_id=event.correlation_id,
    )


def at_risk(event: RiskAlertRaised) -> Alert:
    """Tell of a limit that is near or broken."""
    what = event.type.replace("_", " ")
    return Alert(
        kind="risk_alert",
        severity=event.severity,
        title=f"{what.capitalize()}: {event.scope_id or 'account'}",
        message=event.message,
        dedup_key=f"risk_alert:{event.risk_event_id}",
        link="/system",
        symbol=event.scope_id if event.scope == "symbol" else None,
        market_time=event.market_time,
        correlation_id=event.correlation_id,
    )


def trading_state(event: TradingStateChanged) -> Alert:
    """Tell that trading was halted or resumed."""
    active = event.state is TradingState.ACTIVE
    allowed = {
        TradingState.ACTIVE: "Everything is allowed.",
        TradingState.REDUCING: "Exits go on, entries do not.",
        TradingState.HALTED: "Nothing leaves but what closes positions.",
    }
    return Alert(
        kind="trading_state",
        severity=Severity.INFO if active else Severity.CRITICAL,
        title=f"Trading is {event.state}",
        message=f"{event.by}: {event.reason}. {allowed[event.state]}",
        dedup_key=f"trading_state:{event.event_id}",
        link="/system",
        market_time=event.market_time,
    )


def strategy_failed(event: StrategyFailed) -> Alert:
    """Tell of a strategy that failed, once a day for each of its errors."""
    error = event.error.strip().splitlines()[-1] if event.error.strip() else "?"
    return Alert(
        kind="strategy_failed",
        severity=Severity.WARNING,
        title=f"{event.strategy} failed",
        message=event.error,
        dedup_key=f"strategy_failed:{event.strategy}:{error[:80]}:"
        f"{day_of(event.market_time)}",
        link="/system",
        market_time=event.market_time,
        correlation_id=event.correlation_id,
    )


def bad_data(event: DataQualityFailed) -> Alert:
    """Tell of bars that are wrong, missing or late, once a day for each check."""
    known = tuple(Severity)
    severity = Severity(event.severity) if event.severity in known else None
    return Alert(
        kind="data_quality",
        severity=severity or Severity.WARNING,
        title=f"Data: {event.check_type.replace('_', ' ')}",
        message=event.message,
        dedup_key=f"data_quality:{event.check_type}:{day_of(event.market_time)}",
        link="/system",
        symbol=event.symbol,
        market_time=event.market_time,
    )


def books_differ(event: ReconciliationCompleted) -> Alert | None:
    """Tell of books that differ from the broker's, or cannot be compared."""
    if event.clean:
        return None
    what = "differ" if event.complete else "could not be compared"
    return Alert(
        kind="reconciliation",
        severity=Severity.CRITICAL if event.complete else Severity.WARNING,
        title=f"The books {what}",
        message=event.summary,
        dedup_key=f"reconciliation:{what}:{event.summary[:200]}:"
        f"{day_of(event.market_time)}",
        link="/system",
        market_time=event.market_time,
    )


def report(event: ReportGenerated) -> Alert:
    """Tell of a report that can be read."""
    return Alert(
        kind="report",
        severity=Severity.INFO,
        title=event.title,
        message=f"The {event.kind} report of {event.period_start} to "
        f"{event.period_end} is there.",
        dedup_key=f"report:{event.report_id}",
        market_time=event.market_time,
    )
