"""The compiled pass over one column: its own cash, one position at a time.

An order of a bar's close fills whole at the next bar's open. Exits leave a position
within a bar.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trading_core.simulation.compiled import compiled

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Marks = npt.NDArray[np.int8]

ROUNDING = 1e-9
"""Share of a share by which a float quotient may fall short of a whole number. Exact
quotients of prices in cents and sizes in thousandths of equity keep ten times that
distance from it below $1,000 a share."""


class Account(NamedTuple):
    """Terms and parameters as the pass reads them; `top_up` as `sizing.TOP_UP`."""

    cash: float
    share: float
    fractional: bool
    allow_short: bool
    at_fill: bool
    fee_rate: float
    fee_per_share: float
    slippage: float
    top_up: float


TRADE = np.dtype(
    [
        ("entry_bar", np.int64),
        ("exit_bar", np.int64),
        ("quantity", np.float64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("fees", np.float64),
        ("adverse", np.float64),
        ("favorable", np.float64),
        ("reason", np.int64),
    ]
)
"""A position from flat to flat. `quantity` is all shares entered, negative for a short,
and `entry_price` their average; `adverse` and `favorable` (MAE and MFE) are dollars a
share at most. One that is open has the last bar and its close as its exit."""

REASONS = ("signal", "stop", "trail", "target", "bars", "session end", "open")
SIGNAL, STOP, TRAIL, TARGET, BARS, SESSION_END, OPEN = range(7)


class Rules(NamedTuple):
    """`Exits` as the pass reads them; `on` is whether there is one."""

    on: bool
    stop: float
    target: float
    trail: float
    bars: int
    session_end: bool


ACTION = np.dtype([("bar", np.int64), ("split", np.float64), ("dividend", np.float64)])
"""A corporate action before the open of a bar, as `CorporateAction`."""


@compiled
def is_sound(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    time: Integers,
) -> bool:
    """Whether `bars.validate` would find nothing wrong with a column."""
    bad = False
    for bar in range(close.size):
        body_low = min(open_[bar], close[bar])
        body_high = max(open_[bar], close[bar])
        bad |= not (0 < low[bar] <= body_low and body_high <= high[bar] < np.inf)
        bad |= not (open_[bar] < np.inf and close[bar] < np.inf)
        bad |= not 0 <= volume[bar] < np.inf
        bad |= bar > 0 and time[bar] <= time[bar - 1]
    return not bad


@compiled
def trade_column(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    mark: Marks,
    actions: npt.NDArray[np.void],
    account: Account,
    exits: Rules,
    day: Integers,
    equity: Floats,
    trades: npt.NDArray[np.void],
) -> int:
    """Write equity at each close and the trades; return how many trades there are.

    `day` tells the days of bars apart; it is read for exits at the session's end only.
    """
    cash = account.cash
    shares = entered = cost = fees = order = 0.0
    reach = (np.inf, -np.inf)
    best = 0.0
    bar = count = since = action = 0
    why = SIGNAL
    while bar < close.size:
        while action < actions.size and actions[action]["bar"] <= bar:
            cash += shares * actions[action]["dividend"]
            split = actions[action]["split"]
            shares, entered, order = shares * split, entered * split, order * split
            reach = (reach[0] / split, reach[1] / split)
            best /= split
            action += 1
        stood = shares != 0
        if order != 0:
            slip = account.slippage if order > 0 else -account.slippage
            price = open_[bar] * (1 + slip)
            if account.at_fill:
                order = (
                    -shares
                    if shares != 0
                    else order * _affordable(cash, price, account)
                )
            fee = abs(order) * (price * account.fee_rate + account.fee_per_share)
            cash -= order * price + fee
            fees += fee
            reach = (min(reach[0], price), max(reach[1], price))
            if shares == 0:
                since, best = bar, open_[bar]
            if shares * order >= 0:
                shares, entered = shares + order, entered + order
                cost += order * price
            else:
                _end(trades[count], since, bar, entered, cost, price, fees, reach, why)
                count += 1
                shares = 0.0
            if shares == 0:
                entered = cost = fees = 0.0
                reach = (np.inf, -np.inf)
        until = actions[action]["bar"] if action < actions.size else close.size
        if exits.on and shares != 0:
            until = bar + 1
            ends = exits.session_end and until < close.size and day[until] != day[bar]
            points = _way(open_[bar], high[bar], low[bar], close[bar])
            side = 1.0 if shares > 0 else -1.0
            price, reason, best, reach = _leave(
                points, side, cost / entered, best, reach, stood, ends, exits
            )
            if reason != OPEN:
                slips = reason != TARGET
                price *= 1 - side * (account.slippage if slips else 0.0)
                fee = abs(shares) * (price * account.fee_rate + account.fee_per_share)
                cash += shares * price - fee
                fees += fee
                reach = (min(reach[0], price), max(reach[1], price))
                _end(
                    trades[count], since, bar, entered, cost, price, fees, reach, reason
                )
                count += 1
                shares = entered = cost = fees = 0.0
                reach = (np.inf, -np.inf)
        bar, order, reach = _hold(
            (low, high, close, mark, equity), (bar, until), cash, shares, reach, account
        )
        why = SIGNAL
        if exits.bars > 0 and shares != 0 and bar - since >= exits.bars:
            order, why = -shares, BARS
    if shares != 0:
        last = close.size - 1
        _end(trades[count], since, last, entered, cost, close[last], fees, reach, OPEN)
        count += 1
    return count


@compiled
def summary(equity: Floats, trades: npt.NDArray[np.void]) -> tuple[float, int, float]:
    """Return the deepest drawdown (at most 0), the closed trades that won, and fees."""
    highest, left = equity[0], 1.0
    for value in equity:
        if value > highest:
            highest = value
        elif value < left * highest:
            left = value / highest
    won, fees = 0, 0.0
    for trade in trades:
        fees += trade["fees"]
        moved = trade["exit_price"] - trade["entry_price"]
        if trade["reason"] != OPEN and trade["quantity"] * moved > trade["fees"]:
            won += 1
    return left - 1, won, fees


@compiled
def _hold(
    columns: tuple[Floats, Floats, Floats, Marks, Floats],
    span: tuple[int, int],
    cash: float,
    shares: float,
    reach: tuple[float, float],
    account: Account,
) -> tuple[int, float, tuple[float, float]]:
    """Write equity until a close decides an order or the span ends.

    Returns the bar after that, the order, and the lowest and highest price seen.
    """
    low, high, close, mark, equity = columns
    lowest, highest = reach
    for bar in range(span[0], span[1]):
        now = cash + shares * close[bar]
        equity[bar] = now
        if shares != 0:
            lowest, highest = min(lowest, low[bar]), max(highest, high[bar])
        if mark[bar] != 0 and now > 0:
            order = _order(mark[bar], shares, now, close[bar], account)
            if order != 0:
                return bar + 1, order, (lowest, highest)
    return span[1], 0.0, (lowest, highest)


@compiled
def _way(
    open_: float, high: float, low: float, close: float
) -> tuple[float, float, float, float]:
    """Return the points of a bar in their order, as `bars.path`."""
    if close >= open_:
        return open_, low, high, close
    return open_, high, low, close


@compiled
def _leave(
    points: tuple[float, float, float, float],
    side: float,
    entry: float,
    best: float,
    reach: tuple[float, float],
    stood: bool,
    ends: bool,
    exits: Rules,
) -> tuple[float, int, float, tuple[float, float]]:
    """Return where the rules leave a position in a bar and why, `OPEN` when it stays.

    `side` is 1 for a long and -1 for a short, `best` the best price so far; `stood` is
    whether it was held before the open, and `ends` whether the bar ends its session.
    Returns the best price and the lowest and highest that it saw as well.
    """
    nowhere = -side * np.inf
    stop = entry * (1 - side * exits.stop) if exits.stop > 0 else nowhere
    target = entry * (1 + side * exits.target) if exits.target > 0 else -nowhere
    lowest, highest = reach
    before = points[0]
    for place in range(4):
        price = points[place]
        trail = best * (1 - side * exits.trail) if exits.trail > 0 else nowhere
        reason = STOP if (stop - trail) * side >= 0 else TRAIL
        level = stop if reason == STOP else trail
        # From point to point the price passes a level; to the open it jumps. A position
        # of this open meets its rules after it.
        if place > 0 or stood:
            if (price - level) * side <= 0:
                passes = place > 0 and (before - level) * side > 0
                return level if passes else price, reason, best, (lowest, highest)
            if (price - target) * side >= 0:
                passes = place > 0 and (before - target) * side < 0
                return target if passes else price, TARGET, best, (lowest, highest)
        best = max(best, price) if side > 0 else min(best, price)
        lowest, highest = min(lowest, price), max(highest, price)
        before = price
    return points[3], SESSION_END if ends else OPEN, best, (lowest, highest)


@compiled
def _order(
    signal: int, shares: float, equity: float, price: float, account: Account
) -> float:
    """Return the shares to trade, as `sizing.order_quantity`; sized later, the side."""
    if shares * signal < 0:
        return -shares
    if signal < 0 and not account.allow_short:
        return 0.0
    if account.at_fill:
        return 0.0 if shares != 0 else float(signal)
    held = abs(shares)
    afforded = equity * account.share
    # Most signals meet a position that stands at its target: that needs no division.
    if held * price >= afforded * (1 - account.top_up) * (1 + ROUNDING):
        return 0.0
    target = afforded / price
    if not account.fractional:
        target = np.floor(target + ROUNDING)
    lacking = target - held
    return signal * lacking if lacking > target * account.top_up + ROUNDING else 0.0


@compiled
def _affordable(cash: float, price: float, account: Account) -> float:
    """Return the shares that the column's part of its cash buys, fees included."""
    cost = price * (1 + account.fee_rate) + account.fee_per_share
    shares = max(cash, 0.0) * account.share / cost
    return shares if account.fractional else np.floor(shares + ROUNDING)


@compiled
def _end(
    trade: np.void,
    since: int,
    bar: int,
    entered: float,
    cost: float,
    price: float,
    fees: float,
    reach: tuple[float, float],
    reason: int,
) -> None:
    entry = cost / entered
    worst, best = reach[0] - entry, reach[1] - entry
    if entered < 0:
        worst, best = -best, -worst
    trade["entry_bar"], trade["exit_bar"] = since, bar
    trade["quantity"], trade["entry_price"] = entered, entry
    trade["exit_price"], trade["fees"], trade["reason"] = price, fees, reason
    trade["adverse"], trade["favorable"] = min(worst, 0.0), max(best, 0.0)
