"""How many shares a signal asks for: the distance from what is held to its target."""

from decimal import ROUND_FLOOR, Decimal

from trading_core.money import QUANTITY_STEP, ZERO, BadNumber, Side, exact

WHOLE_SHARE = Decimal(1)
TOP_UP = Decimal("0.1")
"""A position that lacks less than this share of its target counts as at target: a
price that moves a little must not cause an order each hour."""


def target_quantity(
    equity: Decimal,
    price: Decimal,
    max_position_size: float | Decimal,
    fractional: bool = False,
) -> Decimal:
    """Return the shares that a share of equity buys at a price, rounded down.

    Without equity the target is zero.
    """
    if not equity.is_finite():
        raise BadNumber(f"equity is {equity}: not a number.")
    if not (price.is_finite() and price > 0):
        raise BadNumber(f"price is {price}: it must be above zero.")
    share = _share(max_position_size)
    step = QUANTITY_STEP if fractional else WHOLE_SHARE
    affordable = equity * share / price
    return max(affordable.quantize(step, ROUND_FLOOR), ZERO)


def order_quantity(
    side: Side,
    target: Decimal,
    held: Decimal,
    allow_short: bool = False,
    reduce_only: bool = False,
) -> Decimal:
    """Return the shares to buy or sell towards a signal's target, zero when there.

    `target` is above zero; `held` is negative for a short. A buy goes up to the target,
    a sale to flat, or with `allow_short` from flat to the target short. No order goes
    through zero: the broker wants the position closed first, so the next signal opens
    the other side. With `reduce_only` an order closes what is open on the other side
    and opens nothing.
    """
    if reduce_only:
        return max(-held if side == "buy" else held, ZERO)
    if side == "buy":
        if held < 0:
            return -held
        lacking = target - held
    elif held > 0:
        return held
    elif not allow_short:
        return ZERO
    else:
        lacking = target + held
    return lacking if lacking > target * TOP_UP else ZERO


def _share(value: float | Decimal) -> Decimal:
    share = value if isinstance(value, Decimal) else exact(value)
    if not (share.is_finite() and 0 < share <= 1):
        raise BadNumber(f"max_position_size is {value}: it must be in (0, 1].")
    return share
