"""How an order meets a quote: the one fill model of exchange and backtest.

`FillModel.quotes` turns a bar's price points into quotes, `match` lets one order meet
one quote. Between two points of a bar the price moves without a jump, so a resting
order whose price lies between fills at that price; after a jump (a bar's open), and
when an order is new, it fills at the quote, which may be better than its limit and
worse than its stop.

Random draws depend on (seed, symbol, market time, side, quantity) and on nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING

from trading_core.calendar import require_aware
from trading_core.money import (
    QUANTITY_STEP,
    ZERO,
    BadNumber,
    Side,
    exact,
    price_of,
    round_down,
    round_price,
    round_up,
)

if TYPE_CHECKING:
    # Polars, which comes with it, stays out of processes that only match.
    from trading_core.bars import PricePoint

BASIS_POINT = Decimal("0.0001")


class OrderType(StrEnum):
    """Order types, in the broker's spelling."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    """How long an order waits, in the broker's spelling."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"
    CLS = "cls"


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order can trade against at an instant.

    `volume` is the shares traded here. `came_from` is the last price before, when the
    price moved here without a jump; None after a jump.
    """

    bid: Decimal
    ask: Decimal
    last: Decimal
    time: datetime
    volume: Decimal = ZERO
    came_from: Decimal | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", require_aware(self.time))
        if not all(p.is_finite() and p > 0 for p in (self.bid, self.ask, self.last)):
            raise BadNumber(f"A quote needs prices above zero: {self}.")
        if self.bid > self.ask:
            raise BadNumber(f"A quote's bid may not exceed its ask: {self}.")


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """An open order as the matching sees it; the caller keeps everything else.

    `trail_percent` is in percent: 1.5 trails by 1.5 %. `triggered`, `high_water` (the
    best last price that a trailing stop has seen) and `resting` (whether it has met a
    quote before) change with every quote: hand the order that `match` returns to the
    next one.
    """

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    triggered: bool = False
    high_water: Decimal | None = None
    resting: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", OrderType(self.type))
        object.__setattr__(self, "time_in_force", TimeInForce(self.time_in_force))
        if self.side not in ("buy", "sell"):
            raise ValueError(f"side is {self.side!r}: it must be buy or sell.")
        if not (self.quantity.is_finite() and self.quantity > 0):
            raise BadNumber(f"quantity is {self.quantity}: it must be above zero.")
        prices = (
            self.limit_price,
            self.stop_price,
            self.trail_price,
            self.trail_percent,
        )
        for price in prices:
            if price is not None and not (price.is_finite() and price > 0):
                raise BadNumber(f"A price of the order is {price}: not above zero.")
        kind = self.type
        if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT) and self.limit_price is None:
            raise ValueError(f"A {kind} order needs a limit price.")
        if kind in (OrderType.STOP, OrderType.STOP_LIMIT) and self.stop_price is None:
            raise ValueError(f"A {kind} order needs a stop price.")
        trails = (self.trail_price is not None) + (self.trail_percent is not None)
        if kind is OrderType.TRAILING_STOP and trails != 1:
            raise ValueError("A trailing stop needs one of trail_price, trail_percent.")

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side == "buy"


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution."""

    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Match:
    """What one quote did to an order.

    `order` is what remains of it with its new trigger state, or None when nothing
    remains. `canceled` is what an `ioc` or `fok` order gives up.
    """

    fills: tuple[Fill, ...]
    order: RestingOrder | None
    canceled: Decimal = ZERO

    @property
    def filled(self) -> Decimal:
        """Shares filled by this quote."""
        return sum((fill.quantity for fill in self.fills), ZERO)


