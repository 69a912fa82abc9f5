"""How an order is to be executed: what a person asks for, risk approves, and leaves."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from trading_system.vocabulary import (
    Number,
    OrderClass,
    OrderType,
    Price,
    TimeInForce,
)

_PART = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class TakeProfit(BaseModel):
    """The exit of an order class at a profit: a limit order."""

    model_config = _PART

    limit_price: Price


class StopLoss(BaseModel):
    """The exit of an order class at a loss: a stop order, or a stop limit order."""

    model_config = _PART

    stop_price: Price
    limit_price: Price | None = None


class OrderTerms(BaseModel):
    """Everything about an order's execution beyond symbol, side and shares.

    A trailing stop follows the price at `trail_price` dollars or `trail_percent` per
    cent. `notional` asks for dollars instead of shares.
    """

    model_config = ConfigDict(frozen=True)

    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Price | None = None
    stop_price: Price | None = None
    trail_price: Price | None = None
    trail_percent: Annotated[Number, Field(ge=Decimal("0.1"), lt=100)] | None = None
    extended_hours: bool = False
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit: TakeProfit | None = None
    stop_loss: StopLoss | None = None
    notional: Annotated[Number, Field(ge=1, decimal_places=2)] | None = None

    @property
    def named_price(self) -> Decimal | None:
        """The price that the order names itself; none when the market names it."""
        if self.order_class is OrderClass.OCO and self.take_profit is not None:
            return self.take_profit.limit_price
        return self.limit_price or self.stop_price


def terms_of(order: OrderTerms) -> OrderTerms:
    """Return the terms alone of something that has them."""
    fields = {name: getattr(order, name) for name in OrderTerms.model_fields}
    return OrderTerms.model_construct(**fields)
