"""Every query of ingestion, and its transaction."""

from functools import cached_property

from trading_core.calendar import Calendar
from trading_ingestion.repository.bars import Bars, Stored
from trading_ingestion.repository.old_rows import OldRows
from trading_ingestion.repository.quality import QualityLogs
from trading_ingestion.repository.records import (
    Archives,
    Batches,
    Imports,
    SeriesState,
    Universe,
)
from trading_ingestion.repository.sessions import calendar
from trading_system.database import Transaction

__all__ = ["IngestionTransaction", "Stored"]


class IngestionTransaction(Transaction):
    """A unit of work on bars and what is known about them."""

    @cached_property
    def bars(self) -> Bars:
        """Session bars and received bars."""
        return Bars(self.session)

    @cached_property
    def quality(self) -> QualityLogs:
        """What checks found."""
        return QualityLogs(self.session)

    @cached_property
    def batches(self) -> Batches:
        """Which bars were taken in."""
        return Batches(self.session)

    @cached_property
    def series(self) -> SeriesState:
        """Where live bars begin and history ends."""
        return SeriesState(self.session)

    @cached_property
    def universe(self) -> Universe:
        """The symbols."""
        return Universe(self.session)

    @cached_property
    def imports(self) -> Imports:
        """Files that were taken in."""
        return Imports(self.session)

    @cached_property
    def archives(self) -> Archives:
        """Files that rows were moved to."""
        return Archives(self.session)

    @cached_property
    def old_rows(self) -> OldRows:
        """Rows that are old enough to leave."""
        return OldRows(self.session)

    @cached_property
    def calendar(self) -> Calendar:
        """The exchange's sessions."""
        return calendar(self.session)
