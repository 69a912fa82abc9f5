"""Every query of notification, and its unit of work."""

from functools import cached_property

from trading_notification.repository.health import Health
from trading_notification.repository.inbox import Deliveries, Inbox, Preferences
from trading_notification.repository.logs import Logs
from trading_system.database import Transaction


class NotificationTransaction(Transaction):
    """A unit of work on messages, health and logs."""

    @cached_property
    def inbox(self) -> Inbox:
        """Messages for people."""
        return Inbox(self.session)

    @cached_property
    def deliveries(self) -> Deliveries:
        """Messages on their way."""
        return Deliveries(self.session)

    @cached_property
    def preferences(self) -> Preferences:
        """What goes through which channel."""
        return Preferences(self.session)

    @cached_property
    def health(self) -> Health:
        """How each part of the system is."""
        return Health(self.session)

    @cached_property
    def logs(self) -> Logs:
        """The system's log, and its summaries."""
        return Logs(self.session)
