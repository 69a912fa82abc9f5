"""Whether two accounts of the same trading say the same, and what a difference cost.

An account of trading is a list of `Line`s: decisions, answers of risk, orders, fills
and the equity, each under a key without ids. `differences` holds two accounts against
each other line by line and tells the cause of whatever differs; `gaps` divides the
difference of their last equities into dollars by cause, without a rest.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from trading_core.calendar import Calendar
from trading_core.limits import MARKET_CODES
from trading_core.money import CENT, ZERO, Side, price_of
from trading_core.simulation.result import Backtest

Value: TypeAlias = Decimal | datetime | str | int | None


class Kind(StrEnum):
    """What a line tells, in the order in which things happen."""

    DECISION = "decision"
    OUTCOME = "outcome"
    ORDER = "order"
    FILL = "fill"
    EQUITY = "equity"


class Cause(StrEnum):
    """Why two lines differ.

    `ENVIRONMENT` is a refusal that only a running system knows, `FOLLOWS` what must
    differ because an earlier line does.
    """

    SIGNAL = "signal"
    ENVIRONMENT = "environment"
    SIZE = "size"
    MISSED = "missed"
    TIMING = "timing"
    PRICE = "price"
    COST = "cost"
    FOLLOWS = "follows"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an account of trading.

    `time` is the end of the bar that decided, for equity the time it is of; `number`
    counts the fills of an order. `values` are what is compared.
    """

    kind: Kind
    time: datetime
    strategy: str
    symbol: str
    values: Mapping[str, Value]
    number: int = 0

    @property
    def key(self) -> "Key":
        """What the same line of another account has too."""
        return self.time, self.kind, self.strategy, self.symbol, self.number


@dataclass(frozen=True, slots=True)
class Difference:
    """A value of a line that is not the same in both; None where a line is missing."""

    line: Line
    column: str
    expected: Value
    actual: Value
    cause: Cause


@dataclass(frozen=True, slots=True)
class Gap:
    """What the differences of one cause, about one order, changed in dollars."""

    cause: Cause
    dollars: Decimal
    line: Line | None = None


Account: TypeAlias = Sequence[Line]
Key: TypeAlias = tuple[datetime, Kind, str, str, int]
SIDES: Mapping[int, Side] = {1: "buy", -1: "sell"}


def decision(
    time: datetime, strategy: str, symbol: str, side: str | None, close: float | None
) -> Line:
    """Return the line of a decision; a `side` of None is no signal."""
    price = None if close is None else price_of(close)
    values = {"signal": side or "none", "close": price}
    return Line(Kind.DECISION, time, strategy, symbol, values)


def outcome(
    time: datetime,
    strategy: str,
    symbol: str,
    code: str,
    quantity: Decimal | None,
    equity: Decimal | None = None,
) -> Line:
    """Return the line of an answer of risk; an approval has no code."""
    values: dict[str, Value] = {"code": code, "quantity": quantity or None}
    if equity is not None:
        values["equity"] = equity.quantize(CENT)
    return Line(Kind.OUTCOME, time, strategy, symbol, values)


def order(
    time: datetime,
    strategy: str,
    symbol: str,
    side: str,
    quantity: Decimal,
    filled: Decimal,
) -> Line:
    """Return the line of an order."""
    values: dict[str, Value] = {"side": side, "quantity": quantity, "filled": filled}
    return Line(Kind.ORDER, time, strategy, symbol, values)


def fills(
    time: datetime,
    strategy: str,
    symbol: str,
    side: str,
    executed: Iterable[tuple[datetime, Decimal, Decimal]],
) -> list[Line]:
    """Return the lines of an order's executions: time, quantity and price of each."""
    return [
        Line(
            Kind.FILL,
            time,
            strategy,
            symbol,
            {"side": side, "time": when, "quantity": quantity, "price": price},
            number,
        )
        for number, (when, quantity, price) in enumerate(sorted(executed))
    ]


