"""What can be limited live, within which bounds, and which limit counts."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol, cast

from trading_core.limits import ACCOUNT_SEED, Limit, Limits, LimitType, Scope
from trading_core.money import BadNumber
from trading_risk.domain.checks import NOT_CONFIGURED


class OperationalLimit(StrEnum):
    """Limits of the checks that exist only live. Times are seconds of the machine."""

    PRICE_COLLAR = "price_collar"
    MAX_EVENT_LAG = "max_event_lag"
    MAX_BOOKS_AGE = "max_books_age"


Unit = Literal["share", "count", "switch", "seconds"]

UNITS: Mapping[str, Unit] = {
    LimitType.MAX_ORDER_NOTIONAL: "share",
    LimitType.MAX_POSITION_SIZE: "share",
    LimitType.MAX_GROSS_EXPOSURE: "share",
    LimitType.MAX_ORDERS_PER_BAR: "count",
    LimitType.MAX_ORDERS_PER_DAY: "count",
    LimitType.MAX_DAILY_LOSS: "share",
    LimitType.MAX_DRAWDOWN: "share",
    LimitType.ALLOW_SHORT: "switch",
    LimitType.OVERNIGHT_ENTRIES: "switch",
    OperationalLimit.PRICE_COLLAR: "share",
    OperationalLimit.MAX_EVENT_LAG: "seconds",
    OperationalLimit.MAX_BOOKS_AGE: "seconds",
}

SEED: Mapping[str, Decimal] = {
    **{str(kind): value for kind, value in ACCOUNT_SEED.items()},
    OperationalLimit.PRICE_COLLAR: Decimal("0.03"),
    OperationalLimit.MAX_EVENT_LAG: Decimal(120),
    # Outside the session the books are compared every ten minutes.
    OperationalLimit.MAX_BOOKS_AGE: Decimal(1200),
}
"""What a new account starts with."""

_MOST: Mapping[Unit, Decimal] = {"share": Decimal(1), "switch": Decimal(1)}
_GROSS_MOST = Decimal(4)
"""Four times equity is what a margin account may hold within a day."""


class LimitInForce(Protocol):
    """A stored limit, as far as policy looks at it."""

    @property
    def scope(self) -> str: ...

    @property
    def scope_id(self) -> str: ...

    @property
    def limit_type(self) -> str: ...

    @property
    def limit_value(self) -> Decimal: ...


def market_limits(rows: Iterable[LimitInForce]) -> Limits:
    """Return the limits that the market's checks hold orders against."""
    known = {str(kind) for kind in LimitType}
    return Limits(
        tuple(
            Limit(
                LimitType(row.limit_type),
                row.limit_value,
                cast(Scope, row.scope),
                row.scope_id,
            )
            for row in rows
            if row.limit_type in known
        )
    )


def operational(
    rows: Iterable[LimitInForce],
    kind: OperationalLimit,
    strategy: str = "",
    symbol: str = "",
) -> Decimal:
    """Return the tightest value that holds, or `NOT_CONFIGURED`."""
    names = {"account": "", "strategy": strategy, "symbol": symbol}
    values = [
        row.limit_value
        for row in rows
        if row.limit_type == kind and names.get(row.scope) == row.scope_id
    ]
    for value in values:
        if not (value.is_finite() and value >= 0):
            raise BadNumber(f"Limit {kind} is {value}: not zero or above.")
    return min(values, default=NOT_CONFIGURED)


def objection(limit_type: str, scope: str, scope_id: str, value: Decimal) -> str | None:
    """Return why a limit cannot have this value, or None when it can."""
    unit = UNITS.get(limit_type)
    if unit is None:
        return f"There is no limit {limit_type}; known are {', '.join(sorted(UNITS))}."
    if scope not in ("account", "strategy", "symbol"):
        return f"Scope is {scope}: it must be account, strategy or symbol."
    if (scope == "account") != (scope_id == ""):
        return "A limit of a strategy or a symbol names it; the account's names nobody."
    if not (value.is_finite() and value >= 0):
        return f"{limit_type} is {value}: it must be a number from zero upwards."
    gross = limit_type == LimitType.MAX_GROSS_EXPOSURE
    most = _GROSS_MOST if gross else _MOST.get(unit)
    if most is not None and value > most:
        return f"{limit_type} is {value}: it must not be above {most}."
    if unit in ("count", "switch") and value != value.to_integral_value():
        return f"{limit_type} is {value}: it must be a whole number."
    return None


def loosens(old: Decimal | None, new: Decimal) -> bool:
    """Say whether a change allows more than before; every limit is an upper bound."""
    return old is None or new > old
