"""Events become messages: once, in words, and told on the dashboard."""

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from trading_notification import operations
from trading_notification.handlers import handlers
from trading_system.consumer import Consumer
from trading_system.contracts.analytics import ReportGenerated
from trading_system.contracts.execution import (
    OrderClosed,
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
from trading_system.vocabulary import Severity, Side, TradingState, new_id

pytestmark = pytest.mark.integration

NOON = datetime(2024, 3, 5, 17, tzinfo=UTC)


def hear(database: Any, *events: Any, by_mail: bool = False) -> None:
    """Publish events and let the service handle them."""
    with database.transaction() as tx:
        for event in events:
            tx.publish(event)
    consumer = Consumer(database, handlers(by_mail))
    while consumer.consume():
        pass


def inbox(database: Any, **query: Any) -> list[Any]:
    with database.read_only() as tx:
        return tx.inbox.recent(**query)


def raised(database: Any) -> list[dict[str, Any]]:
    with database.read_only() as tx:
        rows = tx.session.execute(
            text(
                "select e.payload from shared.events e join notification.notifications"
                " n on n.notification_id = (e.payload ->> 'notification_id')::uuid"
                " where e.topic = 'notification.alert_raised' order by e.seq"
            )
        )
        return [row.payload for row in rows]


def order(kind: Any, **more: Any) -> Any:
    return kind(
        order_id=new_id(),
        signal_id=new_id(),
        client_order_id="ts1-test",
        strategy="momentum",
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(40),
        market_time=NOON,
        **more,
    )


def denied(code: str, symbol: str = "AAPL") -> OrderDenied:
    return OrderDenied(
        outcome_id=new_id(),
        signal_id=new_id(),
        strategy="momentum",
        symbol=symbol,
        side=Side.BUY,
        code=code,
        detail="because",
        market_time=NOON,
    )


def halted(level: int = 1) -> TradingStateChanged:
    state = TradingState.REDUCING if level else TradingState.ACTIVE
    return TradingStateChanged(
        account_id="a",
        state=state,
        level=level,
        reason="lunch",
        by="ada",
        market_time=NOON,
    )


EVENTS = [
    (
        order(OrderClosed, status="rejected", reason="no", filled_quantity=Decimal(0)),
        "order_rejected",
        "warning",
        "Rejected: buy 40 AAPL",
    ),
    (
        order(OrderUnresolved, reason="time-out"),
        "order_unresolved",
        "warning",
        "Unclear: buy 40 AAPL",
    ),
    (
        denied("BOOKS_NOT_CLEAN"),
        "order_denied",
        "warning",
        "Denied: buy AAPL, the books differ from the broker's",
    ),
    (
        RiskAlertRaised(
            risk_event_id=new_id(),
            type="daily_loss_breaker",
            severity=Severity.CRITICAL,
            scope="account",
            scope_id="",
            message="Too much.",
            market_time=NOON,
        ),
        "risk_alert",
        "critical",
        "Daily loss breaker: account",
    ),
    (halted(1), "trading_state", "critical", "Trading is REDUCING"),
    (halted(0), "trading_state", "info", "Trading is ACTIVE"),
    (
        StrategyFailed(
            strategy="momentum", bar_end=NOON, error="Zero!", market_time=NOON
        ),
        "strategy_failed",
        "warning",
        "momentum failed",
    ),
    (
        DataQualityFailed(
            symbol="AAPL",
            check_type="missing_bar",
            severity="warning",
            message="No bar.",
            market_time=NOON,
        ),
        "data_quality",
        "warning",
        "Data: missing bar",
    ),
    (
        ReconciliationCompleted(
            run_id=new_id(),
            clean=False,
            complete=True,
            differences=1,
            summary="AAPL: 40 here, 60 there",
            market_time=NOON,
        ),
        "reconciliation",
        "critical",
        "The books differ",
    ),
    (
        ReportGenerated(
            report_id=new_id(),
            kind="daily",
            period_start=date(2024, 3, 5),
            period_end=date(2024, 3, 5),
            title="5 March",
            market_time=NOON,
        ),
        "report",
        "info",
        "5 March",
    ),
]


@pytest.mark.parametrize(("event", "kind", "severity", "title"), EVENTS)
def test_what_a_person_should_know_is_in_the_inbox_and_told_once(
    database: Any, event: Any, kind: str, severity: str, title: str
) -> None:
    event = event.model_copy(update={"event_id": new_id()})
    hear(database, event)
    (message,) = inbox(database)
    assert (message.kind, message.severity, message.title) == (kind, severity, title)
    (told,) = raised(database)
    assert told["title"] == title


def test_the_daily_course_of_things_is_no_message(database: Any) -> None:
    hear(
        database,
        denied("AT_TARGET"),
        denied("LATE_BAR"),
        denied("TRADING_HALTED"),
        order(OrderClosed, status="canceled", reason="", filled_quantity=Decimal(0)),
        ReconciliationCompleted(
            run_id=new_id(),
            clean=True,
            complete=True,
            differences=0,
            summary="",
            market_time=NOON,
        ),
    )
    assert inbox(database) == []


def test_a_repeat_is_counted_and_not_told_again(database: Any) -> None:
    hear(database, *(denied("BUYING_POWER", symbol) for symbol in ("AAPL", "XOM")))
    hear(database, denied("BUYING_POWER", "MSFT"))
    (message,) = inbox(database)
    assert message.count == 3
    assert message.last_at > message.created_at
    assert len(raised(database)) == 1


def test_the_fills_of_a_minute_are_one_message(database: Any, filled: Any) -> None:
    hear(
        database,
        filled("AAPL"),
        filled("MSFT", NOON + timedelta(seconds=40), side=Side.SELL),
        filled("XOM", complete=False),
        filled("IBM", NOON + timedelta(seconds=60)),
    )
    later, first = inbox(database)
    assert first.title == "2 orders filled"
    assert first.lines == [
        "Bought 40 AAPL at $231.38 (momentum)",
        "Sold 40 MSFT at $231.38 (momentum)",
    ]
    assert later.title == "Bought 40 IBM at $231.38 (momentum)"


def test_a_fill_after_its_minutes_mail_went_out_is_a_message_of_its_own(
    database: Any, filled: Any
) -> None:
    hear(database, filled("AAPL"), by_mail=True)
    with database.transaction() as tx:
        tx.session.execute(text("update notification.deliveries set attempts = 1"))
    hear(database, filled("MSFT"), by_mail=True)
    assert [message.count for message in inbox(database)] == [1, 1]


def test_messages_are_read_one_by_one_and_all_at_once(
    database: Any, filled: Any
) -> None:
    minutes = [NOON + timedelta(minutes=place) for place in range(5)]
    hear(database, *(filled(at=at) for at in minutes))
    newest = inbox(database)[0]
    with database.transaction() as tx:
        assert tx.inbox.mark_read(newest.notification_id).read_at is not None
    assert len(inbox(database, unread=True)) == 4
    page = inbox(database, limit=2)
    rest = inbox(database, before=page[-1].notification_id)
    assert len(rest) == 3
    with database.transaction() as tx:
        assert tx.inbox.mark_all_read() == 4
        assert tx.inbox.mark_all_read() == 0


def test_people_decide_what_is_told_and_what_is_mailed(
    database: Any, filled: Any
) -> None:
    with database.transaction() as tx:
        operations.set_preference(
            tx,
            kind="order_filled",
            channel="dashboard",
            enabled=False,
            min_severity="info",
            by="ada",
        )
        operations.set_preference(
            tx,
            kind="order_filled",
            channel="email",
            enabled=True,
            min_severity="critical",
            by="ada",
        )
    hear(database, filled(), by_mail=True)
    assert len(inbox(database)) == 1
    assert raised(database) == []
    with database.read_only() as tx:
        assert tx.deliveries.outstanding() == 0
        chosen = {(p.kind, p.channel): p for p in operations.preferences(tx)}
    assert chosen["order_filled", "email"].min_severity is Severity.CRITICAL
    assert chosen["trading_state", "email"].enabled


def test_two_instances_tell_of_each_event_once(database: Any) -> None:
    events = [order(OrderUnresolved, reason="no answer") for _ in range(20)]
    with database.transaction() as tx:
        for event in events:
            tx.publish(event)
    began = threading.Barrier(2)

    def read() -> None:
        consumer = Consumer(database, handlers(by_mail=True))
        began.wait()
        while consumer.consume():
            pass

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = inbox(database)
    assert len(told) == len(raised(database)) == len(events)
    assert {message.count for message in told} == {1}
