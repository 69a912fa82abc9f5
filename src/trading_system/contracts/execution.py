"""What execution says: orders, executions, positions, and the books' state."""

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from trading_system.contracts.terms import OrderTerms
from trading_system.event import Event
from trading_system.vocabulary import (
    Instant,
    Model,
    Money,
    Number,
    Price,
    Quantity,
    Side,
    SignedQuantity,
    Symbol,
    TimeInForce,
    View,
)


class _OrderFact(Event, topic=None):
    order_id: UUID
    signal_id: UUID | None
    client_order_id: str
    strategy: str
    symbol: Symbol
    side: Side
    quantity: Quantity
    market_time: Instant

    @property
    def key(self) -> str:
        return str(self.order_id)


class OrderSubmitted(_OrderFact, topic="execution.order_submitted"):
    """An order was claimed and is on its way to the broker."""

    attempt: int


class OrderAccepted(_OrderFact, topic="execution.order_accepted"):
    """The broker has the order."""

    broker_order_id: str


class OrderFilled(_OrderFact, topic="execution.order_filled"):
    """The broker executed all or part of an order.

    `fill_quantity` is this execution's, `filled_quantity` the sum so far.
    """

    trade_id: UUID
    fill_quantity: Quantity
    price: Price
    filled_quantity: Quantity
    complete: bool
    source: str


class OrderClosed(_OrderFact, topic="execution.order_closed"):
    """An order ended without (further) execution.

    `status` is one of canceled, expired, rejected, not_sent.
    """

    status: str
    reason: str
    filled_quantity: Number


class OrderUnresolved(_OrderFact, topic="execution.order_unresolved"):
    """The broker's answer was unclear; the order is being looked up."""

    reason: str


class ComboChanged(Event, topic="execution.combo_changed"):
    """Several orders that are one intent were all placed, or are being unwound.

    `status` is one of PLACED, UNWINDING, UNWOUND, FAILED.
    """

    combo_id: UUID
    strategy: str
    legs: int
    status: str
    reason: str
    market_time: Instant

    @property
    def key(self) -> str:
        return str(self.combo_id)


class OrdersCrossed(Event, topic="execution.orders_crossed"):
    """Opposing orders of two strategies met each other instead of the market.

    The shares passed from the seller's book to the buyer's at the bar's close.
    """

    cross_id: UUID
    symbol: Symbol
    buy_order_id: UUID
    sell_order_id: UUID
    buyer: str
    seller: str
    quantity: Quantity
    price: Price
    market_time: Instant

    @property
    def key(self) -> str:
        return str(self.cross_id)


class PositionChanged(Event, topic="execution.position_changed"):
    """The ledger's position in a symbol is now this."""

    account_id: str
    symbol: Symbol
    quantity: SignedQuantity
    average_price: Number
    realized_pnl: Money
    market_time: Instant

    @property
    def key(self) -> str:
        return self.symbol


class AccountUpdated(Event, topic="execution.account_updated"):
    """Positions were marked and the account's equity recorded."""

    account_id: str
    cash: Money
    equity: Money
    long_value: Money
    short_value: Money
    unrealized_pnl: Money
    realized_pnl: Money
    session_closed: bool
    market_time: Instant

    @property
    def key(self) -> str:
        return self.account_id


class ReconciliationCompleted(Event, topic="execution.reconciliation_completed"):
    """The books were compared with the broker's."""

    run_id: UUID
    clean: bool
    complete: bool
    differences: int
    summary: str
    market_time: Instant

    @property
    def key(self) -> str:
        return "account"


class BrokerContractChanged(Event, topic="execution.broker_contract_changed"):
    """The broker's answers are not as they were, or are so again.

    `broken` says by endpoint what is missing or otherwise, `stops` what waits for it.
    """

    account_id: str
    broken: dict[str, str]
    stops: list[str]
    market_time: Instant

    @property
    def key(self) -> str:
        return self.account_id


class MarketClockView(View):
    """Market time and session, as the broker tells them."""

    now: Instant
    is_open: bool
    next_open: Instant
    next_close: Instant
    speed: float


class AccountView(View):
    """The account: from the ledger and the last marks."""

    account_id: str
    mode: str
    currency: str = "USD"
    cash: Money
    equity: Money
    last_equity: Money | None
    buying_power: Money | None
    long_value: Money
    short_value: Money
    unrealized_pnl: Money
    realized_pnl: Money
    day_pnl: Money | None
    open_positions: int
    market_time: Instant | None
    as_of: Instant | None


class PositionView(View):
    """A position: quantity and cost from the ledger, value from the last mark.

    `day_change_fraction` is the price's change since the close of the day before, for
    long and short alike.
    """

    symbol: str
    strategy: str | None = None
    quantity: SignedQuantity
    avg_price: Number
    last_price: Number | None
    market_value: Money | None
    unrealized_pnl: Money | None
    unrealized_fraction: float | None
    realized_pnl: Money
    day_change_fraction: float | None = None
    opened_at: Instant | None = None
    entry_order_id: UUID | None = None
    marked_at: Instant | None = None


