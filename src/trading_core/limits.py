"""Risk checks in order, each a function named as what is true when it passes.

`evaluate` runs every check and keeps each with the value it saw and the limit it held
it against. It fails closed: a limit that is not configured, an exception and a number
that is none are refusals. A check may lower the quantity; later checks see the lower
one. Orders that only reduce a position pass the checks of size, exposure and loss.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Any, Literal, TypeVar

from trading_core.money import QUANTITY_STEP, ZERO, BadNumber, Side, exact


class LimitType(StrEnum):
    """What can be limited. Shares are of equity; switches are 1 for yes, 0 for no."""

    MAX_ORDER_NOTIONAL = "max_order_notional"
    MAX_POSITION_SIZE = "max_position_size"
    MAX_GROSS_EXPOSURE = "max_gross_exposure"
    MAX_ORDERS_PER_BAR = "max_orders_per_bar"
    MAX_ORDERS_PER_DAY = "max_orders_per_day"
    MAX_DAILY_LOSS = "max_daily_loss"
    MAX_DRAWDOWN = "max_drawdown"
    ALLOW_SHORT = "allow_short"
    OVERNIGHT_ENTRIES = "overnight_entries"


Scope = Literal["account", "strategy", "symbol"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One configured limit; `scope_value` is the strategy or symbol it holds for."""

    type: LimitType
    value: Decimal
    scope: Scope = "account"
    scope_value: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", LimitType(self.type))
        if not (self.value.is_finite() and self.value >= 0):
            raise BadNumber(f"Limit {self.type} is {self.value}: not zero or above.")
        if self.scope not in ("account", "strategy", "symbol"):
            raise ValueError(f"Limit {self.type} has the unknown scope {self.scope!r}.")
        if (self.scope == "account") != (self.scope_value == ""):
            raise ValueError(f"Limit {self.type} of scope {self.scope} needs its name.")


class NoLimitConfigured(LookupError):
    """No limit of a type holds for a proposal: without one nothing may trade."""


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits in force; of those that hold for an order the tightest counts."""

    rows: tuple[Limit, ...]

    @classmethod
    def of(
        cls,
        account: Mapping[LimitType, Decimal],
        strategies: Mapping[str, Mapping[str, float | Decimal]] | None = None,
    ) -> "Limits":
        """Return limits of the account, and of strategies as the YAML file has them."""
        rows = [Limit(kind, value) for kind, value in account.items()]
        for name, values in (strategies or {}).items():
            for kind_name, value in values.items():
                amount = value if isinstance(value, Decimal) else exact(value)
                rows.append(Limit(LimitType(kind_name), amount, "strategy", name))
        return cls(tuple(rows))

    def tightest(
        self,
        type: LimitType,
        strategy: str = "",
        symbol: str = "",
        scopes: Sequence[Scope] = ("account", "strategy", "symbol"),
    ) -> Decimal:
        """Return the lowest value that holds for a strategy and a symbol."""
        name = {"account": "", "strategy": strategy, "symbol": symbol}
        values = [
            row.value
            for row in self.rows
            if row.type is type
            and row.scope in scopes
            and row.scope_value == name[row.scope]
        ]
        if not values:
            raise NoLimitConfigured(f"No limit {type} is configured.")
        return min(values)


ACCOUNT_SEED: Mapping[LimitType, Decimal] = {
    LimitType.MAX_ORDER_NOTIONAL: Decimal("0.15"),
    LimitType.MAX_POSITION_SIZE: Decimal("0.1"),
    LimitType.MAX_GROSS_EXPOSURE: Decimal(1),
    LimitType.MAX_ORDERS_PER_BAR: Decimal(50),
    LimitType.MAX_ORDERS_PER_DAY: Decimal(200),
    LimitType.MAX_DAILY_LOSS: Decimal("0.02"),
    LimitType.MAX_DRAWDOWN: Decimal("0.05"),
    LimitType.ALLOW_SHORT: Decimal(0),
    LimitType.OVERNIGHT_ENTRIES: Decimal(0),
}
"""What a new account starts with: tight, and the first trade is possible."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An order that a signal asks for, and everything the checks look at.

    `held` is the symbol's position with its open orders, negative for a short.
    `opposite` is the shares of the symbol's open orders on the other side.
    `gross_exposure` is the value of all positions and open orders, both counted as
    positive. `refused_leg` names the leg of the same position that may not trade, if
    one may not. Losses and drawdowns are shares of equity, 0.02 for 2 %; below zero is
    a gain.
    """

    strategy: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    equity: Decimal
    buying_power: Decimal
    gross_exposure: Decimal
    held: Decimal
    max_position_size: Decimal
    is_session_open: bool
    allow_short: bool = False
    is_repeated: bool = False
    refused_leg: str = ""
    opposite: Decimal = ZERO
    orders_this_bar: int = 0
    orders_today: int = 0
    account_daily_loss: Decimal = ZERO
    account_drawdown: Decimal = ZERO
    strategy_daily_loss: Decimal = ZERO
    strategy_drawdown: Decimal = ZERO

    @property
    def is_reducing(self) -> bool:
        """Whether the order only makes the position smaller."""
        against = self.held > 0 if self.side == "sell" else self.held < 0
        return against and self.quantity <= abs(self.held)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found; `code` is empty when it passed."""

    name: str
    passed: bool
    value: Decimal | None
    limit: Decimal | None
    detail: str
    code: str
    quantity_before: Decimal
    quantity_after: Decimal


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The outcome of all checks; `code` and `detail` are those of the first refusal."""

    approved: bool
    quantity: Decimal
    results: tuple[CheckResult, ...]
    code: str = ""
    detail: str = ""


Asked = TypeVar("Asked")
AnyProposal = TypeVar("AnyProposal", bound=Proposal)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says: whether it passed, the code if not, and what it compared.

    `fits` is the lower quantity to which it cut the order.
    """

    passed: bool
    code: str
    detail: str
    value: Decimal | int | None = None
    limit: Decimal | int | None = None
    fits: Decimal | None = None


