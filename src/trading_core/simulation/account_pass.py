"""The compiled pass over one account: `simulate` in whole numbers.

Prices and money are int64 ticks of a hundredth of a cent, rates are int64 millionths:
every comparison is exact, as it is in `Decimal`. What the numbers have to keep below
for that is checked before (`account`) and after (`TOO_LARGE`).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trading_core.costs import INTEREST_YEAR
from trading_core.simulation.compiled import compiled

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Marks = npt.NDArray[np.int8]

TICKS = 10_000
CENT = 100
MILLION = 1_000_000
MICROS_A_CENT = 10_000
FINE = 100_000_000
"""Spread and slippage are hundred-millionths: ten-thousandths of a basis point."""
LARGEST = 900_000_000_000
"""Ticks of equity ($90 million) up to which a limit of 10 times equity fits int64."""
HIGHEST = 10_000_000_000
"""Ticks of the highest price ($1 million) that a spread may be added to."""

REFUSALS = (
    "BAD_NUMBER",
    "OVERNIGHT_ENTRY",
    "AT_TARGET",
    "SELF_MATCH",
    "SHORT_NOT_ALLOWED",
    "MAX_POSITION",
    "MAX_ORDER_NOTIONAL",
    "MAX_GROSS",
    "BUYING_POWER",
    "MAX_ORDERS_PER_BAR",
    "MAX_ORDERS_PER_DAY",
    "DAILY_LOSS",
    "STRATEGY_DAILY_LOSS",
    "DRAWDOWN",
    "STRATEGY_DRAWDOWN",
)
"""The codes of `limits.MARKET_CHECKS`, in their order."""

ORDER = np.dtype(
    [
        ("symbol", np.int64),
        ("slot", np.int64),
        ("quantity", np.int64),
        ("price", np.int64),
        ("rest", np.int64),
        ("state", np.int64),
        ("reduces", np.int64),
        ("met", np.int64),
    ]
)
"""An order: quantities are negative for sales, `price` is that of its decision.

`reduces` is 1 for an exit, `met` the last slot whose open the order has met.
"""

OPEN, FILLED, EXPIRED = range(3)

FILL = np.dtype(
    [
        ("order", np.int64),
        ("slot", np.int64),
        ("point", np.int64),
        ("symbol", np.int64),
        ("quantity", np.int64),
        ("price", np.int64),
    ]
)
"""Shares that changed hands at one of the four points of a bar's path, or on arrival.

