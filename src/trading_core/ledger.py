"""Cash and positions from executions, corporate actions, and round trips.

Every number is a `Decimal`. A position keeps its cost rather than its average price, so
that what was paid, what was realized and what is held add up exactly:
cash received + cost = realized.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from trading_core.calendar import require_aware
from trading_core.money import QUANTITY_STEP, ZERO, BadNumber, Side

COST_STEP = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class Execution:
    """Shares that changed hands; `reference` is whatever the caller joins by."""

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    time: datetime
    fees: Decimal = ZERO
    reference: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", require_aware(self.time))
        if self.side not in ("buy", "sell"):
            raise ValueError(f"side is {self.side!r}: it must be buy or sell.")
        for name, number in (("quantity", self.quantity), ("price", self.price)):
            if not (number.is_finite() and number > 0):
                raise BadNumber(f"{name} is {number}: it must be above zero.")
        if not self.fees.is_finite():
            raise BadNumber(f"fees are {self.fees}: not a number.")

    @property
    def signed(self) -> Decimal:
        """Shares added to the position: negative for a sale."""
        return self.quantity if self.side == "buy" else -self.quantity

    @property
    def cash(self) -> Decimal:
        """What the account receives before fees: negative for a purchase."""
        return -self.signed * self.price


@dataclass(frozen=True, slots=True)
class Position:
    """Shares held, what they cost, and what was realized before (fees left out).

    `quantity` and `cost` are negative for a short.
    """

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO

    @property
    def average_price(self) -> Decimal:
        """Cost of a share, zero when flat."""
        return self.cost / self.quantity if self.quantity else ZERO

    @property
    def is_flat(self) -> bool:
        """Whether nothing is held."""
        return self.quantity == 0

    def market_value(self, price: Decimal) -> Decimal:
        """Value at a price, negative for a short."""
        return self.quantity * price

    def unrealized(self, price: Decimal) -> Decimal:
        """Profit at a price that is not realized yet."""
        return self.market_value(price) - self.cost

    def after(self, execution: Execution) -> "Position":
        """Return the position after an execution, at average cost."""
        change = execution.signed
        if self.quantity * change >= 0:
            return replace(
                self, quantity=self.quantity + change, cost=self.cost - execution.cash
            )
        closed = min(abs(change), abs(self.quantity))
        if closed == abs(self.quantity):
            released = self.cost
        else:
            released = (self.cost * closed / abs(self.quantity)).quantize(COST_STEP)
        received = closed * execution.price * (1 if change < 0 else -1)
        opened = change + (closed if change < 0 else -closed)
        return Position(
            quantity=self.quantity + change,
            cost=self.cost - released + opened * execution.price,
            realized=self.realized + received - released,
        )

    def split(self, ratio: Decimal) -> "Position":
        """Return the position after a split: 7 for seven new shares for one old."""
        if not (ratio.is_finite() and ratio > 0):
            raise BadNumber(f"ratio is {ratio}: it must be above zero.")
        return replace(self, quantity=(self.quantity * ratio).quantize(QUANTITY_STEP))


@dataclass(slots=True)
class Book:
    """Cash and positions of one account; it changes with what is applied to it."""

    cash: Decimal
    positions: dict[str, Position] = field(default_factory=dict)
    fees: Decimal = ZERO
    dividends: Decimal = ZERO

    def position(self, symbol: str) -> Position:
        """Return a symbol's position; a flat one when there is none."""
        return self.positions.get(symbol, Position())

    def apply(self, execution: Execution) -> Position:
        """Book an execution with its fees and return the new position."""
        after = self.position(execution.symbol).after(execution)
        self.positions[execution.symbol] = after
        self.cash += execution.cash - execution.fees
        self.fees += execution.fees
        return after

    def charge(self, fees: Decimal) -> None:
        """Book fees that belong to no single execution."""
        self.cash -= fees
        self.fees += fees

    def split(self, symbol: str, ratio: Decimal) -> None:
        """Apply a split before the open of its ex-date."""
        if symbol in self.positions:
            self.positions[symbol] = self.positions[symbol].split(ratio)

    def dividend(self, symbol: str, per_share: Decimal) -> Decimal:
        """Book a cash dividend on what is held now (a short pays) and return it."""
        amount = self.position(symbol).quantity * per_share
        self.cash += amount
        self.dividends += amount
        return amount

    def market_value(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Value of all positions; a held symbol without a price is an error."""
        return sum((self._value(symbol, prices) for symbol in self.held()), ZERO)

    def gross_value(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Long plus short value, both counted as positive."""
        return sum((abs(self._value(symbol, prices)) for symbol in self.held()), ZERO)

    def equity(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Cash plus the value of all positions."""
        return self.cash + self.market_value(prices)

    def realized(self) -> Decimal:
        """Profit realized over all symbols, before fees and dividends."""
        return sum((position.realized for position in self.positions.values()), ZERO)

    def held(self) -> list[str]:
        """Symbols with a position, in order."""
        return sorted(s for s, position in self.positions.items() if position.quantity)

    def _value(self, symbol: str, prices: Mapping[str, Decimal]) -> Decimal:
        if symbol not in prices:
            raise KeyError(f"No price for {symbol}, of which shares are held.")
        return self.positions[symbol].market_value(prices[symbol])


@dataclass(frozen=True, slots=True)
class Close:
    """Shares of a round trip that were closed against their first-in lot."""

    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    entered_at: datetime
    exited_at: datetime


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A symbol from flat to flat (`closed_at` is None while it is open).

    `quantity` is all shares entered. `entry_price` and `exit_price` are averages over
    the shares entered and left; `gross` is the profit of the shares that were closed,
    first in, first out; `net` is less all fees.
    """

    symbol: str
    side: Side
    quantity: Decimal
    open_quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal | None
    opened_at: datetime
    closed_at: datetime | None
    gross: Decimal
    fees: Decimal
    closes: tuple[Close, ...]
    executions: tuple[Execution, ...]

    @property
    def net(self) -> Decimal:
        """Profit after fees."""
        return self.gross - self.fees

    @property
    def is_open(self) -> bool:
        """Whether shares are still held."""
        return self.closed_at is None

    @property
    def return_on_cost(self) -> Decimal:
        """Net profit over the money entered."""
        return self.net / (self.quantity * self.entry_price)

    @property
    def entry_reference(self) -> str:
        """The reference of the execution that opened it."""
        return self.executions[0].reference

    @property
    def exit_reference(self) -> str:
        """The reference of the execution that closed it, empty while it is open."""
        return "" if self.is_open else self.executions[-1].reference


@dataclass(frozen=True, slots=True)
class Excursion:
    """The worst and the best a round trip stood at, in dollars for its entered shares.

    `adverse` (MAE) is zero or below, `favorable` (MFE) zero or above.
    """

    adverse: Decimal
    adverse_at: datetime | None
    favorable: Decimal
    favorable_at: datetime | None


@dataclass(frozen=True, slots=True)
class Split:
    """New shares for one old, from an instant on."""

    symbol: str
    time: datetime
    ratio: Decimal


def round_trips(
    executions: Iterable[Execution], splits: Iterable[Split] = ()
) -> list[RoundTrip]:
    """Return the round trips of executions in time order, those still open at the end.

    An execution that turns a long into a short (or back) ends one trip and opens the
    next; its fees are divided by shares. A trip that is open at a split is told in the
    shares and prices after it.
    """
    trips: list[RoundTrip] = []
    open_trips: dict[str, _Trip] = {}
    due = deque(sorted(splits, key=lambda split: split.time))

    def split_until(time: datetime | None) -> None:
        while due and (time is None or due[0].time <= time):
            split = due.popleft()
            if split.symbol in open_trips:
                open_trips[split.symbol].split(split.ratio)

    for execution in executions:
        split_until(execution.time)
        trip = open_trips.get(execution.symbol)
        if trip is None:
            trip = open_trips[execution.symbol] = _Trip(execution.side)
        beyond = trip.add(execution)
        if trip.held == 0:
            trips.append(trip.result())
            del open_trips[execution.symbol]
        if beyond is not None:
            following = open_trips[execution.symbol] = _Trip(beyond.side)
            following.add(beyond)
    split_until(None)
    return trips + [open_trips[symbol].result() for symbol in sorted(open_trips)]


def excursion(
    trip: RoundTrip, bars: Sequence[tuple[datetime, Decimal, Decimal]]
) -> Excursion:
    """Return how far a trip went for and against, on (time, low, high) of its bars.

    Hand in the bars between entry and exit only. All entered shares are counted at the
    average entry price.
    """
    adverse, favorable = ZERO, ZERO
    adverse_at: datetime | None = None
    favorable_at: datetime | None = None
    direction = 1 if trip.side == "buy" else -1
    for time, low, high in bars:
        worst, best = (low, high) if direction > 0 else (high, low)
        down = (worst - trip.entry_price) * direction * trip.quantity
        up = (best - trip.entry_price) * direction * trip.quantity
        if down < adverse:
            adverse, adverse_at = down, time
        if up > favorable:
            favorable, favorable_at = up, time
    return Excursion(adverse, adverse_at, favorable, favorable_at)


class _Trip:
    """A round trip under way: its lots, first in first out."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.held = ZERO
        self.lots: deque[tuple[Decimal, Execution]] = deque()
        self.executions: list[Execution] = []
        self.closes: list[Close] = []

    def add(self, execution: Execution) -> Execution | None:
        """Take an execution in; return the part that goes beyond flat, if any."""
        if execution.side == self.side:
            self.executions.append(execution)
            self.lots.append((execution.quantity, execution))
            self.held += execution.quantity
            return None
        beyond = None
        if execution.quantity > self.held:
            fees = (execution.fees * self.held / execution.quantity).quantize(COST_STEP)
            beyond = replace(
                execution,
                quantity=execution.quantity - self.held,
                fees=execution.fees - fees,
            )
            execution = replace(execution, quantity=self.held, fees=fees)
        self.executions.append(execution)
        self._close(execution)
        return beyond

    def split(self, ratio: Decimal) -> None:
        """Restate everything in the shares after a split."""

        def shares(quantity: Decimal) -> Decimal:
            return (quantity * ratio).quantize(QUANTITY_STEP)

        def restated(execution: Execution) -> Execution:
            return replace(
                execution,
                quantity=shares(execution.quantity),
                price=execution.price / ratio,
            )

        self.held = shares(self.held)
        self.lots = deque((shares(held), restated(e)) for held, e in self.lots)
        self.executions = [restated(each) for each in self.executions]
        self.closes = [
            replace(
                close,
                quantity=shares(close.quantity),
                entry_price=close.entry_price / ratio,
                exit_price=close.exit_price / ratio,
            )
            for close in self.closes
        ]

    def _close(self, execution: Execution) -> None:
        remaining = execution.quantity
        self.held -= remaining
        while remaining:
            quantity, entry = self.lots.popleft()
            closed = min(quantity, remaining)
            self.closes.append(
                Close(closed, entry.price, execution.price, entry.time, execution.time)
            )
            if quantity > closed:
                self.lots.appendleft((quantity - closed, entry))
            remaining -= closed

    def result(self) -> RoundTrip:
        direction = 1 if self.side == "buy" else -1
        entries = [e for e in self.executions if e.side == self.side]
        exits = [e for e in self.executions if e.side != self.side]
        gross = sum(
            (
                (close.exit_price - close.entry_price) * close.quantity
                for close in self.closes
            ),
            ZERO,
        )
        return RoundTrip(
            symbol=entries[0].symbol,
            side=self.side,
            quantity=sum((e.quantity for e in entries), ZERO),
            open_quantity=self.held,
            entry_price=_average(entries),
            exit_price=_average(exits) if exits else None,
            opened_at=entries[0].time,
            closed_at=None if self.held else exits[-1].time,
            gross=gross * direction,
            fees=sum((e.fees for e in self.executions), ZERO),
            closes=tuple(self.closes),
            executions=tuple(self.executions),
        )


def _average(executions: Sequence[Execution]) -> Decimal:
    quantity = sum((e.quantity for e in executions), ZERO)
    return sum((e.quantity * e.price for e in executions), ZERO) / quantity
