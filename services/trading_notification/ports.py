"""What notification needs from outside: a mail server, looks, and the day's figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trading_notification.domain.health import Seen
from trading_notification.domain.mail import Mail
from trading_notification.domain.summary import Figures
from trading_system.errors import TradingError


class NotSent(TradingError):
    """A mail did not reach the server, or the server did not take it."""

    status, code, title = 503, "mail-not-sent", "Mail not sent"


class Mailer(Protocol):
    """Where mail goes."""

    def send(self, mail: Mail) -> None:
        """Hand a mail over; raise `NotSent` when that fails."""
        ...


class Probe(Protocol):
    """A look at one part of the system."""

    def look(self) -> Seen:
        """Say how the part is; whatever goes wrong is a `fail`, never an exception."""
        ...


class Portfolio(Protocol):
    """The account, as the other services tell it."""

    def figures(self) -> Figures:
        """Return the newest day; raise `Unavailable` when it cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything outside that notification uses; no mailer when no server is set."""

    mailer: Mailer | None
    probes: Sequence[Probe]
    portfolio: Portfolio
    retention_days: int

    @property
    def by_mail(self) -> bool:
        """Whether messages can go by mail."""
        return self.mailer is not None
