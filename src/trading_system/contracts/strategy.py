"""What strategy says: what each strategy decided on each bar, and its signals."""

from datetime import date
from typing import Any
from uuid import UUID

from trading_system.event import Event
from trading_system.vocabulary import Instant, Price, Side, Symbol, View


class SignalGenerated(Event, topic="strategy.signal_generated"):
    """A strategy wants a position: buy up to its share of equity, or be flat.

    `max_position_size` is that share. `may_trade` is false when the bar was not the
    newest one, so that no order may come of it. With `reduce_only` it closes what is
    open on the other side and opens nothing. The `legs` signals of one position share a
    `group_id`: all of them trade, or none does.
    """

    signal_id: UUID
    decision_id: UUID
    strategy: str
    strategy_version: int
    symbol: Symbol
    side: Side
    timeframe: str
    bar_start: Instant
    bar_end: Instant
    decision_price: Price
    score: float | None = None
    reason: str
    max_position_size: float
    allow_short: bool = False
    reduce_only: bool = False
    group_id: UUID | None = None
    legs: int = 1
    may_trade: bool
    session_closed: bool
    valid_until: Instant
    market_time: Instant

    @property
    def key(self) -> str:
        return self.symbol


class DecisionsRecorded(Event, topic="strategy.decisions_recorded"):
    """Every enabled strategy has decided on every symbol of a bar."""

    timeframe: str
    bar_end: Instant
    strategies: tuple[str, ...]
    decisions: int
    signals: int
    session_closed: bool
    market_time: Instant

    @property
    def key(self) -> str:
        return self.timeframe


class StrategyFailed(Event, topic="strategy.strategy_failed"):
    """A strategy raised, or returned what it must not; the others went on."""

    strategy: str
    bar_end: Instant | None
    error: str
    market_time: Instant

    @property
    def key(self) -> str:
        return self.strategy


class StrategyChanged(Event, topic="strategy.strategy_changed"):
    """A strategy was enabled, disabled, or got other parameters."""

    strategy: str
    version: int
    status: str
    parameters: dict[str, Any]
    risk_limits: dict[str, float]
    source: str
    reason: str
    by: str

    @property
    def key(self) -> str:
        return self.strategy


class ConditionView(View):
    """One condition of a rule: what was compared with what, and whether it held."""

    side: str
    left: str
    operator: str
    right: str
    left_value: float | None
    right_value: float | None
    passed: bool


class DecisionView(View):
    """What a strategy decided on one bar of one symbol, and why.

    `outcome` is signal, no_signal, warming_up, no_bar or error; `close` is missing
    where the feed had no bar. `bar_revision` is the one that was decided on, and the
    window the bars that were looked at.
    """

    decision_id: UUID
    correlation_id: UUID
    strategy: str
    strategy_version: int
    parameters: dict[str, Any]
    source_hash: str
    symbol: str
    timeframe: str
    bar_start: Instant
    bar_end: Instant
    close: float | None
    outcome: str
    score: float | None
    reason: str
    indicators: dict[str, float | None]
    conditions: list[ConditionView]
    signal_id: UUID | None
    feed: str = ""
    bar_revision: int | None = None
    window_start: Instant | None = None
    window_bars: int = 0
    may_trade: bool = True
    market_time: Instant | None = None
    created_at: Instant


class SignalView(View):
    """A signal as stored."""

    signal_id: UUID
    decision_id: UUID
    correlation_id: UUID
    strategy: str
    symbol: str
    signal: str
    timestamp: Instant
    decision_price: Price
    score: float | None = None
    may_trade: bool = True
    reason: str = ""
    bar_end: Instant | None = None
    valid_until: Instant | None = None


class StrategyView(View):
    """A strategy, its parameters in force and how it differs from the file."""

    strategy_id: UUID
    name: str
    version: int
    status: str
    parameters: dict[str, Any]
    risk_limits: dict[str, float]
    description: str = ""
    warmup: int = 0
    source: str = "file"
    source_hash: str = ""
    differs_from_file: bool = False
    differences: list[str] = []
    last_bar_end: Instant | None = None
    last_signal_at: Instant | None = None
    decisions: int = 0
    signals: int = 0
    last_error: str | None = None
    created_at: Instant


class StrategyVersionView(View):
    """What a strategy was from some time on, by whom and why."""

    version: int
    status: str
    parameters: dict[str, Any]
    risk_limits: dict[str, float]
    source: str
    source_hash: str
    reason: str
    created_by: str
    created_at: Instant


class StrategyRunResult(View):
    """What one run of the strategies did."""

    scheduled_for: Instant | None = None
    status: str
    bar_ends: list[Instant] = []
    decisions: int = 0
    signals: int = 0
    errors: list[str] = []
    rows: int = 0


class IndicatorView(View):
    """The indicators of a strategy on stored bars, one row per symbol."""

    strategy: str
    symbol: str
    bar_end: Instant
    close: float
    indicators: dict[str, float | None]
    signal: int
    reason: str


class StrategyPerformanceView(View):
    """A strategy's day: return and Sharpe ratio."""

    strategy: str
    date: date
    returns: float | None
    sharpe_ratio: float | None