class TradeView(View):
    """One execution of an order."""

    trade_id: UUID
    order_id: UUID
    symbol: str
    side: str
    quantity: Number
    price: Number
    cumulative_quantity: Number
    fees: Money
    timestamp: Instant
    source: str
    strategy: str | None = None


class AttemptView(View):
    """One attempt to hand an order to the broker."""

    attempt: int
    claimed_at: Instant
    ended_at: Instant | None
    outcome: str | None
    http_status: int | None
    detail: str | None


class OrderEventView(View):
    """One step in the life of an order."""

    at: Instant
    market_time: Instant | None
    status: str
    detail: str


class OrderView(View):
    """An order with its life so far.

    `parent_order_id` is the order that an exit or a replacement goes back to,
    `replaces_order_id` the one in whose place a replacement stands.
    """

    order_id: UUID
    signal_id: UUID | None
    correlation_id: UUID | None
    client_order_id: str
    broker_order_id: str | None
    strategy: str
    symbol: str
    side: str
    quantity: Number
    order_type: str
    time_in_force: str
    limit_price: Number | None
    stop_price: Number | None
    trail_price: Number | None = None
    trail_percent: Number | None = None
    notional: Number | None = None
    extended_hours: bool = False
    order_class: str = "simple"
    take_profit_price: Number | None = None
    stop_loss_price: Number | None = None
    stop_loss_limit_price: Number | None = None
    parent_order_id: UUID | None = None
    replaces_order_id: UUID | None = None
    combo_id: UUID | None = None
    combo_leg: int | None = None
    decision_price: Number | None
    status: str
    reason: str | None
    filled_quantity: Number
    netted_quantity: Number = Decimal(0)
    average_fill_price: Number | None
    slippage_bps: float | None
    tag: str
    valid_until: Instant | None
    created_at: Instant
    submitted_at: Instant | None
    accepted_at: Instant | None
    first_fill_at: Instant | None
    closed_at: Instant | None
    market_time: Instant
    attempts: list[AttemptView] = []
    trades: list[TradeView] = []
    history: list[OrderEventView] = []


class ComboView(View):
    """Several orders that are one intent, with its legs and what takes them back."""

    combo_id: UUID
    strategy: str
    status: str
    reason: str
    market_time: Instant
    created_at: Instant
    finished_at: Instant | None
    orders: list[OrderView] = []


class LedgerEntryView(View):
    """One entry of the append-only ledger."""

    entry_id: int
    kind: str
    reference: str
    symbol: str | None
    quantity_delta: Number
    cash_delta: Money
    strategy: str | None = None
    timestamp: Instant


class EquityPoint(View):
    """The account's value at a market time."""

    market_time: Instant
    equity: Money
    cash: Money
    long_value: Money | None = None
    short_value: Money | None = None
    session_closed: bool = False


class DifferenceView(View):
    """One difference between our books and the broker's."""

    kind: str
    symbol: str | None = None
    order_id: UUID | None = None
    ours: str | None = None
    broker: str | None = None
    action: str
    severity: str


class ReconciliationView(View):
    """One comparison of our books with the broker's."""

    run_id: UUID
    started_at: Instant
    finished_at: Instant | None
    clean: bool
    complete: bool
    differences: list[DifferenceView] = []
    summary: str


class ContractCheckView(View):
    """How an endpoint of the broker's answered when it was last looked at."""

    endpoint: str
    path: str
    ok: bool
    detail: str
    stops: list[str]
    checked_at: Instant
    since: Instant


class HoldView(View):
    """A symbol, or the account (`*`), whose orders do not leave until released."""

    hold_id: int
    symbol: str
    kind: str
    reason: str
    placed_at: Instant


class AdjustmentRequest(Model):
    """What the books lack by a person's word, and why.

    The signs are the books': shares or dollars that come are positive. Without a
    `price` what the position has cost stays as it is.
    """

    reason: Annotated[str, Field(min_length=3, max_length=500)]
    symbol: Symbol | None = None
    quantity: SignedQuantity = Decimal(0)
    cash: Money = Decimal(0)
    price: Price | None = None
    strategy: Annotated[str, Field(min_length=1, max_length=100)] = "external"


class ExecutionRunResult(View):
    """What one run of an execution flow did."""

    status: str
    examined: int = 0
    changed: int = 0
    detail: dict[str, Any] = {}
    market_time: Instant | None = None


class CancelResult(View):
    """What became of a request to cancel."""

    order_id: UUID
    status: str
    detail: str


class OrderProposal(View, OrderTerms):
    """A proposed order, for what-if questions and manual orders.

    It asks for a `quantity` of shares or for a `notional` of dollars.
    """

    symbol: Symbol
    side: Side
    quantity: Quantity | None = None


class OrderChange(Model):
    """What is to be different about an order at the broker; the rest stays."""

    quantity: Quantity | None = None
    limit_price: Price | None = None
    stop_price: Price | None = None
    trail: Price | None = None
    time_in_force: TimeInForce | None = None