def equity(time: datetime, equity: Decimal, cash: Decimal) -> Line:
    """Return the line of what the account is worth at a time."""
    values = {"equity": equity.quantize(CENT), "cash": cash.quantize(CENT)}
    return Line(Kind.EQUITY, time, "", "", values)


def of_backtest(result: Backtest, calendar: Calendar) -> list[Line]:
    """Return what a backtest tells, from the first bar that traded on."""
    timeframe, begun = result.provenance.timeframe, result.provenance.first
    lines = []
    for row in result.decisions.iter_rows(named=True):
        if row["timestamp"] >= begun:
            _, end = calendar.bar_starting(row["timestamp"], timeframe)
            side = SIDES.get(row["signal"])
            lines.append(
                decision(end, row["strategy"], row["symbol"], side, row["close"])
            )
    for answer in result.outcomes:
        about = answer.decided_at, answer.strategy, answer.symbol
        judged = answer.evaluation
        lines.append(outcome(*about, judged.code, judged.quantity, answer.equity))
    executed: dict[str, list[tuple[datetime, Decimal, Decimal]]] = defaultdict(list)
    for each in result.executions:
        executed[each.reference].append((each.time, each.quantity, each.price))
    for placed in result.orders:
        about = placed.placed_at, placed.strategy, placed.symbol
        lines.append(order(*about, placed.side, placed.quantity, placed.filled))
        lines += fills(*about, placed.side, executed[placed.reference])
    return lines + [equity(each.time, each.equity, each.cash) for each in result.shown]


def differences(expected: Account, actual: Account) -> list[Difference]:
    """Return what differs between two accounts, in order of time."""
    lines = _by_key(expected), _by_key(actual)
    found: list[Difference] = []
    for key in sorted(lines[0].keys() | lines[1].keys(), key=_place):
        one, other = lines[0].get(key), lines[1].get(key)
        line = one or other
        assert line is not None
        for column, values in _compared(one, other):
            cause = _cause(line, column, values, found)
            found.append(Difference(line, column, *values, cause))
    return found


def gaps(expected: Account, actual: Account, marks: Mapping[str, Decimal]) -> list[Gap]:
    """Return the difference of two last equities in dollars, by order and cause.

    Shares that are held at the end count at `marks`. The sum is the difference to the
    cent, when both accounts began with the same: what no execution explains is `COST`.
    """
    causes = {
        (each.line.time, each.line.strategy, each.line.symbol): each.cause
        for each in reversed(differences(expected, actual))
        if each.line.kind in (Kind.DECISION, Kind.OUTCOME)
    }
    found: list[Gap] = []
    sums = [_traded(account) for account in (expected, actual)]
    for key in sorted(sums[0].keys() | sums[1].keys()):
        line = next(each[key].line for each in sums if key in each)
        one, other = (each.get(key, _Traded(line)) for each in sums)
        found += _gaps_of(line, one, other, marks[line.symbol], causes.get(key))
    rest = _last_equity(actual) - _last_equity(expected)
    rest -= sum((gap.dollars for gap in found), ZERO)
    return found + ([Gap(Cause.COST, rest)] if rest else [])


@dataclass(slots=True)
class _Traded:
    """What came of an order: shares and cash, and when the first were filled."""

    line: Line
    shares: Decimal = ZERO
    cash: Decimal = ZERO
    first: datetime | None = None

    def worth(self, mark: Decimal) -> Decimal:
        return self.cash + self.shares * mark


def _traded(account: Account) -> dict[tuple[datetime, str, str], _Traded]:
    found: dict[tuple[datetime, str, str], _Traded] = {}
    for line in account:
        if line.kind is Kind.FILL:
            key = line.time, line.strategy, line.symbol
            one = found.setdefault(key, _Traded(line))
            quantity, price = line.values["quantity"], line.values["price"]
            time = line.values["time"]
            assert isinstance(quantity, Decimal) and isinstance(price, Decimal)
            assert isinstance(time, datetime)
            signed = quantity if line.values["side"] == "buy" else -quantity
            one.shares += signed
            one.cash -= signed * price
            one.first = min(one.first or time, time)
    return found


