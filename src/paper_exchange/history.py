"""An account's equity over time, computed from its executions and the prices then."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from paper_exchange import instants
from paper_exchange.accounts import Account
from paper_exchange.errors import invalid
from paper_exchange.exchange import Exchange
from paper_exchange.instants import HOUR, MINUTE, SECOND
from paper_exchange.numbers import ZERO

FRAMES = {
    "1Min": MINUTE,
    "5Min": 5 * MINUTE,
    "15Min": 15 * MINUTE,
    "1H": HOUR,
    "1D": 24 * HOUR,
}
UNITS = {"D": 1, "W": 7, "M": 30, "A": 365}
LONGEST_INTRADAY_DAYS = 30
MOST_ACTIVITIES = 10_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """What part of the history is wanted, and in which steps."""

    start: int
    end: int
    timeframe: str
    reporting: str
    resets_daily: bool
    flows: frozenset[str] = frozenset()
    """Types of activities whose dollars are told for each step; `ALL` is every one."""


def span(
    exchange: Exchange,
    account: Account,
    period: str | None,
    timeframe: str | None,
    start: int | None,
    end: int | None,
    reporting: str,
    resets_daily: bool,
    flows: frozenset[str],
) -> Span:
    """Return the span that the parameters of a request mean."""
    if sum(value is not None for value in (period, start, end)) > 2:
        raise invalid("at most two of start, end and period are accepted")
    end = exchange.now if end is None else min(end, exchange.now)
    if period == "all":
        period, start = None, account.created_at if start is None else start
    if start is None:
        start = end - _period(period or "1M")
    elif period is not None:
        end = min(start + _period(period), exchange.now)
    days = (end - start) / (24 * HOUR)
    if timeframe is None:
        timeframe = "1Min" if days < 7 else "15Min" if days < 30 else "1D"
    if timeframe not in FRAMES:
        raise invalid("invalid timeframe")
    if timeframe != "1D" and days > LONGEST_INTRADAY_DAYS + 1:
        raise invalid("timeframes below 1D cover at most 30 days")
    return Span(start, end, timeframe, reporting, resets_daily, flows)


def _period(text: str) -> int:
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in UNITS or not 0 < int(number) <= 5000:
        raise invalid("invalid period")
    return int(timedelta(days=int(number) * UNITS[unit]).total_seconds()) * SECOND


class _Past:
    """Cash and holdings of an account at any instant."""

    def __init__(self, exchange: Exchange, account: Account) -> None:
        self._market = exchange.market
        self._times = [0]
        self._states: list[tuple[Decimal, dict[str, Decimal]]] = [
            (account.starting_cash, {})
        ]
        for activity in exchange.store.activities(
            account.id, (), None, None, False, MOST_ACTIVITIES, None
        ):
            cash, held = self._states[-1]
            if activity["activity_type"] == "FILL":
                quantity, price = Decimal(activity["qty"]), Decimal(activity["price"])
                sign = 1 if activity["side"] == "buy" else -1
                symbol = activity["symbol"]
                held = {**held, symbol: held.get(symbol, ZERO) + sign * quantity}
                cash -= sign * quantity * price
                time = instants.parse(activity["transaction_time"])
            else:
                cash += Decimal(activity["net_amount"])
                if activity["activity_type"] == "SPLIT":
                    symbol, change = activity["symbol"], Decimal(activity["qty"])
                    held = {**held, symbol: held.get(symbol, ZERO) + change}
                # Booked at the close of its day, behind that day's executions.
                time = instants.parse(activity["date"])
            self._times.append(max(time, self._times[-1]))
            self._states.append(
                (cash, {name: shares for name, shares in held.items() if shares})
            )

    def equity(self, instant: int) -> Decimal:
        """Return cash and the value of what was held at the prices of an instant."""
        cash, held = self._states[bisect_right(self._times, instant) - 1]
        return cash + sum(
            (
                shares * (self._market.mark(symbol, instant) or ZERO)
                for symbol, shares in held.items()
            ),
            ZERO,
        )


def portfolio(exchange: Exchange, account: Account, wanted: Span) -> dict[str, Any]:
    """Return the answer of the portfolio history endpoint.

    Each element is labelled with the start of its window and valued at its end.
    """
    windows = [
        (start, min(end, exchange.now))
        for start, end in _windows(exchange, wanted)
        if end > account.created_at and start <= wanted.end
    ]
    past = _Past(exchange, account)
    equity = [past.equity(end) for _, end in windows]
    first = windows[0][0] if windows else wanted.start
    base = past.equity(max(first, account.created_at))
    profits, bases = [], []
    day, day_base = None, base
    before = base
    for (start, _), value in zip(windows, equity, strict=True):
        date = instants.new_york_date(start)
        if wanted.resets_daily and date != day:
            day, day_base = date, before
        profits.append(value - day_base)
        bases.append(day_base)
        before = value
    return {
        "timestamp": [start // SECOND for start, _ in windows],
        "equity": [round(float(value), 2) for value in equity],
        "profit_loss": [round(float(value), 2) for value in profits],
        "profit_loss_pct": [
            round(float(profit / start), 8) if start else 0.0
            for profit, start in zip(profits, bases, strict=True)
        ],
        "base_value": round(float(base), 2),
        "base_value_asof": instants.new_york_date(first).isoformat(),
        "timeframe": wanted.timeframe,
        "cashflow": _cashflow(exchange, account, wanted.flows, windows),
    }


def _cashflow(
    exchange: Exchange,
    account: Account,
    types: frozenset[str],
    windows: Sequence[tuple[int, int]],
) -> dict[str, list[float]]:
    """Return the dollars that each type of booking moved in each step."""
    flows: dict[str, list[Decimal]] = {}
    if not types:
        return {}
    ends = [end for _, end in windows]
    for activity in exchange.store.activities(
        account.id, (), None, None, False, MOST_ACTIVITIES, None
    ):
        kind = activity["activity_type"]
        if kind == "FILL" or not types & {kind, "ALL"}:
            continue
        # A booking has a date and no time: it is told in the first step of its day.
        place = bisect_right(ends, instants.parse(activity["date"]))
        if place < len(ends):
            row = flows.setdefault(kind, [ZERO] * len(ends))
            row[place] += Decimal(activity["net_amount"])
    return {kind: [float(amount) for amount in row] for kind, row in flows.items()}


def _windows(exchange: Exchange, wanted: Span) -> Sequence[tuple[int, int]]:
    """Return start and end of each step; steps of a day are its sessions."""
    length = FRAMES[wanted.timeframe]
    days = exchange.sessions.between(
        instants.new_york_date(wanted.start), instants.new_york_date(wanted.end)
    )
    if wanted.timeframe == "1D":
        return [(day.open, day.close) for day in days if day.open <= wanted.end]
    if wanted.reporting == "continuous":
        first = wanted.start - wanted.start % length
        return [(start, start + length) for start in range(first, wanted.end, length)]
    windows = []
    for day in days:
        opens, closes = day.open, day.close
        if wanted.reporting == "extended_hours":
            opens, closes = day.midnight + 4 * HOUR, day.close + 4 * HOUR
        for start in range(opens - opens % length, closes, length):
            if wanted.start <= start <= wanted.end and start + length > opens:
                windows.append((max(start, opens), min(start + length, closes)))
    return windows
