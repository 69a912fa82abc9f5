"""The compiled pass over one column: its own cash, one position at a time.

Orders of a bar's close fill at the next bar's open. Within a bar the price takes the
way of `bars.path`; it jumps to the open and moves without a jump from there on.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trading_core.simulation.compiled import compiled

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Signals = npt.NDArray[np.int8]

ROUNDING = 1e-9
"""Share of a share by which a float quotient may fall short of a whole number."""

SIGNAL, STOP, TARGET, TIME, SESSION_END, OPEN = range(6)
EXIT_NAMES = ("signal", "stop", "target", "time", "session end", "open")


class Terms(NamedTuple):
    """What trading costs and when positions are left, as the pass reads it.

    Rates are shares: of the notional for fees and slippage, a year for borrowing.
    """

    cash: float
    share: float
    whole_shares: bool
    allow_short: bool
    fee_rate: float
    fee_per_share: float
    slippage: float
    borrow_rate: float
    stop: float
    target: float
    trail: float
    bars: int
    session_end: bool


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
        ("reason", np.int8),
    ]
)
"""A round trip. `quantity` is negative for a short; `adverse` and `favorable` (MAE and
MFE) are dollars a share. One that is open has the last bar and close as its exit."""


@compiled
def trade_column(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    day: Integers,
    signal: Signals,
    terms: Terms,
    equity: Floats,
    trades: npt.NDArray[np.void],
) -> int:
    """Write equity at each close and the trades; return how many trades there are.

    All arrays but `trades` have an entry a bar; `day` counts days of any epoch.
    """
    cash = terms.cash
    shares = entry = fees = worst = best = top = 0.0
    count = entered = pending = why = 0
    for bar in range(close.size):
        stood = shares != 0
        if shares < 0 and day[bar] != day[bar - 1]:
            nights = day[bar] - day[bar - 1]
            rent = -shares * close[bar - 1] * terms.borrow_rate * nights / 365
            cash -= rent
            fees += rent
        if pending != 0:
            price = open_[bar] * (1 + pending * terms.slippage)
            if shares * pending < 0:
                fee = _fee(shares, price, terms)
                cash += shares * price - fee
                _close(trades[count], bar, price, fees + fee, worst, best, why)
                count += 1
                shares = 0.0
            elif shares == 0 and (pending > 0 or terms.allow_short):
                shares = pending * _affordable(cash, price, terms)
                if shares != 0:
                    fees = _fee(shares, price, terms)
                    cash -= shares * price + fees
                    entry, entered, top = price, bar, open_[bar]
                    worst = best = 0.0
                    _open(trades[count], bar, shares, price)
        if shares != 0:
            side = 1.0 if shares > 0 else -1.0
            left, reason, top, lowest, highest = leave(
                (open_[bar], high[bar], low[bar], close[bar]),
                (side, entry, top),
                stood,
                terms,
            )
            if reason == OPEN and terms.session_end and bar + 1 < close.size:
                if day[bar + 1] != day[bar]:
                    left, reason = close[bar], SESSION_END
            worst = min(worst, (lowest - entry) * side, (highest - entry) * side)
            best = max(best, (lowest - entry) * side, (highest - entry) * side)
            if reason != OPEN:
                # A target is a limit order: it never trades beyond its limit.
                slip = 0.0 if reason == TARGET else terms.slippage
                price = left * (1 - side * slip)
                fee = _fee(shares, price, terms)
                cash += shares * price - fee
                _close(trades[count], bar, price, fees + fee, worst, best, reason)
                count += 1
                shares = 0.0
        equity[bar] = cash + shares * close[bar]
        pending, why = int(signal[bar]), SIGNAL
        if shares != 0 and terms.bars > 0 and bar - entered + 1 >= terms.bars:
            pending, why = (-1 if shares > 0 else 1), TIME
    if shares != 0:
        last = close.size - 1
        _close(trades[count], last, close[last], fees, worst, best, OPEN)
        count += 1
    return count


@compiled
def leave(
    prices: tuple[float, float, float, float],
    position: tuple[float, float, float],
    stood: bool,
    terms: Terms,
) -> tuple[float, int, float, float, float]:
    """Return where the rules leave a position in one bar, and why.

    `prices` are open, high, low and close; `position` is side (1 or -1), entry price
    and best price so far; `stood` whether it was held before the open. Returns the
    price, the reason (`OPEN` when it stays), the best price, and the lowest and the
    highest price that the position saw.
    """
    open_, high, low, close = prices
    side, entry, top = position
    stop = entry * (1 - side * terms.stop) if terms.stop > 0 else -side * np.inf
    target = entry * (1 + side * terms.target) if terms.target > 0 else side * np.inf
    first, second = (low, high) if close >= open_ else (high, low)
    lowest = highest = before = open_
    for point in range(4):
        price = (open_, first, second, close)[point]
        trail = top * (1 - side * terms.trail) if terms.trail > 0 else -side * np.inf
        level = max(stop, trail) if side > 0 else min(stop, trail)
        if point > 0 or stood:
            # From point to point the price passes every level; to the open it jumps.
            if (price - level) * side <= 0:
                if point > 0:
                    price = level if (level - before) * side < 0 else before
                return price, STOP, top, min(lowest, price), max(highest, price)
            if (price - target) * side >= 0:
                if point > 0:
                    price = target if (target - before) * side > 0 else before
                return price, TARGET, top, min(lowest, price), max(highest, price)
        top = max(top, price) if side > 0 else min(top, price)
        lowest, highest, before = min(lowest, price), max(highest, price), price
    return close, OPEN, top, lowest, highest


@compiled
def _fee(shares: float, price: float, terms: Terms) -> float:
    held = abs(shares)
    return held * price * terms.fee_rate + held * terms.fee_per_share


@compiled
def _affordable(cash: float, price: float, terms: Terms) -> float:
    """Return the shares that the column's part of its cash buys, fees included."""
    cost = price * (1 + terms.fee_rate) + terms.fee_per_share
    shares = max(cash, 0.0) * terms.share / cost
    return np.floor(shares + ROUNDING) if terms.whole_shares else shares


@compiled
def _open(trade: np.void, bar: int, shares: float, price: float) -> None:
    trade["entry_bar"], trade["quantity"] = bar, shares
    trade["entry_price"] = price


@compiled
def _close(
    trade: np.void,
    bar: int,
    price: float,
    fees: float,
    worst: float,
    best: float,
    reason: int,
) -> None:
    trade["exit_bar"], trade["exit_price"], trade["fees"] = bar, price, fees
    trade["adverse"], trade["favorable"], trade["reason"] = worst, best, reason