Check = Callable[[AnyProposal, Limits, Decimal], Finding]
"""A check of a proposal, the limits, and the quantity that earlier checks left."""


def numbers_are_sound(proposal: Proposal, limits: Limits, quantity: Decimal) -> Finding:
    """Every number is finite, and none has an impossible sign."""
    values = {each.name: getattr(proposal, each.name) for each in fields(proposal)}
    wrong = [name for name, value in values.items() if not _is_sound(value)]
    positive = ("price", "equity", "max_position_size")
    wrong += [n for n in positive if n not in wrong and not values[n] > 0]
    whole = (
        "quantity",
        "gross_exposure",
        "opposite",
        "orders_this_bar",
        "orders_today",
    )
    wrong += [n for n in whole if n not in wrong and not values[n] >= 0]
    return Finding(
        not wrong,
        "BAD_NUMBER",
        "; ".join(f"{name} is {values[name]}" for name in wrong) or "all are finite",
        value=len(wrong),
        limit=0,
    )


def market_takes_the_order(
    proposal: Proposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The session is open; at its close exits queue, entries only when allowed."""
    overnight = limits.tightest(
        LimitType.OVERNIGHT_ENTRIES, proposal.strategy, proposal.symbol
    )
    if proposal.is_session_open:
        detail = "the session is open"
    elif proposal.is_reducing:
        detail = "the session is closed: the exit waits for the next open"
    elif overnight:
        detail = "the session is closed: the entry waits for the next open"
    else:
        detail = "the session is closed and overnight entries are off"
    return Finding(
        proposal.is_session_open or proposal.is_reducing or overnight >= 1,
        "OVERNIGHT_ENTRY",
        detail,
        value=int(proposal.is_session_open),
        limit=overnight,
    )


def position_is_off_target(
    proposal: Proposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The signal's target and what is held differ: there is something to trade."""
    return Finding(
        quantity > 0,
        "AT_TARGET",
        f"{proposal.held} held, {quantity} to {proposal.side}",
        value=quantity,
        limit=0,
    )


def order_is_not_repeated(
    proposal: Proposal, limits: Limits, quantity: Decimal
) -> Finding:
    """This strategy has not ordered this symbol and side on this bar before."""
    return Finding(
        not proposal.is_repeated,
        "DUPLICATE_ORDER",
        "ordered on this bar before" if proposal.is_repeated else "first on this bar",
        value=int(proposal.is_repeated),
        limit=0,
    )


def no_opposite_order_is_open(
    proposal: Proposal, limits: Limits, quantity: Decimal
) -> Finding:
    """No own order stands on the other side, which the broker would refuse."""
    return Finding(
        proposal.opposite == 0,
        "SELF_MATCH",
        f"{proposal.opposite} open on the other side",
        value=proposal.opposite,
        limit=0,
    )


def short_is_allowed(proposal: Proposal, limits: Limits, quantity: Decimal) -> Finding:
    """The order opens no short position, unless strategy and limits both allow it."""
    after = proposal.held + (quantity if proposal.side == "buy" else -quantity)
    opens = proposal.side == "sell" and after < 0
    allowed = limits.tightest(
        LimitType.ALLOW_SHORT, proposal.strategy, proposal.symbol
    ) * int(proposal.allow_short)
    return Finding(
        not opens or allowed >= 1,
        "SHORT_NOT_ALLOWED",
        f"{after} held after the order",
        value=after,
        limit=allowed,
    )


def position_stays_small(
    proposal: Proposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The position keeps within its share of equity; the order is cut to fit."""
    limit = min(
        limits.tightest(
            LimitType.MAX_POSITION_SIZE, proposal.strategy, proposal.symbol
        ),
        proposal.max_position_size,
    )
    after = abs(proposal.held) + quantity
    weight = after * proposal.price / proposal.equity
    if proposal.is_reducing:
        return Finding(
            True,
            "",
            "the order reduces the position",
            value=weight,
            limit=limit,
        )
    room = limit * proposal.equity / proposal.price - abs(proposal.held)
    step = Decimal(1) if quantity == quantity.to_integral_value() else QUANTITY_STEP
    fits = max(min(quantity, room.quantize(step, ROUND_FLOOR)), ZERO)
    cut = f"cut from {quantity} to {fits}" if fits < quantity else "fits"
    return Finding(
        fits > 0,
        "MAX_POSITION",
        f"{weight:.2%} of equity against {limit:.2%}: {cut}",
        value=weight,
        limit=limit,
        fits=fits,
    )


def order_stays_small(proposal: Proposal, limits: Limits, quantity: Decimal) -> Finding:
    """The order's notional keeps within its share of equity."""
    limit = limits.tightest(
        LimitType.MAX_ORDER_NOTIONAL, proposal.strategy, proposal.symbol
    )
    share = quantity * proposal.price / proposal.equity
    return _bounded(proposal, share, limit, "MAX_ORDER_NOTIONAL")


def gross_exposure_stays_bounded(
    proposal: Proposal, limits: Limits, quantity: Decimal
) -> Finding:
    """All positions and open orders together keep within their share of equity."""
    limit = limits.tightest(
        LimitType.MAX_GROSS_EXPOSURE, proposal.strategy, proposal.symbol
    )
    gross = proposal.gross_exposure + quantity * proposal.price
    share = gross / proposal.equity
    return _bounded(proposal, share, limit, "MAX_GROSS")


def buying_power_suffices(
    proposal: Proposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The account can pay for the order."""
    notional = quantity * proposal.price
    return Finding(
        proposal.is_reducing or notional <= proposal.buying_power,
        "BUYING_POWER",
        f"{notional:.2f} against {proposal.buying_power:.2f}",
        value=notional,
        limit=proposal.buying_power,
    )


def orders_of_the_bar_are_few(
    proposal: Proposal, limits: Limits, quantity: Decimal
) -> Finding:
    """With this one, the bar has no more orders than allowed."""
    limit = limits.tightest(
        LimitType.MAX_ORDERS_PER_BAR, proposal.strategy, proposal.symbol
    )
    count = proposal.orders_this_bar + 1
    return Finding(
        count <= limit,
        "MAX_ORDERS_PER_BAR",
        f"order {count} of {limit} on this bar",
        value=count,
        limit=limit,
    )


def orders_of_the_day_are_few(
    proposal: Proposal, limits: Limits, quantity: Decimal
) -> Finding:
    """With this one, the day has no more orders than allowed."""
    limit = limits.tightest(
        LimitType.MAX_ORDERS_PER_DAY, proposal.strategy, proposal.symbol
    )
    count = proposal.orders_today + 1
    return Finding(
        count <= limit,
        "MAX_ORDERS_PER_DAY",
        f"order {count} of {limit} today",
        value=count,
        limit=limit,
    )


def account_daily_loss_is_bearable(
    proposal: Proposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The account has lost less today than its limit."""
    limit = limits.tightest(LimitType.MAX_DAILY_LOSS, scopes=("account",))
    return _bearable(proposal, proposal.account_daily_loss, limit, "DAILY_LOSS")


def strategy_daily_loss_is_bearable(
    proposal: Proposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The strategy has lost less today than its limit."""
    limit = limits.tightest(
        LimitType.MAX_DAILY_LOSS, proposal.strategy, proposal.symbol
    )
    return _bearable(
        proposal, proposal.strategy_daily_loss, limit, "STRATEGY_DAILY_LOSS"
    )


def account_drawdown_is_bearable(
    proposal: Proposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The account stands closer to its highest equity than its limit."""
    limit = limits.tightest(LimitType.MAX_DRAWDOWN, scopes=("account",))
    return _bearable(proposal, proposal.account_drawdown, limit, "DRAWDOWN")


def strategy_drawdown_is_bearable(
    proposal: Proposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The strategy stands closer to its best result than its limit."""
    limit = limits.tightest(LimitType.MAX_DRAWDOWN, proposal.strategy, proposal.symbol)
    return _bearable(proposal, proposal.strategy_drawdown, limit, "STRATEGY_DRAWDOWN")


def no_leg_is_refused(proposal: Proposal, limits: Limits, quantity: Decimal) -> Finding:
    """No other leg of the same position is refused: all of them trade, or none does."""
    return Finding(
        not proposal.refused_leg,
        "LEG_REFUSED",
        proposal.refused_leg or "every leg may trade",
        value=int(bool(proposal.refused_leg)),
        limit=0,
    )


MARKET_CHECKS: tuple[Check[Proposal], ...] = (
    numbers_are_sound,
    market_takes_the_order,
    position_is_off_target,
    order_is_not_repeated,
    no_opposite_order_is_open,
    short_is_allowed,
    position_stays_small,  # may cut the quantity, so it stands before what counts it
    order_stays_small,
    gross_exposure_stays_bounded,
    buying_power_suffices,
    orders_of_the_bar_are_few,
    orders_of_the_day_are_few,
    account_daily_loss_is_bearable,
    strategy_daily_loss_is_bearable,
    account_drawdown_is_bearable,
    strategy_drawdown_is_bearable,
    no_leg_is_refused,
)

MARKET_CODES = frozenset("""
    NO_CHECKS CHECK_FAILED NO_LIMIT_CONFIGURED BAD_NUMBER OVERNIGHT_ENTRY AT_TARGET
    DUPLICATE_ORDER SELF_MATCH SHORT_NOT_ALLOWED MAX_POSITION MAX_ORDER_NOTIONAL
    MAX_GROSS BUYING_POWER MAX_ORDERS_PER_BAR MAX_ORDERS_PER_DAY DAILY_LOSS
    STRATEGY_DAILY_LOSS DRAWDOWN STRATEGY_DRAWDOWN
    """.split())
"""The codes with which these checks refuse; any other is of a running system."""


def evaluate(
    proposal: AnyProposal,
    limits: Limits,
    checks: Sequence[Check[AnyProposal]] = MARKET_CHECKS,
) -> Evaluation:
    """Run every check in order; approve only when each one passed."""
    results: list[CheckResult] = []
    quantity = proposal.quantity
    for check in checks:
        outcome = _run(check, proposal, limits, quantity)
        results.append(outcome)
        quantity = outcome.quantity_after
    refusal = next((each for each in results if not each.passed), None)
    if not results:
        return Evaluation(False, ZERO, (), "NO_CHECKS", "no check was run")
    if refusal is not None:
        kept = tuple(results)
        return Evaluation(False, ZERO, kept, refusal.code, refusal.detail)
    if not (quantity.is_finite() and 0 < quantity <= proposal.quantity):
        detail = f"{quantity} is left of {proposal.quantity}"
        return Evaluation(False, ZERO, tuple(results), "BAD_NUMBER", detail)
    return Evaluation(True, quantity, tuple(results))


def together(
    asked: Iterable[Asked], group_of: Callable[[Asked], Hashable | None]
) -> list[tuple[Asked, ...]]:
    """Return what was asked for, in its order: the legs of a group where its first is.

    What belongs to no group (None) stands alone.
    """
    units: dict[Hashable, list[Asked]] = {}
    for place, each in enumerate(asked):
        group = group_of(each)
        key = (place,) if group is None else group
        units.setdefault(key, []).append(each)
    return [tuple(unit) for unit in units.values()]


def refusal_of_leg(symbol: str, evaluation: Evaluation) -> str:
    """Return what to say of a leg that may not trade; "" when it keeps none from it.

    A leg that is at its target has nothing to trade, and the others may.
    """
    if evaluation.approved or evaluation.code == "AT_TARGET":
        return ""
    return f"the leg {symbol} is refused: {evaluation.code}"


def loss_share(start: Decimal, now: Decimal) -> Decimal:
    """Return the share of `start` that was lost by `now`, below zero for a gain.

    Where nothing was left to lose all counts as lost: shorts may cost more than there
    is. That stops entries, and leaves the exits that are needed then.
    """
    if not (start.is_finite() and now.is_finite()):
        raise BadNumber(f"No loss can be told from {start} to {now}.")
    return 1 - now / start if start > 0 else Decimal(1)


def _run(
    check: Check[AnyProposal],
    proposal: AnyProposal,
    limits: Limits,
    quantity: Decimal,
) -> CheckResult:
    try:
        finding = check(proposal, limits, quantity)
        numbers = (finding.value, finding.limit, finding.fits)
        unsound = [n for n in numbers if n is not None and not Decimal(n).is_finite()]
    except NoLimitConfigured as error:
        finding = Finding(False, "NO_LIMIT_CONFIGURED", str(error))
    except Exception as error:  # why: whatever goes wrong in a check is a refusal
        finding = Finding(False, "CHECK_FAILED", f"{type(error).__name__}: {error}")
    else:
        if unsound:
            finding = Finding(False, "BAD_NUMBER", f"it found {unsound[0]}")
    return CheckResult(
        name=getattr(check, "__name__", type(check).__name__),
        passed=finding.passed,
        value=_decimal(finding.value),
        limit=_decimal(finding.limit),
        detail=finding.detail,
        code="" if finding.passed else finding.code,
        quantity_before=quantity,
        quantity_after=quantity if finding.fits is None else finding.fits,
    )


def _decimal(number: Decimal | int | None) -> Decimal | None:
    return None if number is None else Decimal(number)


def _bounded(proposal: Proposal, share: Decimal, limit: Decimal, code: str) -> Finding:
    return Finding(
        proposal.is_reducing or share <= limit,
        code,
        f"{share:.2%} of equity against {limit:.2%}",
        value=share,
        limit=limit,
    )


def _bearable(proposal: Proposal, lost: Decimal, limit: Decimal, code: str) -> Finding:
    return Finding(
        proposal.is_reducing or lost < limit,
        code,
        f"{lost:.2%} lost against {limit:.2%}",
        value=lost,
        limit=limit,
    )


def _is_sound(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    return isinstance(value, str | int)
