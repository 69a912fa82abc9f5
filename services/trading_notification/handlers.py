"""What notification does when it hears an event: it only writes."""

from trading_notification import operations
from trading_notification.domain import wording
from trading_notification.domain.alert import Alert
from trading_notification.repository import NotificationTransaction
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
from trading_system.messaging import EventHandlers
from trading_system.vocabulary import ServiceName


def handlers(by_mail: bool) -> EventHandlers[NotificationTransaction]:
    """Return what is done at each event; `by_mail` says if there is a mail server."""
    on = EventHandlers[NotificationTransaction](ServiceName.NOTIFICATION)

    def tell(tx: NotificationTransaction, alert: Alert | None) -> None:
        if alert is not None:
            operations.notify(tx, alert, by_mail=by_mail)

    @on(OrderFilled)
    def order_filled(event: OrderFilled, tx: NotificationTransaction) -> None:
        """Tell of an order that is filled, with the others of its minute."""
        operations.notify_fill(tx, event, by_mail=by_mail)

    @on(OrderClosed)
    def order_closed(event: OrderClosed, tx: NotificationTransaction) -> None:
        """Tell of an order that the broker rejected."""
        tell(tx, wording.rejected(event))

    @on(OrderUnresolved)
    def order_unresolved(event: OrderUnresolved, tx: NotificationTransaction) -> None:
        """Tell of an order whose fate is not known."""
        tell(tx, wording.unresolved(event))

    @on(ComboChanged)
    def combo_changed(event: ComboChanged, tx: NotificationTransaction) -> None:
        """Tell of orders that are one intent and could not all be placed."""
        tell(tx, wording.combo(event))

    @on(BrokerContractChanged)
    def contract_changed(
        event: BrokerContractChanged, tx: NotificationTransaction
    ) -> None:
        """Tell that the broker's answers have changed, or are as they were."""
        tell(tx, wording.contract(event))

    @on(OrderDenied)
    def order_denied(event: OrderDenied, tx: NotificationTransaction) -> None:
        """Tell of a denial that a person should know of."""
        tell(tx, wording.denied(event))

    @on(RiskAlertRaised)
    def risk_alert(event: RiskAlertRaised, tx: NotificationTransaction) -> None:
        """Tell of a limit that is near or broken."""
        tell(tx, wording.at_risk(event))

    @on(TradingStateChanged)
    def trading_state(event: TradingStateChanged, tx: NotificationTransaction) -> None:
        """Tell that trading was halted or resumed."""
        tell(tx, wording.trading_state(event))

    @on(StrategyFailed)
    def strategy_failed(event: StrategyFailed, tx: NotificationTransaction) -> None:
        """Tell of a strategy that failed."""
        tell(tx, wording.strategy_failed(event))

    @on(DataQualityFailed)
    def data_failed(event: DataQualityFailed, tx: NotificationTransaction) -> None:
        """Tell of bars that are wrong, missing or late."""
        tell(tx, wording.bad_data(event))

    @on(ReconciliationCompleted)
    def reconciled(event: ReconciliationCompleted, tx: NotificationTransaction) -> None:
        """Tell of books that differ from the broker's."""
        tell(tx, wording.books_differ(event))

    @on(ReportGenerated)
    def report_generated(event: ReportGenerated, tx: NotificationTransaction) -> None:
        """Tell of a report that can be read."""
        tell(tx, wording.report(event))

    return on
