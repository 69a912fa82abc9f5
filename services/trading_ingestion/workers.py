"""Loops of ingestion: history after a first start, and bars that no flow fetched."""

from trading_ingestion import operations
from trading_ingestion.domain.due import FLOWS_TURN
from trading_ingestion.operations import RecentBars, Source
from trading_ingestion.repository import IngestionTransaction
from trading_system.clock import monotonic
from trading_system.database import Database
from trading_system.worker import Worker

PATIENCE = 15.0
"""Machine seconds that a due bar is left to the timetable, however fast the market is:
a flow needs a few to start."""


class DueBars:
    """Fetches a due bar that no flow fetched, so that exits work without Prefect."""

    def __init__(
        self,
        database: Database[IngestionTransaction],
        source: Source,
        recent: RecentBars,
    ) -> None:
        self._database = database
        self._source = source
        self._recent = recent
        self._waiting_since: float | None = None

    def run(self) -> None:
        """Fetch what has been due for too long, by the market's clock and ours."""
        patience = FLOWS_TURN.total_seconds()
        if not operations.waits_too_long(self._database, self._source, patience):
            self._waiting_since = None
            return
        if self._waiting_since is None:
            self._waiting_since = monotonic()
        if monotonic() - self._waiting_since < PATIENCE:
            return
        operations.fetch_due_bars(self._database, self._source)
        self._recent.forget()
        self._waiting_since = None


class History:
    """Loads the past after a first start, a step at a time."""

    def __init__(
        self,
        database: Database[IngestionTransaction],
        source: Source,
        recent: RecentBars,
    ) -> None:
        self._database = database
        self._source = source
        self._recent = recent
        self.complete = False

    def run(self) -> None:
        """Load one step, unless all is there."""
        if self.complete:
            return
        operations.load_history(self._database, self._source)
        self._recent.forget()
        self.complete = operations.history_is_complete(self._database, self._source)


def workers(
    database: Database[IngestionTransaction], source: Source, recent: RecentBars
) -> list[Worker]:
    """Return the workers; in lockstep the conductor alone has bars fetched."""
    history = History(database, source, recent)
    found = [Worker("history", history.run, 0.5, pending=lambda: not history.complete)]
    if not source.pace.lockstep:
        due = DueBars(database, source, recent)
        interval = 10.0 if source.pace.settle else 3.0
        found.append(Worker("due-bars", due.run, interval))
    return found
