"""Orders as the exchange keeps them, and the life they may lead."""

from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from paper_exchange import numbers
from paper_exchange.instants import optional_rfc3339, rfc3339
from paper_exchange.numbers import ZERO
from trading_core.matching import OrderType, RestingOrder, TimeInForce
from trading_core.money import Side

TERMINAL = frozenset(("filled", "canceled", "expired", "replaced", "rejected"))

# What each status may become (docs of the broker, section "order lifecycle").
LIFE: dict[str, frozenset[str]] = {
    "pending_new": frozenset(("new", "accepted", "held", "rejected")),
    "accepted": frozenset(
        ("new", "canceled", "expired", "replaced", "rejected", "filled")
    ),
    "held": frozenset(("new", "canceled", "expired", "replaced")),
    "new": frozenset(
        (
            "partially_filled",
            "filled",
            "pending_cancel",
            "pending_replace",
            "canceled",
            "expired",
            "replaced",
            "rejected",
            "held",
        )
    ),
    "partially_filled": frozenset(
        (
            "partially_filled",
            "filled",
            "pending_cancel",
            "pending_replace",
            "canceled",
            "expired",
            "replaced",
        )
    ),
    # A cancellation may come too late.
    "pending_cancel": frozenset(
        ("canceled", "filled", "partially_filled", "expired", "replaced")
    ),
    # So may a replacement, or it may end itself before it arrives.
    "pending_replace": frozenset(
        ("replaced", "new", "partially_filled", "filled", "canceled", "expired")
    ),
    **{status: frozenset() for status in TERMINAL},
}

WORKING = frozenset(("new", "partially_filled", "pending_cancel", "pending_replace"))


class NotAllowed(RuntimeError):
    """A step of an order's life that its table does not have: a defect of ours."""


@dataclass(slots=True)
class Order:
    """One order of one account. Instants are nanoseconds, money is Decimal."""

    id: str
    account: str
    sequence: int
    client_order_id: str
    symbol: str
    asset_id: str
    side: Side
    type: str
    time_in_force: str
    order_class: str
    quantity: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None
    trail_percent: Decimal | None
    extended_hours: bool
    position_intent: str
    created_at: int
    submitted_at: int
    updated_at: int
    expires_at: int | None
    status: str = "pending_new"
    filled: Decimal = ZERO
    filled_value: Decimal = ZERO
    high_water: Decimal | None = None
    triggered: bool = False
    collar: Decimal | None = None
    """The limit that an elected buy stop was given; not shown."""
    resting: bool = False
    filled_at: int | None = None
    expired_at: int | None = None
    canceled_at: int | None = None
    failed_at: int | None = None
    replaced_at: int | None = None
    cancel_sent_at: int | None = None
    """When its cancellation was asked for, while that is on its way to the market."""
    successor: str | None = None
    """The order that is on its way to take its place; not shown."""
    replaced_by: str | None = None
    replaces: str | None = None
    in_transit: bool = False
    """Whether it is on its way to take the place of the one it replaces; not shown."""
    covered: Decimal | None = None
    """Shares that the order it is to replace binds meanwhile."""
    covered_value: Decimal | None = None
    """Dollars that the order it is to replace binds meanwhile."""
    parent: str | None = None
    role: str = ""
    legs: list[str] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen to it."""
        return self.status not in TERMINAL

    @property
    def wish(self) -> str | None:
        """What was asked for and is on its way to the market; it may come too late.

        A partial fill ends the status of that name, and not the wish.
        """
        if self.cancel_sent_at is not None:
            return "pending_cancel"
        return None if self.successor is None else "pending_replace"

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side == "buy"

    @property
    def remaining(self) -> Decimal:
        """Shares that are not filled; zero while a notional order has no size yet."""
        return ZERO if self.quantity is None else self.quantity - self.filled

    @property
    def average_price(self) -> Decimal | None:
        """The mean price of what is filled."""
        return (self.filled_value / self.filled) if self.filled else None

    def become(self, status: str, now: int) -> None:
        """Take one step of its life."""
        if status not in LIFE[self.status]:
            raise NotAllowed(f"Order {self.id} is {self.status}, not to be {status}.")
        self.status = status
        self.updated_at = now
        if status == "filled":
            self.filled_at = now
        elif status == "canceled":
            self.canceled_at = now
        elif status == "expired":
            self.expired_at = now
        elif status == "rejected":
            self.failed_at = now
        elif status == "replaced":
            self.replaced_at = now

    def resting_order(self) -> RestingOrder:
        """Return what the matching needs to know of it."""
        return RestingOrder(
            symbol=self.symbol,
            side=self.side,
            type=OrderType(self.type),
            quantity=self.remaining,
            limit_price=self.collar if self.type == "stop" else self.limit_price,
            stop_price=self.stop_price,
            trail_price=self.trail_price,
            trail_percent=self.trail_percent,
            time_in_force=TimeInForce(self.time_in_force),
            triggered=self.triggered,
            high_water=self.high_water,
            resting=self.resting,
        )

    def body(self, legs: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """Return the order as the trading API writes it."""
        average = self.average_price
        if average is not None:
            average = average.quantize(numbers.NANO)
        shown_quantity = None if self.notional is not None else self.quantity
        return {
            "id": self.id,
            "client_order_id": self.client_order_id,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
            "submitted_at": rfc3339(self.submitted_at),
            "filled_at": optional_rfc3339(self.filled_at),
            "expired_at": optional_rfc3339(self.expired_at),
            "expires_at": optional_rfc3339(self.expires_at),
            "canceled_at": optional_rfc3339(self.canceled_at),
            "failed_at": optional_rfc3339(self.failed_at),
            "replaced_at": optional_rfc3339(self.replaced_at),
            "replaced_by": self.replaced_by,
            "replaces": self.replaces,
            "asset_id": self.asset_id,
            "symbol": self.symbol,
            "asset_class": "us_equity",
            "notional": numbers.optional_text(self.notional),
            "qty": numbers.optional_text(shown_quantity),
            "filled_qty": numbers.text(self.filled),
            "filled_avg_price": numbers.optional_text(average),
            "order_class": self.order_class,
            "order_type": self.type,
            "type": self.type,
            "side": self.side,
            "position_intent": self.position_intent,
            "time_in_force": self.time_in_force,
            "limit_price": numbers.optional_text(self.limit_price),
            "stop_price": numbers.optional_text(self.stop_price),
            "status": self.status,
            "extended_hours": self.extended_hours,
            "legs": legs,
            "trail_percent": numbers.optional_text(self.trail_percent),
            "trail_price": numbers.optional_text(self.trail_price),
            "hwm": numbers.optional_text(self.high_water),
            "subtag": None,
            "source": None,
            "ratio_qty": None,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Order":
        """Return an order from its fields as JSON has them."""
        for name in _DECIMALS:
            # A record may be older than one of the fields.
            if record.get(name) is not None:
                record[name] = Decimal(record[name])
        return cls(**record)


_DECIMALS = tuple(item.name for item in fields(Order) if "Decimal" in str(item.type))
