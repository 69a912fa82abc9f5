"""Alpaca's JSON read tolerantly: unknown fields and words pass, bad numbers do not."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from trading_core.calendar import NEW_YORK
from trading_core.money import ZERO
from trading_execution.domain.order_status import OrderStatus
from trading_execution.ports import (
    BrokerAccount,
    BrokerActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    StreamUpdate,
)
from trading_system.clock import ClockReading

# The words are held against alpaca-py's by a test; its import would bring pandas.
MEANING: dict[str, OrderStatus] = {
    "new": OrderStatus.ACCEPTED,
    "accepted": OrderStatus.ACCEPTED,
    "accepted_for_bidding": OrderStatus.ACCEPTED,
    "pending_new": OrderStatus.ACCEPTED,
    "pending_review": OrderStatus.ACCEPTED,
    "held": OrderStatus.ACCEPTED,
    "stopped": OrderStatus.ACCEPTED,
    "suspended": OrderStatus.ACCEPTED,
    "calculated": OrderStatus.ACCEPTED,
    # Done until tomorrow: a `gtc` order comes back.
    "done_for_day": OrderStatus.ACCEPTED,
    # A wish only: until it is granted the order may still fill.
    "pending_cancel": OrderStatus.ACCEPTED,
    "pending_replace": OrderStatus.ACCEPTED,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    # This one is over; what stands in its place is an order of its own.
    "replaced": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}

FILLS = frozenset({"fill", "partial_fill"})

_KINDS: dict[str, str] = {
    "FEE": "fee",
    "CFEE": "fee",
    "PTC": "fee",
    "INT": "interest",
    "DIV": "dividend",
    "DIVCGL": "dividend",
    "DIVCGS": "dividend",
    "DIVNRA": "dividend",
    "DIVROC": "dividend",
    "DIVTXEX": "dividend",
    "DIVWH": "dividend",
    "CIL": "split",
    "SPLIT": "split",
    "SPIN": "split",
    "CSD": "transfer",
    "CSW": "transfer",
    "JNLC": "transfer",
    "JNLS": "transfer",
    "ACATC": "transfer",
    "ACATS": "transfer",
    # Split and stock dividend as they are named in newer pages of the broker.
    "SSP": "split",
    "SSO": "split",
    "TRANS": "transfer",
}


class NotUnderstood(ValueError):
    """An answer that cannot be what the broker meant to say."""


def read(text: str) -> Any:
    """Return JSON with exact decimals; NaN, infinities and doubled keys are refused."""
    try:
        return json.loads(
            text,
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_doubled,
        )
    except json.JSONDecodeError as error:
        raise NotUnderstood(f"no JSON: {error.msg}") from None


def order(body: Any) -> BrokerOrder:
    """Return an order."""
    fields = _object(body)
    said = _text(fields, "status")
    return BrokerOrder(
        broker_order_id=_text(fields, "id"),
        client_order_id=_text(fields, "client_order_id"),
        symbol=_text(fields, "symbol"),
        side=_text(fields, "side"),
        status=MEANING.get(said),
        said=said,
        quantity=_optional(fields, "qty"),
        filled_quantity=_number(fields, "filled_qty"),
        average_price=_optional(fields, "filled_avg_price"),
        order_type=str(fields.get("type") or fields.get("order_type") or "market"),
        time_in_force=str(fields.get("time_in_force") or ""),
        limit_price=_optional(fields, "limit_price"),
        stop_price=_optional(fields, "stop_price"),
        is_simple=fields.get("order_class") in (None, "", "simple"),
        legs=tuple(order(leg) for leg in fields.get("legs") or ()),
        replaces=_reference(fields, "replaces"),
        replaced_by=_reference(fields, "replaced_by"),
    )


def account(body: Any) -> BrokerAccount:
    """Return the account."""
    fields = _object(body)
    return BrokerAccount(
        account_id=_text(fields, "id"),
        number=_text(fields, "account_number"),
        cash=_number(fields, "cash"),
        equity=_number(fields, "equity"),
        last_equity=_optional(fields, "last_equity"),
        buying_power=_optional(fields, "buying_power"),
        blocked=bool(
            fields.get("trading_blocked") or fields.get("account_blocked") or False
        ),
    )


def position(body: Any) -> BrokerPosition:
    """Return a position; a short's quantity is made negative whatever is sent."""
    fields = _object(body)
    quantity = abs(_number(fields, "qty"))
    return BrokerPosition(
        symbol=_text(fields, "symbol"),
        quantity=-quantity if fields.get("side") == "short" else quantity,
        average_price=_number(fields, "avg_entry_price"),
        current_price=_optional(fields, "current_price"),
        last_close=_optional(fields, "lastday_price"),
    )