@dataclass(frozen=True, slots=True)
class FillModel:
    """How quotes are made from prices, and how much of an order fills at what price.

    A model with a `participation` cap fills at most that share of a quote's volume, in
    whole shares; without one, size is ignored. `partial_odds` is the chance that a fill
    takes only a random part. `borrow_rate` is what shares sold short cost a year, as a
    share of their value, and `margin_rate` what borrowed dollars do; `latency` is how
    long an order takes to the market. Slippage worsens market and stop orders only: a
    limit order never trades beyond its limit.
    """

    name: str
    half_spread_bps: Decimal = ZERO
    slippage_bps: Decimal = ZERO
    participation: Decimal | None = None
    partial_odds: float = 0.0
    fees: bool = False
    borrow_rate: Decimal = ZERO
    margin_rate: Decimal = ZERO
    latency: timedelta = timedelta(0)

    def quote(
        self,
        price: float | Decimal,
        time: datetime,
        volume: float | Decimal = 0.0,
        came_from: float | Decimal | None = None,
    ) -> Quote:
        """Return the quote around a traded price; the spread is rounded outwards."""
        last = _price(price)
        half = last * self.half_spread_bps * BASIS_POINT
        return Quote(
            # A penny stock keeps a bid: half a spread never reaches zero.
            bid=round_down(last - half) or last,
            ask=round_up(last + half),
            last=last,
            time=time,
            volume=volume if isinstance(volume, Decimal) else exact(volume),
            came_from=None if came_from is None else _price(came_from),
        )

    def quotes(self, points: "Iterable[PricePoint]") -> list[Quote]:
        """Return the quotes of one bar's path: a jump to the first, none after it."""
        quotes: list[Quote] = []
        for point in points:
            before = quotes[-1].last if quotes else None
            quotes.append(self.quote(point.price, point.time, point.volume, before))
        return quotes


ALPACA_PAPER = FillModel("alpaca-paper", partial_odds=0.1)
"""The broker's paper account: fills at the quote whatever the size, one in ten fills is
partial and the rest meets the next quote; no fees."""

REALISTIC = FillModel(
    "realistic",
    half_spread_bps=Decimal(1),
    slippage_bps=Decimal(2),
    participation=Decimal("0.1"),
    fees=True,
    borrow_rate=Decimal("0.003"),
    margin_rate=Decimal("0.0625"),
    latency=timedelta(milliseconds=250),
)
"""Half a spread of 1 bp, 2 bp of slippage, at most a tenth of the volume, fees,
0.3 % a year on shorts (the usual price of shares that are easy to borrow), 6.25 % a
year on borrowed dollars (the broker's schedule of 2026-09), and a quarter of a second
from acceptance to the market."""

FILL_MODELS = {model.name: model for model in (ALPACA_PAPER, REALISTIC)}


# What has one moment to fill in finds no next quote for the rest of a partial fill.
UNDIVIDED = (TimeInForce.FOK, TimeInForce.OPG, TimeInForce.CLS)


def match(order: RestingOrder, quote: Quote, model: FillModel, seed: int = 0) -> Match:
    """Let an order meet a quote; return its fills and what remains of it."""
    order, moment = _trigger(order, quote)
    price = _executable(order, quote, moment, model)
    quantity = ZERO if price is None else _quantity(order, quote, model, seed)
    rest = order.quantity - quantity
    fills = (Fill(quantity, price),) if price is not None and quantity else ()
    if not rest:
        return Match(fills, None)
    if order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        return Match(fills, None, canceled=rest)
    return Match(fills, replace(order, quantity=rest, resting=True))


def draw(
    seed: int, symbol: str, time: datetime, side: Side, quantity: Decimal
) -> tuple[float, float]:
    """Return two numbers in [0, 1) that depend on the arguments alone."""
    # 10 and 10.000 are one quantity.
    amount = f"{quantity.normalize():f}"
    key = f"{seed}|{symbol}|{require_aware(time).isoformat()}|{side}|{amount}"
    digest = blake2b(key.encode(), digest_size=16).digest()
    first, second = digest[:8], digest[8:]
    # 53 bits fill a float exactly; 64 could round up to 1.
    return (
        (int.from_bytes(first, "big") >> 11) / 2**53,
        (int.from_bytes(second, "big") >> 11) / 2**53,
    )


def buying_collar(price: Decimal) -> Decimal:
    """Return the limit that the broker puts on a purchase at the market.

    4 % above an ask, or the stop of a buy stop, below $50, else 2.5 %.
    """
    share = Decimal("1.04") if price < 50 else Decimal("1.025")
    return round_down(price * share)


def trailing_stop_price(order: RestingOrder, high_water: Decimal) -> Decimal:
    """Return the stop at a best price: the trail below it, above it for a buy."""
    return trail_beyond(high_water, order.side, order.trail_price, order.trail_percent)


