"""What a backtest is given besides the strategy and the bars."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trading_core.calendar import Timeframe, require_aware
from trading_core.limits import ACCOUNT_SEED, Limits
from trading_core.matching import ALPACA_PAPER, FillModel
from trading_core.money import BadNumber
from trading_core.simulation.actions import CorporateAction


@dataclass(frozen=True, slots=True)
class Opening:
    """What an account holds before the first bar that trades, besides its cash.

    `shares` are those of a strategy in a symbol; what belongs to no strategy of the
    backtest stands under "". `peak` is the highest equity there was.
    """

    shares: Mapping[tuple[str, str], Decimal]
    peak: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything of a backtest but the strategy and the bars."""

    timeframe: Timeframe = Timeframe.ONE_HOUR
    cash: Decimal = Decimal(100_000)
    model: FillModel = ALPACA_PAPER
    limits: Limits = Limits.of(ACCOUNT_SEED)
    seed: int = 0
    fractional: bool = False
    actions: tuple[CorporateAction, ...] = ()
    trade_from: datetime | None = None
    opening: Opening | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "timeframe", Timeframe(self.timeframe))
        if not (self.cash.is_finite() and self.cash > 0):
            raise BadNumber(f"cash is {self.cash}: it must be above zero.")
        if self.trade_from is not None:
            object.__setattr__(self, "trade_from", require_aware(self.trade_from))
