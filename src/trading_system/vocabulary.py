"""The words and identities that every part of the system agrees on."""

import uuid
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import uuid_utils.compat
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

TIMEFRAME = "1Hour"
"""The timeframe the system trades on: clock hours cut to the session."""

_NAMESPACE = UUID("6f0d1b0e-3f0a-5c5e-9d57-7a3a6f7b2c11")


class ServiceName(StrEnum):
    """The six services."""

    INGESTION = "ingestion"
    STRATEGY = "strategy"
    EXECUTION = "execution"
    RISK = "risk"
    ANALYTICS = "analytics"
    NOTIFICATION = "notification"


class TradingMode(StrEnum):
    """Whose market it is: our own exchange, the broker's paper account, or money."""

    SIMULATED = "simulated"
    PAPER = "paper"
    LIVE = "live"


class Side(StrEnum):
    """The direction of a signal, an order or an execution."""

    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    """How an order is priced."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    """How long an order lives."""

    DAY = "day"
    GTC = "gtc"
    OPG = "opg"
    CLS = "cls"
    IOC = "ioc"
    FOK = "fok"


class OrderClass(StrEnum):
    """Whether an order stands alone, or has exits that the broker keeps for it."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    """An entry with both exits, which wait until it is filled."""
    OCO = "oco"
    """Both exits of a position: one cancels the other."""
    OTO = "oto"
    """An entry with one exit."""


class TradingState(StrEnum):
    """What may leave for the broker: anything, only exits, or only a flatten."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class Severity(StrEnum):
    """How much an alert matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError("must be a finite number")
    return value


def plain(value: Decimal) -> str:
    """Return a decimal as a string without exponent or trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


_plain = PlainSerializer(plain, return_type=str, when_used="json")

Number = Annotated[Decimal, AfterValidator(_finite), _plain]
Quantity = Annotated[Number, Field(gt=0, max_digits=20, decimal_places=9)]
SignedQuantity = Annotated[Number, Field(max_digits=20, decimal_places=9)]
Price = Annotated[Number, Field(gt=0)]
Money = Number
Symbol = Annotated[
    str, StringConstraints(pattern=r"^[A-Z][A-Z0-9.]{0,11}$", strip_whitespace=True)
]
Instant = AwareDatetime


class Model(BaseModel):
    """A value that does not change and refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class View(BaseModel):
    """An answer of a service; readers tolerate fields they do not know yet."""

    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)


def new_id() -> UUID:
    """Return a fresh identifier that sorts by time (UUID version 7)."""
    return uuid_utils.compat.uuid7()


def identity(*parts: object) -> UUID:
    """Return the identifier that these parts always have (UUID version 5)."""
    return uuid.uuid5(_NAMESPACE, "|".join(str(part) for part in parts))


def _instant(moment: datetime) -> str:
    return str(int(moment.timestamp()))


def correlation_id(symbol: str, timeframe: str, bar_end: datetime) -> UUID:
    """Return the id that follows one bar of one symbol through the whole chain."""
    return identity("correlation", symbol, timeframe, _instant(bar_end))


def decision_id(strategy: str, symbol: str, timeframe: str, bar_end: datetime) -> UUID:
    """Return the id of what a strategy decided on a bar."""
    return identity("decision", strategy, symbol, timeframe, _instant(bar_end))


def signal_id(decision: UUID) -> UUID:
    """Return the id of the signal that a decision may give."""
    return identity("signal", decision)


def outcome_id(signal: UUID) -> UUID:
    """Return the id of what risk answered to a signal."""
    return identity("outcome", signal)


def order_id(signal: UUID, leg: int = 0, generation: int = 0) -> UUID:
    """Return the id of the order that an approved signal becomes."""
    return identity("order", signal, leg, generation)
