"""What execution needs of a broker, in the words of this service."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from trading_execution.domain.contract import Examined
from trading_execution.domain.order_status import OrderStatus
from trading_system.clock import ClockReading


@dataclass(frozen=True, slots=True)
class OrderTicket:
    """What the broker is told to do.

    `replaces` is the broker's id of the order in whose place this one goes, whose
    quantity stays when it `keeps_quantity`.
    """

    order_id: UUID
    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    order_type: str
    time_in_force: str
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    notional: Decimal | None = None
    extended_hours: bool = False
    order_class: str = "simple"
    take_profit_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    replaces: str | None = None
    keeps_quantity: bool = False


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker reports it.

    `status` is None for a word that we do not know; `said` is the word itself. `legs`
    are the exits that hang on it, as far as this answer names them. `replaces` and
    `replaced_by` are the broker's ids of the orders before and after it in a chain.
    """

    broker_order_id: str
    client_order_id: str
    symbol: str
    side: str
    status: OrderStatus | None
    said: str
    quantity: Decimal | None
    filled_quantity: Decimal
    average_price: Decimal | None
    reason: str = ""
    order_type: str = "market"
    time_in_force: str = ""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    is_simple: bool = True
    legs: tuple["BrokerOrder", ...] = ()
    replaces: str | None = None
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class BrokerFill:
    """An execution as the broker reports it, on the stream or as an activity.

    `cumulative_quantity` is what the order has filled with this execution included.
    """

    broker_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    cumulative_quantity: Decimal
    time: datetime
    source: str
    is_last: bool | None = None
    """Whether nothing of the order is left then; None when the broker does not say."""
    execution_id: str | None = None
    activity_id: str | None = None


@dataclass(frozen=True, slots=True)
class BrokerActivity:
    """A change of cash or shares that is no trade: fee, dividend, split, transfer.

    `kind` is a ledger kind, or None when the broker's word is not known here.
    """

    activity_id: str
    said: str
    kind: str | None
    symbol: str | None
    quantity: Decimal
    amount: Decimal
    time: datetime
    description: str


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """The account as the broker reports it."""

    account_id: str
    number: str
    cash: Decimal
    equity: Decimal
    last_equity: Decimal | None
    buying_power: Decimal | None
    blocked: bool


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """A position as the broker reports it; the quantity of a short is negative."""

    symbol: str
    quantity: Decimal
    average_price: Decimal
    current_price: Decimal | None
    last_close: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker has the order."""

    order: BrokerOrder
    http_status: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker said definitely no."""

    reason: str
    http_status: int


@dataclass(frozen=True, slots=True)
class Unclear:
    """The broker may have the order or not: it must be looked up."""

    reason: str
    http_status: int | None = None


Answer = Acknowledged | Refused | Unclear


@dataclass(frozen=True, slots=True)
class StreamUpdate:
    """A message of the trade stream: an order, and an execution if there was one."""

    event: str
    order: BrokerOrder
    fill: BrokerFill | None


class Broker(Protocol):
    """Where orders go. Reads raise `Unavailable` when the answer is missing or unclear.

    `visibility` tells how long a fresh order may stay hidden from the lookups.
    """

    def clock(self) -> ClockReading:
        """Return the market's clock."""
        ...

    def account(self) -> BrokerAccount:
        """Return the account."""
        ...

    def capacity(self) -> int:
        """Return how many orders may be sent now under the broker's rate limit."""
        ...

    def submit(self, ticket: OrderTicket) -> Answer:
        """Place an order, or put it in another's place, with one call and no retry."""
        ...

    def by_client_order_id(self, client_order_id: str) -> BrokerOrder | None:
        """Return an order by our id, or None when the broker does not know it."""
        ...

    def order(self, broker_order_id: str) -> BrokerOrder | None:
        """Return an order by the broker's id, with its legs."""
        ...

    def open_orders(self) -> list[BrokerOrder]:
        """Return every order that may still be filled, whoever placed it."""
        ...

    def cancel(self, broker_order_id: str) -> None:
        """Ask for an order's cancellation; the order itself tells the outcome."""
        ...

    def positions(self) -> list[BrokerPosition]:
        """Return every position."""
        ...

    def fills_after(self, moment: datetime) -> list[BrokerFill]:
        """Return the executions from a market time on, oldest first."""
        ...

    def activities_after(self, moment: datetime) -> list[BrokerActivity]:
        """Return fees, dividends and the like from a market time on, oldest first."""
        ...

    def last_prices(self, symbols: Sequence[str]) -> dict[str, Decimal]:
        """Return the price of each symbol's last trade, where there is one."""
        ...


class BrokerContract(Protocol):
    """Looks whether the broker still answers as it did."""

    def examine(self) -> list[Examined]:
        """Return how each endpoint answers; raise `Unavailable` when one does not."""
        ...


class TradeStream(Protocol):
    """The broker's messages about orders, as they happen; never the record."""

    def start(
        self,
        on_update: Callable[[StreamUpdate], None],
        on_connect: Callable[[], None],
    ) -> None:
        """Begin to listen in a thread of its own, and reconnect for ever."""
        ...

    def stop(self) -> None:
        """End listening."""
        ...

    @property
    def connected(self) -> bool:
        """Whether messages can arrive."""
        ...

    def suspect(self) -> None:
        """Connect again: a message was missed although the connection stands."""
        ...
