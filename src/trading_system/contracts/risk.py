"""What risk says: approved, denied, halted, breached."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from trading_system.contracts.terms import OrderTerms
from trading_system.event import Event
from trading_system.vocabulary import (
    Instant,
    Model,
    Money,
    Number,
    Price,
    Quantity,
    Severity,
    Side,
    Symbol,
    TradingState,
    View,
)

Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)
]


class ComboLeg(Model):
    """The place of an order among those that are one intent; the first is 1."""

    combo_id: UUID
    leg: Annotated[int, Field(ge=1)]
    legs: Annotated[int, Field(ge=2)]


class OrderApproved(Event, OrderTerms, topic="risk.order_approved"):
    """A signal passed every check and was given a size; execution will order it.

    `order_id` follows from the signal, so a repeat is the same order. `reduces` is
    true when the order can only make a position smaller; `tag` is "flatten" for
    orders that also leave while trading is halted. It goes in the place of the order
    that `replaces` names. Of a `notional` the quantity is an estimate. As a leg of a
    `combo` it is placed with the others, or not at all.
    """

    outcome_id: UUID
    signal_id: UUID
    order_id: UUID
    strategy: str
    symbol: Symbol
    side: Side
    quantity: Quantity
    decision_price: Price
    reduces: bool
    replaces: UUID | None = None
    combo: ComboLeg | None = None
    tag: str = ""
    valid_until: Instant
    market_time: Instant

    @property
    def key(self) -> str:
        return self.symbol


class OrderDenied(Event, topic="risk.order_denied"):
    """A signal gets no order, and why."""

    outcome_id: UUID
    signal_id: UUID
    strategy: str
    symbol: Symbol
    side: Side
    code: str
    detail: str
    market_time: Instant

    @property
    def key(self) -> str:
        return self.symbol


class TradingStateChanged(Event, topic="risk.trading_state_changed"):
    """Trading was halted, reduced or resumed.

    Level 0 is ACTIVE, 1 pauses entries, 2 also cancels open orders, 3 also closes
    every position.
    """

    account_id: str
    state: TradingState
    level: int
    reason: str
    by: str
    market_time: Instant

    @property
    def key(self) -> str:
        return self.account_id


class RiskLimitChanged(Event, topic="risk.risk_limit_changed"):
    """A limit got another value."""

    account_id: str
    scope: str
    scope_id: str
    limit_type: str
    old_value: Number | None
    new_value: Number
    reason: str
    by: str

    @property
    def key(self) -> str:
        return f"{self.scope}:{self.scope_id}:{self.limit_type}"


class SymbolLockChanged(Event, topic="risk.symbol_lock_changed"):
    """A symbol was locked against entries, or released."""

    account_id: str
    symbol: Symbol
    locked: bool
    until: Instant | None
    reason: str
    by: str
    market_time: Instant

    @property
    def key(self) -> str:
        return self.symbol


class RiskAlertRaised(Event, topic="risk.risk_alert_raised"):
    """A limit is near or broken, or a breaker tripped."""

    risk_event_id: UUID
    type: str
    severity: Severity
    scope: str
    scope_id: str
    message: str
    value: Number | None = None
    limit: Number | None = None
    market_time: Instant

    @property
    def key(self) -> str:
        return f"{self.scope}:{self.scope_id}:{self.type}"


class RiskCheckView(View):
    """One check of a signal: its value against its limit."""

    position: int
    name: str
    code: str
    passed: bool
    value: str | None
    limit: str | None
    detail: str
    quantity_before: Number | None = None
    quantity_after: Number | None = None


class RiskOutcomeView(View):
    """What risk answered to a signal, with every check in order."""

    outcome_id: UUID
    signal_id: UUID
    correlation_id: UUID | None
    order_id: UUID | None
    strategy: str
    symbol: str
    side: str
    outcome: str
    code: str
    detail: str
    quantity: Number | None
    equity: Money | None
    context: dict[str, Any] = {}
    checks: list[RiskCheckView] = []
    market_time: Instant
    created_at: Instant


class TradingStateView(View):
    """The trading state in force. No record reads as HALTED."""

    account_id: str
    state: TradingState
    level: int
    reason: str
    set_by: str
    set_at: Instant
    version: int


class LimitView(View):
    """A limit in force and how much of it is used."""

    limit_type: str
    scope: str
    scope_id: str
    limit_value: Number
    value: Number | None = None
    used: float | None = None
    source: str = "seed"
    version: int = 1
    updated_at: Instant


class ExposureView(View):
    """The account's exposure as risk sees it at a market time."""

    account_id: str
    equity: Money | None
    cash: Money | None
    long_value: Money
    short_value: Money
    gross: Money
    net: Money
    gross_fraction: float | None
    net_fraction: float | None
    open_positions: int
    day_start_equity: Money | None
    day_pnl: Money | None
    peak_equity: Money | None
    drawdown: float | None
    value_at_risk: Money | None
    market_time: Instant | None


class WhatIfView(View):
    """What risk would answer to a proposal; nothing is stored or sent."""

    approved: bool
    code: str
    detail: str
    quantity: Number | None
    checks: list[RiskCheckView]


class RiskEventView(View):
    """A warning, breach or halt, as stored."""

    event_id: UUID
    type: str
    severity: str
    message: str
    timestamp: Instant


class RiskRunResult(View):
    """What one run of a risk flow did."""

    status: str
    examined: int = 0
    changed: int = 0
    approved: int = 0
    denied: int = 0
    alerts: list[str] = []
    market_time: Instant | None = None


class HaltRequest(Model):
    """A demand to halt: 1 stops entries, 2 also cancels, 3 also flattens."""

    level: Literal[1, 2, 3]
    reason: Words
    by: Words


class ResumeRequest(Model):
    """A wish to trade again. With money at stake `confirm` must read RESUME."""

    reason: Words
    by: Words
    confirm: str = ""


class LimitChange(Model):
    """A limit's new value. `version` is the one in force that the asker has seen."""

    limit_type: str
    limit_value: Number
    scope: Literal["account", "strategy", "symbol"] = "account"
    scope_id: str = ""
    reason: Words
    by: Words
    version: int | None = None


class LimitVersionView(View):
    """A version that a limit had, and who put it in force."""

    operation: str
    limit_type: str
    scope: str
    scope_id: str
    limit_value: Number
    version: int
    source: str
    reason: str
    updated_by: str
    recorded_at: Instant


class SymbolLockView(View):
    """A symbol in which nothing is entered, until when in market time, and why."""

    symbol: str
    until: Instant | None
    reason: str
    locked_by: str
    market_time: Instant
    locked_at: Instant


class LockRequest(Model):
    """A wish that nothing is entered in a symbol; without `until`, until released."""

    symbol: Symbol
    until: Instant | None = None
    reason: Words
    by: Words


class LockRelease(Model):
    """Why a symbol may be entered again."""

    reason: Words
    by: Words


class BreakerView(View):
    """A breaker that tripped, and how it was taken back."""

    breaker_id: UUID
    scope: str
    scope_id: str
    type: str
    session_day: date
    automatic_reset: bool
    value: Number
    limit_value: Number
    evidence: dict[str, Any]
    tripped_at: Instant
    reset_at: Instant | None
    reset_by: str | None
    reset_reason: str | None


class BreakerReset(Model):
    """Why a strategy may enter again."""

    reason: Words
    by: Words