def fill(body: Any) -> BrokerFill:
    """Return an execution from the activities."""
    fields = _object(body)
    left = _optional(fields, "leaves_qty")
    return BrokerFill(
        broker_order_id=_text(fields, "order_id"),
        symbol=_text(fields, "symbol"),
        side="buy" if _text(fields, "side") == "buy" else "sell",
        quantity=_positive(fields, "qty"),
        price=_positive(fields, "price"),
        cumulative_quantity=_positive(fields, "cum_qty"),
        time=_instant(fields, "transaction_time"),
        source="activities",
        is_last=None if left is None else not left,
        activity_id=_text(fields, "id"),
    )


def activity(body: Any) -> BrokerActivity | None:
    """Return a fee, dividend, split or transfer; None for an execution."""
    fields = _object(body)
    said = _text(fields, "activity_type")
    if said == "FILL":
        return None
    return BrokerActivity(
        activity_id=_text(fields, "id"),
        said=said,
        kind=_KINDS.get(said),
        symbol=fields.get("symbol") or None,
        quantity=_optional(fields, "qty") or ZERO,
        amount=_optional(fields, "net_amount") or ZERO,
        time=_booking_time(fields),
        description=str(fields.get("description") or ""),
    )


def _booking_time(fields: Mapping[str, Any]) -> datetime:
    if "date" not in fields:
        return _instant(fields, "transaction_time")
    try:
        day = date.fromisoformat(_text(fields, "date")[:10])
    except ValueError:
        raise NotUnderstood(f"date is {fields['date']!r}") from None
    # Only the day is told; such bookings are made after its close.
    return datetime.combine(day, time(16), NEW_YORK).astimezone(UTC)


def clock(body: Any, speed: float) -> ClockReading:
    """Return the market's clock."""
    fields = _object(body)
    return ClockReading(
        now=_instant(fields, "timestamp"),
        is_open=fields.get("is_open") is True,
        next_open=_instant(fields, "next_open"),
        next_close=_instant(fields, "next_close"),
        speed=speed,
    )


def prices(body: Any) -> dict[str, Decimal]:
    """Return the last trade's price of each symbol."""
    trades = _object(_object(body).get("trades") or {})
    return {name: _positive(_object(trade), "p") for name, trade in trades.items()}


def update(body: Any) -> StreamUpdate:
    """Return a message of the trade stream."""
    fields = _object(body)
    event, seen = _text(fields, "event"), order(fields.get("order"))
    if event not in FILLS:
        return StreamUpdate(event, seen, None)
    executed = BrokerFill(
        broker_order_id=seen.broker_order_id,
        symbol=seen.symbol,
        side=seen.side,
        # `qty` is this execution's, `order.filled_qty` the sum with it.
        quantity=_positive(fields, "qty"),
        price=_positive(fields, "price"),
        cumulative_quantity=seen.filled_quantity,
        time=_instant(fields, "timestamp"),
        source="stream",
        is_last=event == "fill",
        execution_id=fields.get("execution_id") or None,
    )
    return StreamUpdate(event, seen, executed)


def _refuse_constant(name: str) -> None:
    raise NotUnderstood(f"{name} is no number")


def _refuse_doubled(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NotUnderstood("a key comes twice")
    return fields


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise NotUnderstood(f"expected an object, got {type(body).__name__}")
    return body


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise NotUnderstood(f"{name} is {value!r}")
    return value


def _reference(fields: Mapping[str, Any], name: str) -> str | None:
    return _text(fields, name) if fields.get(name) else None


def _optional(fields: Mapping[str, Any], name: str) -> Decimal | None:
    value = fields.get(name)
    return None if value is None or value == "" else _number(fields, name)


def _number(fields: Mapping[str, Any], name: str) -> Decimal:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise NotUnderstood(f"{name} is {value!r}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise NotUnderstood(f"{name} is {str(value)[:40]!r}") from None
    if not number.is_finite():
        raise NotUnderstood(f"{name} is {value!r}")
    return number


def _positive(fields: Mapping[str, Any], name: str) -> Decimal:
    number = _number(fields, name)
    if number <= 0:
        raise NotUnderstood(f"{name} is {number}")
    return number


def _instant(fields: Mapping[str, Any], name: str) -> datetime:
    try:
        # Nanoseconds beyond the sixth digit are cut off.
        moment = datetime.fromisoformat(_text(fields, name))
    except ValueError:
        raise NotUnderstood(f"{name} is {fields.get(name)!r}") from None
    if moment.tzinfo is None:
        raise NotUnderstood(f"{name} has no zone")
    return moment.astimezone(UTC)