The latter are those of a new order, at the last price before it: the point `ARRIVAL` of
the slot in which it was decided.
"""

OPENING, CLOSING, ARRIVAL = 0, 3, 4

DONE, FULL, TOO_LARGE = range(3)


class Desk(NamedTuple):
    """What the account starts with and how orders fill; `no_part` is no cap on size."""

    cash: int
    share: int
    allow_short: bool
    top_up: int
    half_spread: int
    slippage: int
    no_part: bool
    part: int
    fees: bool
    borrow_rate: int
    margin_rate: int
    account_daily_loss: int
    account_drawdown: int


class Limit(NamedTuple):
    """The tightest limits of one symbol, in millionths or counts."""

    order_notional: int
    position: int
    gross: int
    orders_bar: int
    orders_day: int
    daily_loss: int
    drawdown: int
    allow_short: int
    overnight: int


class Schedule(NamedTuple):
    """Fees of a day: cents a million dollars sold, and millionths of a dollar."""

    sec: int
    taf: int
    taf_cap: int
    cat: int
    commission: int


@compiled
def trade_account(
    prices: tuple[Floats, Floats, Floats, Floats, Floats],
    times: Integers,
    mark_of: Marks,
    bounds: Integers,
    slots: tuple[Integers, Integers, npt.NDArray[np.bool_], int, int],
    nights: Integers,
    schedules: Integers,
    limits: Integers,
    desk: Desk,
    curve: Integers,
    orders: npt.NDArray[np.void],
    fills: npt.NDArray[np.void],
    refusals: Integers,
    at: Integers,
) -> tuple[int, int, int]:
    """Run the account; return how it ended, and how many orders and fills there are.

    `prices` are open, high, low, close and volume, symbol after symbol as `bounds`
    divides them; `slots` are the starts of bars, their session, whether each ends it,
    the first that is traded, and the last that has a bar. `nights` are those before
    each session. `curve` gets equity, cash and gross of each slot that has a bar; `at`
    ends where each symbol's bars were read to.
    """
    close = prices[3]
    starts, sessions, closes, first, last = slots
    symbols = bounds.size - 1
    shares = np.zeros(symbols, np.int64)
    mark = np.zeros(symbols, np.int64)
    rows = np.empty(symbols, np.int64)
    following = np.empty(symbols, np.int64)
    working = np.empty(0, np.int64)
    cash = equity = high_water = day_equity = desk.cash
    # What the strategy made, without the account's fees and interest.
    own_cash = own = own_peak = own_start = desk.cash
    ordered = filled = booked = today = 0
    day = np.zeros(4, np.int64)
    last_slot = -1
    for symbol in range(symbols):
        at[symbol] = bounds[symbol]
    for slot in range(starts.size):
        is_first = slot == 0 or sessions[slot] != sessions[slot - 1]
        is_last = slot + 1 == starts.size or sessions[slot + 1] != sessions[slot]
        if is_first:
            cash -= _owed(cash, shares, mark, nights[sessions[slot]], desk)
            day_equity, own_start, today = equity, own, 0
        present = 0
        for symbol in range(symbols):
            rows[symbol] = following[symbol] = -1
            if at[symbol] < bounds[symbol + 1] and times[at[symbol]] == starts[slot]:
                rows[symbol] = at[symbol]
                at[symbol] += 1
                present += 1
            if at[symbol] < bounds[symbol + 1] and not is_last:
                if times[at[symbol]] == starts[slot + 1]:
                    following[symbol] = at[symbol]
        day_of_fees = schedules[sessions[slot]]
        if present > 0 and slot >= first:
            last_slot = slot
            # 1. Open orders meet the prices of the bars, and the opens that follow.
            for number in working:
                if filled + 5 > fills.size:
                    return FULL, ordered, filled
                order = orders[number]
                row, after = rows[order["symbol"]], following[order["symbol"]]
                if row >= 0:
                    begin = OPENING + 1 if order["met"] == slot else OPENING
                    for point in range(begin, CLOSING + 1):
                        filled = _meet(
                            int(number),
                            order,
                            row,
                            point,
                            slot,
                            prices,
                            fills,
                            filled,
                            desk,
                        )
                if after >= 0:
                    order["met"] = slot + 1
                    filled = _meet(
                        int(number),
                        order,
                        after,
                        OPENING,
                        slot + 1,
                        prices,
                        fills,
                        filled,
                        desk,
                    )
            for made in range(booked, filled):
                fill = fills[made]
                shares[fill["symbol"]] += fill["quantity"]
                cash -= fill["quantity"] * fill["price"]
                own_cash -= fill["quantity"] * fill["price"]
                _accrue(day, fill["quantity"], fill["price"], day_of_fees)
            booked = filled
            working = _still(working, orders, -1)
            if closes[slot]:
                # The day is over: what it did not fill expires, and its fees are due.
                working = _still(working, orders, slot + 1)
                if desk.fees and day[0] > 0:
                    cash -= _due(day, day_of_fees)
                day[:] = 0
            # 2. The account is marked at the closes.
            for symbol in range(symbols):
                row = rows[symbol]
                if row >= 0 and (shares[symbol] != 0 or mark_of[row] != 0):
                    mark[symbol] = _on_tick(close[row])
            gross, net = _values(shares, mark)
            equity, own = cash + net, own_cash + net
            high_water, own_peak = max(high_water, equity), max(own_peak, own)
            curve[slot, 0], curve[slot, 1], curve[slot, 2] = equity, cash, gross
            if max(abs(equity), gross, abs(cash), abs(own)) > LARGEST:
                return TOO_LARGE, ordered, filled
            # 3. Signals become orders, in order of symbols.
            entries, spent = _reserved(working, orders)
            entries += gross
            placed = 0
            for symbol in range(symbols):
                row = rows[symbol]
                if row < 0 or mark_of[row] == 0:
                    continue
                side = int(mark_of[row])
                waiting, opposite = _on_order(working, orders, symbol, side)
                price = mark[symbol]
                held = shares[symbol] + waiting
                quantity, refusal = _evaluate(
                    (side, price, held, opposite, not closes[slot]),
                    (equity, cash - spent, entries, day_equity, high_water),
                    (own, own_start, own_peak),
                    (placed, today),
                    limits[symbol],
                    desk,
                )
                if refusal >= 0:
                    refusals[refusal] += 1
                    continue
                if ordered == orders.size:
                    return FULL, ordered, filled
                placed += 1
                today += 1
                order = orders[ordered]
                order["symbol"], order["slot"], order["price"] = symbol, slot, price
                order["quantity"] = order["rest"] = side * quantity
                order["state"], order["met"] = OPEN, -1
                order["reduces"] = held * side < 0 and quantity <= abs(held)
                working = np.append(working, ordered)
                ordered += 1
                if not order["reduces"]:
                    entries += quantity * price
                if side > 0:
                    spent += quantity * price
            # 4. New orders reach the market: at the open that follows, else at the
            # last price there was.
            if not closes[slot] and slot < last:
                for number in working[working.size - placed :]:
                    if filled + 1 > fills.size:
                        return FULL, ordered, filled
                    order = orders[number]
                    row, point = rows[order["symbol"]], CLOSING
                    if following[order["symbol"]] >= 0:
                        row, point = following[order["symbol"]], OPENING
                        order["met"] = slot + 1
                    before = filled
                    filled = _meet(
                        int(number),
                        order,
                        row,
                        point,
                        slot,
                        prices,
                        fills,
                        filled,
                        desk,
                    )
                    if filled > before:
                        fills[before]["point"] = ARRIVAL
        if is_last and last_slot >= 0:
            # A day whose last bars are missing ends too. An order placed at the close
            # waits for the next session.
            for made in range(booked, filled):
                fill = fills[made]
                shares[fill["symbol"]] += fill["quantity"]
                cash -= fill["quantity"] * fill["price"]
                own_cash -= fill["quantity"] * fill["price"]
                _accrue(day, fill["quantity"], fill["price"], day_of_fees)
            booked = filled
            was_today = sessions[last_slot] == sessions[slot]
            placed_last = last_slot if was_today and closes[last_slot] else slot + 1
            working = _still(working, orders, placed_last)
            if desk.fees and day[0] > 0:
                due = _due(day, day_of_fees)
                cash -= due
                gross, net = _values(shares, mark)
                equity = cash + net
                curve[last_slot, 0], curve[last_slot, 1] = equity, cash
                curve[last_slot, 2] = gross
            day[:] = 0
    return DONE, ordered, filled


@compiled
def _owed(cash: int, shares: Integers, mark: Integers, nights: int, desk: Desk) -> int:
    """Return what borrowed dollars and shares cost over some nights, in ticks.

    Each is rounded up to the cent, as `costs.margin_interest` and `costs.borrow_fee`.
    """
    parts = INTEREST_YEAR * MILLION * CENT
    cents = 0
    if cash < 0:
        cents += -(cash * desk.margin_rate * nights // parts)
    for symbol in range(shares.size):
        if shares[symbol] < 0:
            value = shares[symbol] * mark[symbol]
            cents += -(value * desk.borrow_rate * nights // parts)
    return int(cents) * CENT


@compiled
def _meet(
    number: int,
    order: np.void,
    row: int,
    point: int,
    slot: int,
    prices: tuple[Floats, Floats, Floats, Floats, Floats],
    fills: npt.NDArray[np.void],
    filled: int,
    desk: Desk,
) -> int:
    """Let an order meet a point of a bar; return how many fills there are."""
    size = abs(order["rest"])
    if not desk.no_part:
        size = min(size, int(prices[4][row]) * desk.part // (4 * MILLION))
    if size <= 0:
        return filled
    buys = order["rest"] > 0
    fill = fills[filled]
    fill["order"], fill["slot"], fill["point"] = number, slot, point
    fill["symbol"] = order["symbol"]
    fill["quantity"] = size if buys else -size
    fill["price"] = _fill_price(_price_at(row, point, prices), buys, desk)
    order["rest"] -= fill["quantity"]
    if order["rest"] == 0:
        order["state"] = FILLED
    return filled + 1


@compiled
def _price_at(
    row: int, point: int, prices: tuple[Floats, Floats, Floats, Floats, Floats]
) -> float:
    """Return the price of a bar at one of the four points of its path."""
    open_, high, low, close, _ = prices
    if point == OPENING:
        return float(open_[row])
    if point == CLOSING:
        return float(close[row])
    rose = close[row] >= open_[row]
    return float(low[row] if rose == (point == 1) else high[row])


@compiled
def _still(working: Integers, orders: npt.NDArray[np.void], since: int) -> Integers:
    """Return the orders that work on; those placed before a slot expire."""
    kept = 0
    for number in working:
        order = orders[number]
        if order["state"] == OPEN and order["slot"] < since:
            order["state"] = EXPIRED
        if order["state"] == OPEN:
            working[kept] = number
            kept += 1
    return working[:kept]


@compiled
def _values(shares: Integers, mark: Integers) -> tuple[int, int]:
    """Return the value of all positions, counted as positive and as they are."""
    gross, net = 0, 0
    for symbol in range(shares.size):
        value = shares[symbol] * mark[symbol]
        gross, net = gross + abs(value), net + value
    return gross, net


@compiled
def _reserved(working: Integers, orders: npt.NDArray[np.void]) -> tuple[int, int]:
    """Return the notional of open entries, and what open purchases will cost."""
    entries, spent = 0, 0
    for number in working:
        order = orders[number]
        notional = abs(order["rest"]) * order["price"]
        if not order["reduces"]:
            entries += notional
        if order["rest"] > 0:
            spent += notional
    return entries, spent


@compiled
def _on_order(
    working: Integers, orders: npt.NDArray[np.void], symbol: int, side: int
) -> tuple[int, int]:
    """Return a symbol's shares on order on a side, signed, and on the other side."""
    waiting, opposite = 0, 0
    for number in working:
        rest = orders[number]["rest"]
        if orders[number]["symbol"] == symbol:
            waiting += rest if rest * side > 0 else 0
            opposite += abs(rest) if rest * side < 0 else 0
    return waiting, opposite


