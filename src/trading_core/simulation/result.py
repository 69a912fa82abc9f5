"""What a backtest of one account returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import polars as pl

from trading_core.calendar import NEW_YORK
from trading_core.ledger import Book, Execution, RoundTrip
from trading_core.limits import Evaluation
from trading_core.money import ZERO, Side

ENGINE_VERSION = "2"


class OrderStatus(StrEnum):
    """How a simulated order ended, in the broker's words."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    EXPIRED = "expired"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class SimulatedOrder:
    """A day market order; `reference` joins it to its signal and its executions."""

    reference: str
    symbol: str
    side: Side
    quantity: Decimal
    decision_price: Decimal
    placed_at: datetime
    status: OrderStatus = OrderStatus.NEW
    filled: Decimal = ZERO
    strategy: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What risk said to one signal, and the equity that it went by."""

    reference: str
    symbol: str
    side: Side
    decided_at: datetime
    evaluation: Evaluation
    strategy: str = ""
    equity: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Shown:
    """The account at a time, at the market's last prices, as a broker shows it."""

    time: datetime
    equity: Decimal
    cash: Decimal


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a result came from: equal provenance means equal numbers."""

    engine: str
    strategy: str
    version: str
    parameters: Mapping[str, Any]
    parameters_hash: str
    data_hash: str
    model: str
    seed: int
    timeframe: str
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Backtest:
    """A finished run.

    `decisions` has a row for each strategy, symbol and bar. `equity` has a row a bar
    end: timestamp, equity, cash, gross, drawdown, benchmark (floats); the benchmark is
    buy-and-hold of all symbols in equal parts. `shown` is the account at each bar end
    after all that happened by then. The executions carry their unrounded share of fees;
    the account is charged once a day, rounded up, so its cash may be lower by cents a
    day.
    """

    provenance: Provenance
    decisions: pl.DataFrame
    outcomes: tuple[Outcome, ...]
    orders: tuple[SimulatedOrder, ...]
    executions: tuple[Execution, ...]
    trips: tuple[RoundTrip, ...]
    equity: pl.DataFrame
    book: Book
    shown: tuple[Shown, ...] = ()

    def daily_equity(self) -> pl.DataFrame:
        """Return day and the equity at the last bar of each session."""
        day = pl.col("timestamp").dt.convert_time_zone(str(NEW_YORK)).dt.date()
        return (
            self.equity.group_by(day.alias("day"))
            .agg(pl.col("equity").last())
            .sort("day")
        )
