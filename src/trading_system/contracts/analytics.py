"""What analytics says: performance, round trips, reports, backtests."""

import math
from datetime import date
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from trading_system.event import Event
from trading_system.vocabulary import Instant, Money, Number, View

if TYPE_CHECKING:
    from trading_core.metrics import Metric


class PerformanceCalculated(Event, topic="analytics.performance_calculated"):
    """The figures of a day are there, per strategy and for the portfolio."""

    day: date
    strategies: tuple[str, ...]
    portfolio_return: float | None
    summary: str
    market_time: Instant

    @property
    def key(self) -> str:
        return "portfolio"


class ReportGenerated(Event, topic="analytics.report_generated"):
    """A report was written."""

    report_id: UUID
    kind: str
    period_start: date
    period_end: date
    title: str
    market_time: Instant

    @property
    def key(self) -> str:
        return self.kind


class BacktestCompleted(Event, topic="analytics.backtest_completed"):
    """A backtest ended."""

    backtest_id: UUID
    strategy: str
    status: str
    trades: int
    total_return: float | None
    summary: str

    @property
    def key(self) -> str:
        return self.strategy


class RoundTripClosed(Event, topic="analytics.round_trip_closed"):
    """A position of a strategy went back to flat."""

    round_trip_id: UUID
    strategy: str
    symbol: str
    net_pnl: Money
    market_time: Instant

    @property
    def key(self) -> str:
        return f"{self.strategy}:{self.symbol}"


class MetricView(View):
    """A figure, how it was computed and from how many observations."""

    name: str
    value: float | None
    unit: str
    n: int
    convention: str
    reason: str | None = None

    @classmethod
    def of(cls, metric: "Metric") -> Self:
        """Return a figure as it is kept: JSON knows no infinite numbers."""
        infinite = metric.value is not None and math.isinf(metric.value)
        return cls(
            name=metric.name,
            value=None if infinite else metric.value,
            unit=metric.unit,
            n=metric.n,
            convention=metric.convention,
            reason="is infinite" if infinite else metric.reason or None,
        )


class PerformanceView(View):
    """Performance of a strategy, or of the portfolio, up to a day."""

    strategy: str
    date: date
    returns: float | None
    sharpe_ratio: float | None
    metrics: list[MetricView] = []


class RoundTripView(View):
    """A trade from flat to flat."""

    round_trip_id: UUID
    strategy: str
    symbol: str
    side: str
    quantity: Number
    entry_time: Instant
    exit_time: Instant | None
    entry_price: Number
    exit_price: Number | None
    gross_pnl: Money | None
    fees: Money
    net_pnl: Money | None
    return_fraction: float | None
    mae: Money | None = None
    mfe: Money | None = None
    bars_held: int | None = None
    entry_order_id: UUID | None = None
    exit_order_id: UUID | None = None
    entry_correlation_id: UUID | None = None
    exit_correlation_id: UUID | None = None
    slippage_bps: float | None = None


class PortfolioRow(View):
    """A symbol's part in the portfolio."""

    account_id: str
    symbol: str
    total_value: Money
    pnl: Money


class PortfolioSummaryView(View):
    """The portfolio by symbol, with its totals."""

    account_id: str
    total_value: Money | None
    pnl: Money | None
    rows: list[PortfolioRow]
    market_time: Instant | None


class ReportView(View):
    """A report that was written."""

    report_id: UUID
    kind: str
    title: str
    period_start: date
    period_end: date
    created_at: Instant
    content: dict[str, Any] = {}


class BacktestView(View):
    """A backtest: what was asked, how it went, what came out."""

    backtest_id: UUID
    strategy: str
    status: str
    parameters: dict[str, Any]
    symbols: list[str]
    period_start: date | None
    period_end: date | None
    created_at: Instant
    finished_at: Instant | None = None
    summary: str = ""
    metrics: list[MetricView] = []
    trades: int = 0
    total_return: float | None = None
    provenance: dict[str, Any] = {}


class ShadowGap(View):
    """Dollars of a shadow replay's gap, by cause, and by order where one is behind."""

    cause: str
    dollars: Money
    strategy: str | None = None
    symbol: str | None = None
    bar_end: Instant | None = None


class ShadowDifference(View):
    """A line that the replay and the system do not tell alike."""

    time: Instant
    what: str
    strategy: str
    symbol: str
    column: str
    replay: str | None
    actual: str | None
    cause: str


class ShadowReplayView(View):
    """A day run again on its stored bars: what the system made more, and why.

    `gap` is the actual equity at the close less that of the replay, and the sum of
    `by_cause`.
    """

    replay_id: UUID
    day: date
    fill_model: str
    compared: int
    replay_equity: Money
    actual_equity: Money
    gap: Money
    by_cause: dict[str, Money]
    gaps: list[ShadowGap] = []
    differences: list[ShadowDifference] = []
    created_at: Instant


class AnalyticsRunResult(View):
    """What one run of an analytics flow did."""

    status: str
    examined: int = 0
    changed: int = 0
    summary: str = ""
    detail: dict[str, Any] = {}