@compiled
def is_in_ticks(
    open_: Floats, high: Floats, low: Floats, close: Floats, volume: Floats
) -> bool:
    """Whether whole ticks hold all prices of a column, and whole shares its volumes."""
    exact = True
    for bar in range(close.size):
        for price in (open_[bar], high[bar], low[bar], close[bar]):
            fine = price * TICKS
            exact &= abs(fine - np.rint(fine)) < 1e-3 and fine <= HIGHEST
        exact &= volume[bar] == np.rint(volume[bar]) and volume[bar] < LARGEST
    return exact


@compiled
def _evaluate(
    asked: tuple[int, int, int, int, bool],
    account: tuple[int, int, int, int, int],
    strategy: tuple[int, int, int],
    counts: tuple[int, int],
    limit: Integers,
    desk: Desk,
) -> tuple[int, int]:
    """Return the quantity and -1, or 0 and the place of the refusal in `REFUSALS`.

    `asked` is side, price, shares held with those on order on this side, shares on
    order on the other side, and whether the session is open; `account` equity, buying
    power, gross exposure, equity at the day's begin, and the highest; `strategy` the
    equity of the strategy, at the day's begin, and the highest; `counts` the orders of
    the bar and of the day so far.
    """
    side, price, held, opposite, is_open = asked
    equity, power, gross, day_equity, high_water = account
    own, own_start, own_peak = strategy
    if equity <= 0:
        return 0, 0
    quantity = _wanted(side, price, held, equity, desk)
    reducing = held * side < 0 and quantity <= abs(held)
    if not (is_open or reducing or limit[8] >= MILLION):
        return 0, 1
    if quantity == 0:
        return 0, 2
    if opposite > 0:
        return 0, 3
    if side < 0 and held - quantity < 0:
        if not (desk.allow_short and limit[7] >= MILLION):
            return 0, 4
    if not reducing:
        room = min(limit[1], desk.share) * equity // (MILLION * price) - abs(held)
        quantity = min(quantity, room)
        if quantity <= 0:
            return 0, 5
    notional = quantity * price
    if not reducing:
        if notional * MILLION > limit[0] * equity:
            return 0, 6
        if (gross + notional) * MILLION > limit[2] * equity:
            return 0, 7
        if notional > power:
            return 0, 8
    if counts[0] + 1 > limit[3]:
        return 0, 9
    if counts[1] + 1 > limit[4]:
        return 0, 10
    if not reducing:
        if (day_equity - equity) * MILLION >= desk.account_daily_loss * day_equity:
            return 0, 11
        if (own_start - own) * MILLION >= limit[5] * own_start:
            return 0, 12
        if (high_water - equity) * MILLION >= desk.account_drawdown * high_water:
            return 0, 13
        if (own_peak - own) * MILLION >= limit[6] * own_peak:
            return 0, 14
    return quantity, -1


