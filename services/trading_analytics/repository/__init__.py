"""Every query of analytics; its Transaction is the table of contents."""

from functools import cached_property

from trading_analytics.repository.books import Books
from trading_analytics.repository.results import Results
from trading_system.database import Transaction


class AnalyticsTransaction(Transaction):
    """A unit of work on results, with a view of the books they are made from."""

    @cached_property
    def books(self) -> Books:
        """What other services recorded, and analytics may read."""
        return Books(self.session)

    @cached_property
    def results(self) -> Results:
        """What analytics found."""
        return Results(self.session)


__all__ = ["AnalyticsTransaction"]
