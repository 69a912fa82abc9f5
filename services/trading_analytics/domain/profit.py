"""A strategy's profit by session, from its executions and the closing prices."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from trading_core.ledger import Execution
from trading_core.money import ZERO


def daily_profit(
    executions: Sequence[tuple[date, Execution]],
    closes: Mapping[date, Mapping[str, Decimal]],
    days: Sequence[date],
) -> dict[date, Decimal]:
    """Return the profit of each session after fees, marked at its closing prices.

    A position without a closing price on a day is carried at its last one.
    """
    by_day: dict[date, list[Execution]] = defaultdict(list)
    for day, execution in executions:
        by_day[day].append(execution)
    held: dict[str, Decimal] = defaultdict(lambda: ZERO)
    marks: dict[str, Decimal] = {}
    value, profit = ZERO, {}
    for day in days:
        cash = ZERO
        for execution in by_day[day]:
            held[execution.symbol] += execution.signed
            cash += execution.cash - execution.fees
            marks.setdefault(execution.symbol, execution.price)
        marks.update(closes.get(day, {}))
        now = sum((q * marks[s] for s, q in held.items() if q), ZERO)
        profit[day] = now - value + cash
        value = now
    return profit