@compiled
def _wanted(side: int, price: int, held: int, equity: int, desk: Desk) -> int:
    """Return the shares to trade, as `sizing.order_quantity`."""
    target = equity * desk.share // (MILLION * price)
    if target == 0 and held == 0:
        return 0
    if side * held < 0:
        return abs(held)
    if side < 0 and not desk.allow_short:
        return 0
    lacking = target - abs(held)
    return lacking if lacking * MILLION > target * desk.top_up else 0


@compiled
def _fill_price(traded: float, buys: bool, desk: Desk) -> int:
    """Return the price of a market order at a traded price, as `matching.match`."""
    last = _on_tick(traded)
    far = _worse(last, buys, desk.half_spread)
    return _worse(far, buys, desk.slippage)


@compiled
def _worse(price: int, buys: bool, rate: int) -> int:
    """Return a price worse by a rate, rounded away on its tick, and above zero."""
    if rate == 0:
        return price
    exact = price * (FINE + rate) if buys else price * (FINE - rate)
    step = FINE * (CENT if exact >= TICKS * FINE else 1)
    rounded = -(-exact // step) if buys else exact // step
    worse = rounded * (step // FINE)
    return worse if worse > 0 else price


@compiled
def _on_tick(price: float) -> int:
    """Return a float price in ticks on its tick, half to even, as `money.price_of`."""
    fine: int = int(np.rint(price * TICKS))
    if fine < TICKS:
        return fine
    cents, rest = fine // CENT, fine % CENT
    if rest > CENT // 2 or (rest == CENT // 2 and cents % 2 == 1):
        cents += 1
    return cents * CENT


@compiled
def _accrue(day: Integers, quantity: int, price: int, schedule: Integers) -> None:
    """Add an execution to a day: shares, ticks sold, and millionths of TAF."""
    day[0] += abs(quantity)
    if quantity < 0:
        day[1] += -quantity * price
        day[2] += min(-quantity * schedule[1], schedule[2])


@compiled
def _due(day: Integers, schedule: Integers) -> int:
    """Return a day's fees in ticks, each kind rounded up to the cent."""
    cents = -(-day[1] * schedule[0] // (TICKS * MILLION))
    cents += -(-day[2] // MICROS_A_CENT)
    cents += -(-day[0] * schedule[3] // MICROS_A_CENT)
    cents += -(-day[0] * schedule[4] // MICROS_A_CENT)
    return int(cents) * CENT
