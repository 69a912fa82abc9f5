"""Loss days: what was lost since the day began, and since the highest equity."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Self

from trading_core.limits import loss_share


@dataclass(frozen=True, slots=True)
class LossDay:
    """Equity of the account, or of a strategy, over one session.

    The day begins with the last equity of the day before, so a gap over night counts.
    `base` is what a strategy's profits are added to.
    """

    day: date
    base: Decimal
    start: Decimal
    equity: Decimal
    peak: Decimal

    @classmethod
    def first(cls, day: date, base: Decimal, equity: Decimal) -> Self:
        """Return the first day there is."""
        return cls(day=day, base=base, start=equity, equity=equity, peak=equity)

    def on(self, day: date) -> "LossDay":
        """Return the day that follows this one, or this one when it goes on."""
        return self if day <= self.day else replace(self, day=day, start=self.equity)

    def marked(self, equity: Decimal) -> "LossDay":
        """Return the day with its newest equity."""
        return replace(self, equity=equity, peak=max(self.peak, equity))

    def forgiven(self) -> "LossDay":
        """Return the day with its drawdown measured from now on."""
        return replace(self, peak=self.equity)

    @property
    def loss(self) -> Decimal:
        """Share lost since the day began, below zero for a gain."""
        return loss_share(self.start, self.equity)

    @property
    def drawdown(self) -> Decimal:
        """Share given back from the highest equity."""
        return loss_share(self.peak, self.equity)
