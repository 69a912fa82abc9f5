"""Every query of the strategy service, and its transaction."""

from functools import cached_property

from sqlalchemy import text

from trading_core.calendar import Calendar
from trading_strategy.repository.bars import Windows
from trading_strategy.repository.decisions import Decisions
from trading_strategy.repository.events import IngestedBars
from trading_strategy.repository.sessions import calendar
from trading_strategy.repository.strategies import Strategies
from trading_system.database import Transaction

__all__ = ["StrategyTransaction"]

_ONE_AT_A_TIME = 727_103


class StrategyTransaction(Transaction):
    """A unit of work on strategies, decisions and signals."""

    def take_turn(self) -> None:
        """Wait until nobody else decides or changes strategies; until commit."""
        self.session.execute(
            text("select pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME}
        )

    @cached_property
    def strategies(self) -> Strategies:
        """Strategies and their versions."""
        return Strategies(self.session)

    @cached_property
    def decisions(self) -> Decisions:
        """Decisions and signals."""
        return Decisions(self.session)

    @cached_property
    def windows(self) -> Windows:
        """Bars, as ingestion stored them."""
        return Windows(self.session)

    @cached_property
    def ingested(self) -> IngestedBars:
        """Which bars ingestion told of."""
        return IngestedBars(self.session)

    @cached_property
    def calendar(self) -> Calendar:
        """The exchange's sessions."""
        return calendar(self.session)