def trail_beyond(
    best: Decimal,
    side: Side,
    trail_price: Decimal | None,
    trail_percent: Decimal | None,
) -> Decimal:
    """Return the price that lies the trail away from a best price."""
    if trail_price is not None:
        distance = trail_price
    else:
        assert trail_percent is not None
        distance = best * trail_percent / 100
    # A trail wider than the price can never be reached from above: keep it a price.
    return round_price(best + distance if side == "buy" else best - distance)


def _trigger(order: RestingOrder, quote: Quote) -> tuple[RestingOrder, Decimal | None]:
    """Return the order after the quote's last price, and the price that elected it.

    The second is None unless a stop was elected in the middle of a move.
    """
    if order.triggered or order.type in (OrderType.MARKET, OrderType.LIMIT):
        return order, None
    came_from = quote.came_from if order.resting else None
    stop = order.stop_price
    if order.type is OrderType.TRAILING_STOP:
        seen = [order.high_water, came_from] if order.resting else [order.high_water]
        best = [price for price in seen if price is not None]
        if best:
            stop = trailing_stop_price(order, min(best) if order.is_buy else max(best))
        reach = min if order.is_buy else max
        order = replace(order, high_water=reach([*best, quote.last]))
        if not best:
            # The trail begins at the first price it sees.
            return replace(order, stop_price=_own_stop(order)), None
    assert stop is not None
    elected = quote.last >= stop if order.is_buy else quote.last <= stop
    if not elected:
        if order.type is OrderType.TRAILING_STOP:
            order = replace(order, stop_price=_own_stop(order))
        return order, None
    order = replace(order, triggered=True, stop_price=stop)
    if order.type is OrderType.STOP and order.is_buy:
        order = replace(order, limit_price=buying_collar(stop))
    if came_from is None:
        return order, None
    crossed = came_from < stop if order.is_buy else came_from > stop
    return order, stop if crossed else None


def _own_stop(order: RestingOrder) -> Decimal | None:
    assert order.high_water is not None
    stop = trailing_stop_price(order, order.high_water)
    return stop if stop > 0 else None


def _executable(
    order: RestingOrder, quote: Quote, elected_at: Decimal | None, model: FillModel
) -> Decimal | None:
    """Return the price at which the order trades now, or None."""
    if order.type not in (OrderType.MARKET, OrderType.LIMIT) and not order.triggered:
        return None
    far = quote.ask if order.is_buy else quote.bid
    spread = far - quote.last
    if elected_at is not None:
        far = elected_at + spread
    limit = order.limit_price
    if limit is None or order.type in (OrderType.MARKET, OrderType.TRAILING_STOP):
        return _slipped(far, order, model)
    if _is_beyond(far, limit, order):
        return None
    came_from = quote.came_from if order.resting and elected_at is None else None
    if came_from is not None and _is_beyond(came_from + spread, limit, order):
        return limit
    if order.type in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        return far
    # An elected buy stop is a limit at its collar: it slips, but not beyond it.
    return min(_slipped(far, order, model), limit)


def _is_beyond(price: Decimal, limit: Decimal, order: RestingOrder) -> bool:
    return price > limit if order.is_buy else price < limit


def _slipped(price: Decimal, order: RestingOrder, model: FillModel) -> Decimal:
    if not model.slippage_bps:
        return round_price(price)
    slip = price * model.slippage_bps * BASIS_POINT
    if order.is_buy:
        return round_up(price + slip)
    return round_down(price - slip) or round_price(price)


def _quantity(
    order: RestingOrder, quote: Quote, model: FillModel, seed: int
) -> Decimal:
    """Return how much of an executable order this quote fills."""
    wanted = order.quantity
    if model.participation is not None:
        available = (quote.volume * model.participation).to_integral_value(ROUND_FLOOR)
        if order.time_in_force is TimeInForce.FOK and available < wanted:
            return ZERO
        return min(wanted, max(available, ZERO))
    if not model.partial_odds or order.time_in_force in UNDIVIDED:
        return wanted
    odds, share = draw(seed, order.symbol, quote.time, order.side, wanted)
    if odds >= model.partial_odds:
        return wanted
    step = Decimal(1) if wanted == wanted.to_integral_value() else QUANTITY_STEP
    part = (wanted * exact(share)).quantize(step, ROUND_FLOOR)
    # At least one step is filled, and at least one is left: else it is no partial fill.
    return max(part, step) if wanted > step else wanted


def _price(value: float | Decimal) -> Decimal:
    return round_price(value) if isinstance(value, Decimal) else price_of(value)
