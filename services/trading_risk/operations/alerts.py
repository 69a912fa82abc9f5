"""Warnings and breaches: written down once, told once."""

from datetime import datetime
from decimal import Decimal

from trading_risk.models import RiskEvent
from trading_risk.repository import RiskTransaction
from trading_system.contracts.risk import RiskAlertRaised
from trading_system.vocabulary import Severity


def announce(tx: RiskTransaction) -> list[RiskEvent]:
    """Tell everyone of the warnings and breaches that nobody was told of."""
    events = tx.events.take_unannounced()
    for event in events:
        _publish(tx, event)
    return events


def raise_alert(
    tx: RiskTransaction,
    *,
    dedup_key: str,
    type: str,
    severity: Severity,
    message: str,
    market_time: datetime,
    scope: str,
    scope_id: str,
    value: Decimal | None = None,
    limit: Decimal | None = None,
) -> bool:
    """Write an alert down and tell it at once; say whether it was new."""
    event = tx.events.record(
        dedup_key=dedup_key,
        type=type,
        severity=severity,
        message=message,
        timestamp=market_time,
        scope=scope,
        scope_id=scope_id,
        value=value,
        limit=limit,
        announced=True,
    )
    if event is None:
        return False
    _publish(tx, event)
    return True


def _publish(tx: RiskTransaction, event: RiskEvent) -> None:
    tx.publish(
        RiskAlertRaised(
            risk_event_id=event.event_id,
            type=event.type,
            severity=Severity(event.severity),
            scope=event.scope,
            scope_id=event.scope_id,
            message=event.message,
            value=event.value,
            limit=event.limit_value,
            market_time=event.timestamp,
        )
    )
