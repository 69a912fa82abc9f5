"""Orders and entries as the fields of a form, and what is wrong with them in words."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from trading_system.contracts.execution import (
    AdjustmentRequest,
    OrderChange,
    OrderProposal,
    OrderView,
)
from trading_system.errors import Invalid
from trading_web import formats

LABELS: Final = {
    "quantity": "Shares",
    "notional": "Dollars",
    "order_type": "Type",
    "take_profit": "Take profit",
    "stop_loss": "Stop loss",
    "trail": "Trail",
}
"""Fields that are called otherwise on the page than in the contract."""

M = TypeVar("M", bound=BaseModel)

Typed = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)]
Key = Annotated[str, StringConstraints(min_length=8, max_length=64)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class _TypedForm(BaseModel):
    """Fields as they were typed."""

    model_config = ConfigDict(frozen=True)

    @property
    def fields(self) -> dict[str, str]:
        """What was typed, for the next form and for an address."""
        own = type(self).model_fields.keys() - _WITH_SENDING
        return {name: text for name in sorted(own) if (text := getattr(self, name))}


class _Sent(BaseModel):
    """What comes with the sending: its key makes a second sending the same one."""

    key: Key
    reason: Reason = ""


_WITH_SENDING: Final = {*_Sent.model_fields, "word"}


def key_of(form: BaseModel) -> str:
    """Return the key of a form's next sending.

    One that failed keeps its key: it may have been done all the same.
    """
    return form.key if isinstance(form, _Sent) else uuid4().hex


class Ticket(_TypedForm):
    """An order as it was typed: every field is text, and none is needed yet."""

    symbol: Typed = ""
    side: Typed = "buy"
    quantity: Typed = ""
    notional: Typed = ""
    order_type: Typed = ""
    time_in_force: Typed = "day"
    limit_price: Typed = ""
    stop_price: Typed = ""
    trail_price: Typed = ""
    trail_percent: Typed = ""
    extended_hours: Typed = ""
    order_class: Typed = "simple"
    take_profit: Typed = ""
    stop_loss: Typed = ""
    stop_loss_limit: Typed = ""

    @property
    def is_blank(self) -> bool:
        """Whether nothing was asked for yet."""
        return not (self.symbol or self.quantity or self.notional)

    @property
    def kind(self) -> str:
        """The type that was chosen, or that a price alone makes it."""
        return self.order_type or ("limit" if self.limit_price else "market")

    def proposal(self) -> OrderProposal:
        """Return the order that the ticket describes.

        Raises:
            Invalid: A field is missing or is not what it must be.
        """
        loss = _given(stop_price=self.stop_loss, limit_price=self.stop_loss_limit)
        asked: dict[str, Any] = _given(
            quantity=self.quantity,
            notional=self.notional,
            limit_price=self.limit_price,
            stop_price=self.stop_price,
            trail_price=self.trail_price,
            trail_percent=self.trail_percent,
        ) | {
            "symbol": self.symbol.upper(),
            "side": self.side,
            "order_type": self.kind,
            "time_in_force": self.time_in_force,
            "order_class": self.order_class,
            "extended_hours": bool(self.extended_hours),
            "take_profit": _given(limit_price=self.take_profit) or None,
            "stop_loss": loss or None,
        }
        if not (self.quantity or self.notional):
            raise Invalid("Say how much: shares or dollars.")
        return _read(OrderProposal, asked)


class SentTicket(Ticket, _Sent):
    """A ticket that is to be ordered."""


class Amendment(_TypedForm):
    """What is to be different about an order, as it was typed; empty stays as it is."""

    quantity: Typed = ""
    limit_price: Typed = ""
    stop_price: Typed = ""
    trail: Typed = ""
    time_in_force: Typed = ""

    def change(self, order: OrderView) -> OrderChange | None:
        """Return what differs from the order; None while nothing does.

        Raises:
            Invalid: A field is not what it must be.
        """
        asked = _read(OrderChange, self.fields)
        new = {
            name: value
            for name, value in asked.model_dump(exclude_none=True).items()
            if value != in_force(order)[name]
        }
        return OrderChange(**new) if new else None


class SentAmendment(Amendment, _Sent):
    """A change that is to be made."""


class Adjustment(_TypedForm):
    """What the books lack, as it was typed: every field is text, none is needed yet."""

    symbol: Typed = ""
    quantity: Typed = ""
    cash: Typed = ""
    price: Typed = ""
    strategy: Typed = "external"

    def entry(self, reason: str) -> AdjustmentRequest | None:
        """Return the entry that is described; None while nothing is.

        Raises:
            Invalid: A field is not what it must be.
        """
        if not (self.quantity or self.cash):
            return None
        if self.quantity and not self.symbol:
            raise Invalid("Shares have a symbol: name it.")
        fields = self.fields | {"reason": reason}
        if self.symbol:
            fields["symbol"] = self.symbol.upper()
        return _read(AdjustmentRequest, fields)


class SentAdjustment(Adjustment, _Sent):
    """An entry that is to be made."""

    word: Typed = ""


def in_force(order: OrderView) -> dict[str, Decimal | str | None]:
    """Return what of an order a replacement can change, and its value now."""
    limit = order.limit_price
    if order.order_class == "oco":
        limit = limit or order.take_profit_price
    return {
        "quantity": order.quantity,
        "limit_price": limit,
        "stop_price": order.stop_price,
        "trail": order.trail_percent or order.trail_price,
        "time_in_force": order.time_in_force,
    }


def _given(**fields: str) -> dict[str, Any]:
    return {name: text for name, text in fields.items() if text}


def _read(model: type[M], fields: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        wrong = error.errors()[0]
        names = [LABELS.get(str(part), str(part)) for part in wrong["loc"]]
        where = ", ".join(formats.words(name) for name in names)
        said = wrong["msg"].removeprefix("Value error, ")
        raise Invalid(f"{where}: {said[:1].lower()}{said[1:]}.") from None