def _gaps_of(
    line: Line, one: _Traded, other: _Traded, mark: Decimal, decided: Cause | None
) -> list[Gap]:
    """Return what one order changed: (shares more) at a profit, and a worse price."""
    whole = other.worth(mark) - one.worth(mark)
    if decided in (None, Cause.ENVIRONMENT):
        more = Cause.MISSED
    else:
        more = Cause.SIGNAL if decided is Cause.SIGNAL else Cause.SIZE
    if not (one.shares and other.shares):
        return [Gap(more, whole, line)] if whole else []
    profit = mark + one.cash / one.shares
    by_size = ((other.shares - one.shares) * profit).quantize(CENT)
    by_price = whole - by_size
    worse = Cause.TIMING if one.first != other.first else Cause.PRICE
    found = Gap(more, by_size, line), Gap(worse, by_price, line)
    return [gap for gap in found if gap.dollars]


def _last_equity(account: Account) -> Decimal:
    lines = [line for line in account if line.kind is Kind.EQUITY]
    if not lines:
        raise ValueError("An account of trading without an equity has no gap.")
    value = max(lines, key=lambda line: line.time).values["equity"]
    assert isinstance(value, Decimal)
    return value


def _by_key(account: Account) -> dict[Key, Line]:
    found = {line.key: line for line in account}
    if len(found) != len(account):
        (twice, _), *_ = Counter(line.key for line in account).most_common(1)
        raise ValueError(f"An account of trading tells one line twice: {twice}.")
    return found


def _place(key: Key) -> tuple[datetime, int, str, str, int]:
    time, kind, strategy, symbol, number = key
    return time, list(Kind).index(kind), strategy, symbol, number


def _compared(
    one: Line | None, other: Line | None
) -> list[tuple[str, tuple[Value, Value]]]:
    """Return the columns in which two lines differ; "" where one is missing."""
    if one is None or other is None:
        said = [None if each is None else _words(each) for each in (one, other)]
        return [("", (said[0], said[1]))]
    shared = [name for name in one.values if name in other.values]
    pairs = [(name, (one.values[name], other.values[name])) for name in shared]
    return [(name, values) for name, values in pairs if values[0] != values[1]]


def _words(line: Line) -> str:
    shown = (f"{name} {value}" for name, value in line.values.items() if value)
    return ", ".join(shown)


def _cause(
    line: Line, column: str, values: tuple[Value, Value], told: list[Difference]
) -> Cause:
    """Return why a line differs, given all that was told to differ before."""
    if line.kind is Kind.DECISION:
        return Cause.SIGNAL
    before = [each for each in told if each.line.key != line.key]
    own = [
        each
        for each in before
        if (each.line.time, each.line.strategy, each.line.symbol)
        == (line.time, line.strategy, line.symbol)
    ]
    if line.kind is Kind.OUTCOME:
        codes = {value for value in values if isinstance(value, str)}
        if column == "code" and codes - MARKET_CODES - {""}:
            return Cause.ENVIRONMENT
        if before:
            return Cause.FOLLOWS
        return Cause.COST if column == "equity" else Cause.SIZE
    if line.kind is Kind.EQUITY:
        return Cause.FOLLOWS if before else Cause.COST
    if [each for each in own if each.line.kind is not Kind.FILL]:
        return Cause.FOLLOWS
    if line.kind is Kind.ORDER:
        return Cause.SIZE if column == "quantity" else Cause.MISSED
    if not column:
        return Cause.MISSED
    is_late = any(each.line.key == line.key and each.column == "time" for each in told)
    return Cause.PRICE if column == "price" and not is_late else Cause.TIMING
