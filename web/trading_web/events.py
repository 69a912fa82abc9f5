"""Reads the event log through whichever service answers."""

from trading_system.clients import Services
from trading_system.contracts.system import EventView
from trading_system.errors import TradingError


class EventReader:
    """Follows the log from where it stood when the first tab opened."""

    def __init__(self, services: Services) -> None:
        self._services = services
        # The last event that was seen; None while nobody watches.
        self.cursor: int | None = None

    def rest(self) -> None:
        """Forget the place: nobody watches."""
        self.cursor = None

    def read(self) -> list[EventView]:
        """Return what was logged since the last reading, oldest first."""
        for client in self._services.all:
            try:
                if self.cursor is None:
                    self.cursor = client.log_end()
                    return []
                events = client.events(after=self.cursor)
            except TradingError:
                continue  # every service can read the log: ask the next one
            if events:
                self.cursor = events[-1].seq
            return events
        return []
