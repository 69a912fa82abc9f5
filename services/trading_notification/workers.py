"""Loops of notification: mail as it falls due, and a look at the system."""

from trading_notification import operations
from trading_notification.ports import Desk
from trading_notification.repository import NotificationTransaction
from trading_system.database import Database
from trading_system.worker import Worker

LOOK_FOR_MAIL = 2.0
LOOK_AT_SYSTEM = 60.0


class Postman:
    """Sends what is due."""

    def __init__(self, database: Database[NotificationTransaction], desk: Desk) -> None:
        self._database = database
        self._desk = desk

    def run(self) -> None:
        """Send every mail whose time has come."""
        operations.deliver_outstanding(self._database, self._desk.mailer)


class Watchman:
    """Looks at every part of the system."""

    def __init__(self, database: Database[NotificationTransaction], desk: Desk) -> None:
        self._database = database
        self._desk = desk

    def run(self) -> None:
        """Look, and tell of what stays down."""
        operations.check_health(
            self._database, self._desk.probes, by_mail=self._desk.by_mail
        )


def workers(database: Database[NotificationTransaction], desk: Desk) -> list[Worker]:
    """Return the workers of one process. The market never waits for mail."""
    watch = Worker("health", Watchman(database, desk).run, LOOK_AT_SYSTEM)
    if desk.mailer is None:
        return [watch]
    return [Worker("mail", Postman(database, desk).run, LOOK_FOR_MAIL), watch]
